package engine

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scout-speech/scout/internal/observe"
)

type metrics struct {
	load          *prometheus.HistogramVec
	starts        prometheus.Counter
	startFailures *prometheus.CounterVec
	requests      *prometheus.HistogramVec
	failures      *prometheus.CounterVec
	waiting       *prometheus.GaugeVec
	resident      prometheus.Gauge
	recycled      prometheus.Counter
	unloaded      prometheus.Counter
	interrupted   prometheus.Counter
}

func newMetrics(s observe.Scope) *metrics {
	return &metrics{
		load: observe.Register(s, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "scout_model_load_seconds", Help: "Time from starting an engine process to its model being ready.",
			Buckets: observe.LoadBuckets,
		}, []string{"model"})),
		starts: observe.Register(s, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "scout_engine_starts_total", Help: "Engine processes that became ready.",
		})),
		startFailures: observe.Register(s, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scout_engine_start_failures_total", Help: "Engine processes that did not become ready, by error code.",
		}, []string{"code"})),
		requests: observe.Register(s, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "scout_engine_request_seconds", Help: "Time of one request to the engine, waiting for a lane not included.",
			Buckets: observe.LatencyBuckets,
		}, []string{"priority", "outcome"})),
		failures: observe.Register(s, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "scout_engine_failures_total", Help: "Requests that the engine failed, by error code.",
		}, []string{"code"})),
		waiting: observe.Register(s, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "scout_engine_waiting", Help: "Callers that wait for a lane of the engine.",
		}, []string{"priority"})),
		resident: observe.Register(s, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "scout_engine_resident_bytes", Help: "Resident memory of the engine process after its last request, 0 when unloaded.",
		})),
		recycled: observe.Register(s, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "scout_engine_recycles_total", Help: "Engine processes replaced because they grew over the memory ceiling.",
		})),
		unloaded: observe.Register(s, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "scout_engine_unloads_total", Help: "Engine processes ended because nobody used them.",
		})),
		interrupted: observe.Register(s, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "scout_engine_interrupted_total", Help: "Batch requests that gave their lane to an interactive one and ran again.",
		})),
	}
}
