package files

import (
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// eventFile is a log event: a file that became text, or why it did not.
const eventFile = "openai_file"

// Outcomes of a file, as labels.
const (
	outcomeText      = "text"
	outcomeRefused   = "refused"
	outcomeFailed    = "failed"
	outcomeCancelled = "cancelled"
	outcomeReplayed  = "replayed"
)

type metrics struct {
	files   *metric.CounterVec
	audio   *metric.Counter
	wait    *metric.Histogram
	first   *metric.Histogram
	waiting *metric.Gauge
	answers *metric.Gauge
	ffmpeg  *metric.Gauge
}

// waitBuckets go from a free place to the longest wait.
var waitBuckets = []float64{0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120}

func newMetrics(scope observe.Scope) *metrics {
	return &metrics{
		files: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_openai_files_total", Help: "Files that clients of OpenAI sent, by task and outcome.",
		}, []string{"task", "outcome"})),
		audio: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_openai_audio_seconds_total", Help: "Seconds of audio in files of clients of OpenAI that became text.",
		})),
		wait: observe.Register(scope, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_openai_wait_seconds", Help: "Time that a file waited for a place among those that are decoded.", Buckets: waitBuckets,
		})),
		first: observe.Register(scope, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_openai_first_piece_seconds", Help: "Time from the headers of a request to the text of the first piece of its file.", Buckets: waitBuckets,
		})),
		waiting: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_openai_waiting", Help: "Files that wait for a place among those that are decoded.",
		})),
		ffmpeg: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_openai_ffmpeg_running", Help: "Processes of ffmpeg that decode files which are still coming.",
		})),
		answers: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_openai_kept_answers_bytes", Help: "Bytes of the answers that are kept for requests with an Idempotency-Key.",
		})),
	}
}

// tell counts and logs what became of a request.
func (s *Service) tell(x *exchange, err error) {
	code := scout.CodeOf(err)
	outcome := outcomeText
	switch {
	case err == nil && x.replayed:
		outcome = outcomeReplayed
	case err == nil:
		s.metrics.audio.Add(x.heard.Seconds())
	case code.Info().Class == scout.Cancelled:
		outcome = outcomeCancelled
	case refuses(code):
		outcome = outcomeRefused
	default:
		outcome = outcomeFailed
	}
	s.metrics.files.WithLabelValues(string(x.task), outcome).Inc()
	level := slog.LevelInfo
	if outcome == outcomeFailed {
		level = slog.LevelWarn
	}
	var bytes int64
	if x.form != nil && x.form.file != nil {
		bytes = x.form.file.size()
	}
	s.Scope.Log().Log(x.context, level, eventFile, slog.String("task", string(x.task)), slog.String("outcome", outcome), slog.String(observe.KeyModel, x.model),
		slog.Int64("bytes", bytes), slog.Int64(observe.KeyAudioMS, x.heard.Milliseconds()), slog.Int64(observe.KeyDurationMS, time.Since(x.began).Milliseconds()),
		slog.Bool("early", x.early), slog.String("client", x.caller.Client), slog.String(observe.KeyCode, string(code)))
}
