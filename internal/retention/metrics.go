package retention

import (
	"time"

	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Log events, listed in docs/formats/log-events.md. Their names never change.
const (
	eventSwept        = "retention_swept"
	eventFailed       = "retention_failed"
	eventAudioRemoved = "retention_audio_removed"
	eventInUse        = "retention_recording_in_use"
	eventClockLeapt   = "retention_clock_leapt"
)

type metrics struct {
	removed  *metric.CounterVec
	freed    *metric.Counter
	failures *metric.Counter
	last     *metric.Gauge
}

func newMetrics(scope observe.Scope) *metrics {
	m := &metrics{
		removed: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_retention_removed_total", Help: "What was removed after its time or purged, by kind: audio, recording, text, session (the events of a live session).",
		}, []string{"kind"})),
		freed: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_retention_freed_bytes_total", Help: "Size of the audio that was removed after its time.",
		})),
		failures: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_retention_failures_total", Help: "Sweeps that could not remove everything that was past its time.",
		})),
		last: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_retention_last_success_timestamp_seconds", Help: "When the last sweep without a failure ended; 0 if none did.",
		})),
	}
	for _, kind := range []string{"audio", "recording", "text", "session"} {
		m.removed.WithLabelValues(kind)
	}
	return m
}

// swept counts a sweep.
func (m *metrics) swept(err error) {
	if err != nil {
		m.failures.Inc()
		return
	}
	m.last.Set(float64(time.Now().UnixMilli()) / 1000)
}
