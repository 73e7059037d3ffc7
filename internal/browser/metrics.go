package browser

import (
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Log events.
const (
	eventOpened     = "live_opened"
	eventClosed     = "live_closed"
	eventResumed    = "live_resumed"
	eventNotResumed = "live_not_resumed"
	eventNotWritten = "live_not_written"
	eventNotFinal   = "live_not_final"
	eventNotSeen    = "live_not_seen"
)

type metrics struct {
	sessions *metric.CounterVec
	open     *metric.Gauge
	waiting  *metric.Gauge
	failing  *metric.Gauge
	resumed  *metric.Counter
	bytes    *metric.Counter
	lost     *metric.Counter
	ack      *metric.Histogram
}

func newMetrics(scope observe.Scope) *metrics {
	return &metrics{
		sessions: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_live_sessions_total", Help: "Sessions of sound sent by clients that ended, by outcome: the end_reason of the recording, cancelled, or empty.",
		}, []string{"outcome"})),
		open: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_live_sessions", Help: "Sessions of sound sent by clients that are open, with and without a connection.",
		})),
		waiting: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_live_sessions_waiting", Help: "Open sessions of sound sent by clients that wait for a connection.",
		})),
		failing: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_live_sessions_failing", Help: "Open sessions whose sound could not be written when it last came, or whose file cannot be ended.",
		})),
		resumed: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_live_resumed_total", Help: "Times that a client went on with a session by another connection.",
		})),
		bytes: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_live_bytes_total", Help: "Bytes of sound sent by clients that were written.",
		})),
		lost: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_live_lost_seconds_total", Help: "Seconds of sound that clients could not send any more.",
		})),
		ack: observe.Register(scope, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_live_ack_seconds", Help: "Time from the arrival of sound to its acknowledgement.",
			Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5},
		})),
	}
}
