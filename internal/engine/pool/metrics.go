package pool

import (
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

type metrics struct {
	load          *metric.HistogramVec
	starts        *metric.Counter
	startFailures *metric.CounterVec
	resident      *metric.Gauge
	recycled      *metric.Counter
	unloaded      *metric.Counter
}

func newMetrics(s observe.Scope) *metrics {
	return &metrics{
		load: observe.Register(s, metric.NewHistogramVec(metric.HistogramOpts{
			Name: "scout_model_load_seconds", Help: "Time from starting an engine process to its model being ready.",
			Buckets: observe.LoadBuckets(),
		}, []string{"model"})),
		starts: observe.Register(s, metric.NewCounter(metric.Opts{
			Name: "scout_engine_starts_total", Help: "Engine processes that became ready.",
		})),
		startFailures: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_engine_start_failures_total", Help: "Engine processes that did not become ready, by error code.",
		}, []string{"code"})),
		resident: observe.Register(s, metric.NewGauge(metric.Opts{
			Name: "scout_engine_resident_bytes", Help: "Resident memory of the engine processes after the last request, 0 when all are unloaded.",
		})),
		recycled: observe.Register(s, metric.NewCounter(metric.Opts{
			Name: "scout_engine_recycles_total", Help: "Engine processes that were replaced because they exceeded the memory ceiling.",
		})),
		unloaded: observe.Register(s, metric.NewCounter(metric.Opts{
			Name: "scout_engine_unloads_total", Help: "Engine processes ended because they were idle.",
		})),
	}
}
