package export

import (
	"log/slog"
	"os"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Log events, listed in docs/formats/log-events.md. Their names never change.
const (
	eventFinished = "export_finished"
	eventExpired  = "export_expired"
	// eventNotSwept is a file that is past its time, or of a purged recording, and could not be removed.
	eventNotSwept = "export_not_swept"
)

type metrics struct{ bytes *metric.Counter }

func newMetrics(scope observe.Scope, w *Worker) *metrics {
	observe.Register(scope, &kept{w, metric.NewGauge(metric.Opts{
		Name: "scout_export_kept_bytes", Help: "Bytes of the files of exports, in the data folder.",
	})})
	return &metrics{bytes: observe.Register(scope, metric.NewCounter(metric.Opts{
		Name: "scout_export_bytes_total", Help: "Bytes that exports have written.",
	}))}
}

// kept is the gauge of what was exported, counted when somebody asks.
type kept struct {
	worker *Worker
	*metric.Gauge
}

// Collect implements metric.Collector.
func (k *kept) Collect() []metric.Family {
	var n int64
	files, _ := os.ReadDir(k.worker.options.Dir) // what cannot be read counts as nothing
	for _, file := range files {
		if info, err := file.Info(); err == nil {
			n += info.Size()
		}
	}
	k.Set(float64(n))
	return k.Gauge.Collect()
}

// notSwept logs what could not be removed.
func (w *Worker) notSwept(err error) {
	if err != nil {
		w.log.Warn(eventNotSwept, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}
