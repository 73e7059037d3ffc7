package schedule

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scout-speech/scout/internal/observe"
)

type metrics struct {
	waiting     *prometheus.GaugeVec
	running     *prometheus.GaugeVec
	waited      *prometheus.HistogramVec
	refused     *prometheus.CounterVec
	interrupted prometheus.Counter
}

func newMetrics(s observe.Scope) *metrics {
	m := &metrics{
		waiting: observe.Register(s, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "scout_engine_waiting", Help: "Requests that wait for a slot of the machine.",
		}, []string{"priority"})),
		running: observe.Register(s, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "scout_engine_running", Help: "Requests that have a slot of the machine.",
		}, []string{"priority"})),
		waited: observe.Register(s, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "scout_engine_wait_seconds", Help: "Time that a request waited for a slot of the machine.",
			Buckets: observe.LatencyBuckets(),
		}, []string{"priority"})),
		refused: observe.Register(s, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scout_engine_busy_total", Help: "Requests refused because too many of their class waited.",
		}, []string{"priority"})),
		interrupted: observe.Register(s, prometheus.NewCounter(prometheus.CounterOpts{
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
