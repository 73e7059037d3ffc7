package daemon

import (
	"math"
	"testing"

	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/observe/prom"
)

func TestLatencies(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	buckets := []float64{0.01, 0.1, 1}
	times := metric.NewHistogramVec(metric.HistogramOpts{Name: "scout_http_request_seconds", Buckets: buckets}, []string{"route"})
	never := metric.NewHistogram(metric.HistogramOpts{Name: "scout_never_seconds", Buckets: buckets})
	level := metric.NewHistogram(metric.HistogramOpts{Name: "scout_audio_level", Buckets: buckets})
	other := metric.NewHistogram(metric.HistogramOpts{Name: "go_gc_seconds", Buckets: buckets})
	slow := metric.NewHistogram(metric.HistogramOpts{Name: "scout_slow_seconds", Buckets: buckets})
	for _, c := range []metric.Collector{times, never, level, other, slow} {
		if _, err := registry.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	level.Observe(0.5)
	other.Observe(0.5)
	slow.Observe(60)
	for range 90 { // 90 in the second bucket, of two labels, and 10 in the third
		times.WithLabelValues("a").Observe(0.05)
	}
	for range 10 {
		times.WithLabelValues("b").Observe(0.5)
	}
	got := latencies(registry)
	if len(got) != 2 {
		t.Fatalf("%+v, want the histograms of our times that have values", got)
	}
	for name, want := range map[string][3]float64{
		"http_request": {10 + 90*50./90, 100 + 900*5./10, 100}, // as histogram_quantile has it
		"slow":         {1000, 1000, 1},
	} {
		if l := got[name]; math.Abs(l.P50-want[0]) > 0.01 || math.Abs(l.P95-want[1]) > 0.01 || float64(l.N) != want[2] {
			t.Errorf("%s is %+v, want %v", name, l, want)
		}
	}
}
