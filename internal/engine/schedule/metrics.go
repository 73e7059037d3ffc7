package schedule

import (
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

type metrics struct {
	waiting     *metric.GaugeVec
	running     *metric.GaugeVec
	waited      *metric.HistogramVec
	refused     *metric.CounterVec
	interrupted *metric.Counter
}

func newMetrics(s observe.Scope) *metrics {
	m := &metrics{
		waiting: observe.Register(s, metric.NewGaugeVec(metric.Opts{
			Name: "scout_engine_waiting", Help: "Requests that wait for a slot of the machine.",
		}, []string{"priority"})),
		running: observe.Register(s, metric.NewGaugeVec(metric.Opts{
			Name: "scout_engine_running", Help: "Requests that have a slot of the machine.",
		}, []string{"priority"})),
		waited: observe.Register(s, metric.NewHistogramVec(metric.HistogramOpts{
			Name: "scout_engine_wait_seconds", Help: "Time that a request waited for a slot of the machine.",
			Buckets: observe.LatencyBuckets(),
		}, []string{"priority"})),
		refused: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_engine_busy_total", Help: "Requests refused because too many of their class waited.",
		}, []string{"priority"})),
		interrupted: observe.Register(s, metric.NewCounter(metric.Opts{
			Name: "scout_engine_interrupted_total", Help: "Requests that gave their slot to a more urgent one and ran again.",
		})),
	}
	for _, c := range Classes() {
		m.waiting.WithLabelValues(c.String())
		m.running.WithLabelValues(c.String())
		m.refused.WithLabelValues(c.String())
	}
	return m
}
