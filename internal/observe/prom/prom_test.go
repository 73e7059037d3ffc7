package prom_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/observe/prom"
)

// scrape is what Prometheus reads.
func scrape(t rapid.TB, g prometheus.Gatherer) string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	var b bytes.Buffer
	for _, f := range families {
		for _, m := range f.GetMetric() { // the reference notes when a metric began; a scrape in text does not say it
			if m.GetCounter() != nil {
				m.Counter.CreatedTimestamp = nil
			}
			if m.GetHistogram() != nil {
				m.Histogram.CreatedTimestamp = nil
			}
		}
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	return b.String()
}

// Whatever is counted, a scrape is byte for byte that of Prometheus' own client.
func TestMetricsAreThoseOfPrometheus(t *testing.T) {
	t.Parallel()
	// Eighths, whose sums do not depend on the order: the reference adds whole numbers apart.
	values := rapid.OneOf(rapid.Map(rapid.IntRange(-16, 3200), func(n int) float64 { return float64(n) / 8 }), rapid.SampledFrom([]float64{0, 1, 5, math.Inf(1), math.NaN()}))
	label := rapid.SampledFrom([]string{"", "a", "b c", "\"q\"\n", "\\", "ä", "bad\xff"})
	rapid.Check(t, func(t *rapid.T) {
		ours, theirs := prom.NewRegistry(), prometheus.NewPedanticRegistry()
		scopeOf := func(c metric.Collector) {
			if _, err := ours.Register(c); err != nil {
				t.Fatal(err)
			}
		}
		buckets := []float64{0.125, 1, 5, 300}
		labels := []string{"zone", "area"} // not in the order in which a scrape lists them
		count, wantCount := metric.NewCounter(metric.Opts{Name: "c_total", Help: "C \\ \n c."}), prometheus.NewCounter(prometheus.CounterOpts{Name: "c_total", Help: "C \\ \n c."})
		gauge, wantGauge := metric.NewGauge(metric.Opts{Name: "g", Help: "G."}), prometheus.NewGauge(prometheus.GaugeOpts{Name: "g", Help: "G."})
		times, wantTimes := metric.NewHistogram(metric.HistogramOpts{Name: "h", Help: "H.", Buckets: buckets}), prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Help: "H.", Buckets: buckets})
		counts, wantCounts := metric.NewCounterVec(metric.Opts{Name: "cv_total", Help: "C."}, labels), prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cv_total", Help: "C."}, labels)
		gauges, wantGauges := metric.NewGaugeVec(metric.Opts{Name: "gv", Help: "G."}, labels), prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gv", Help: "G."}, labels)
		all, wantAll := metric.NewHistogramVec(metric.HistogramOpts{Name: "hv", Help: "H.", Buckets: buckets}, labels), prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "hv", Help: "H.", Buckets: buckets}, labels)
		for _, c := range []metric.Collector{gauges, count, times, all, gauge, counts} {
			scopeOf(c)
		}
		theirs.MustRegister(wantCount, wantGauge, wantTimes, wantCounts, wantGauges, wantAll)
		for range rapid.IntRange(0, 30).Draw(t, "changes") {
			v, x, y := values.Draw(t, "value"), label.Draw(t, "zone"), label.Draw(t, "area")
			clean := strings.ToValidUTF8(x, "\ufffd") // the reference refuses what is not UTF-8
			other := strings.ToValidUTF8(y, "\ufffd")
			switch rapid.IntRange(0, 7).Draw(t, "what") {
			case 0:
				count.Inc()
				wantCount.Inc()
			case 1:
				if v >= 0 { // the reference panics otherwise
					count.Add(v)
					wantCount.Add(v)
				}
			case 2:
				gauge.Set(v)
				wantGauge.Set(v)
			case 3:
				gauge.Dec()
				gauge.Add(v)
				wantGauge.Dec()
				wantGauge.Add(v)
			case 4:
				if !math.IsNaN(v) {
					times.Observe(v)
					wantTimes.Observe(v)
				}
			case 5:
				counts.WithLabelValues(x, y).Inc()
				wantCounts.WithLabelValues(clean, other).Inc()
			case 6:
				gauges.WithLabelValues(x, y).Inc()
				wantGauges.WithLabelValues(clean, other).Inc()
			case 7:
				if !math.IsNaN(v) {
					all.WithLabelValues(x, y).Observe(v)
					wantAll.WithLabelValues(clean, other).Observe(v)
				}
			}
		}
		if got, want := scrape(t, ours), scrape(t, theirs); got != want {
			t.Fatalf("ours:\n%s\nPrometheus':\n%s", got, want)
		}
	})
}

func TestAScrapeWhileMetricsChange(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	times := metric.NewHistogramVec(metric.HistogramOpts{Name: "scout_work_seconds", Help: "Work.", Buckets: []float64{1, 2}}, []string{"kind"})
	if _, err := registry.Register(times); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 1000 {
				times.WithLabelValues(fmt.Sprint((i + n) % 7)).Observe(float64(n % 3))
			}
		})
	}
	for range 50 {
		families, _ := registry.Gather()
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if h := m.GetHistogram(); h.GetBucket()[1].GetCumulativeCount() > h.GetSampleCount() {
					t.Fatalf("a histogram contradicts itself: %v", h)
				}
			}
		}
	}
	all.Wait()
	families, _ := registry.Gather()
	var sum uint64
	for _, m := range families[0].GetMetric() {
		sum += m.GetHistogram().GetSampleCount()
	}
	if sum != 4000 {
		t.Errorf("%d observations, want 4000", sum)
	}
}

func TestAddedLabels(t *testing.T) {
	t.Parallel()
	counts := metric.NewCounterVec(metric.Opts{Name: "scout_gaps_total", Help: "Gaps."}, []string{"reason"})
	counts.WithLabelValues("disk_full").Add(2)
	families := prom.Families(counts.Collect(), prom.Label{Name: "process", Value: "recorder"})
	want := `
		# HELP scout_gaps_total Gaps.
		# TYPE scout_gaps_total counter
		scout_gaps_total{process="recorder",reason="disk_full"} 2
	`
	gatherer := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
	if err := testutil.GatherAndCompare(gatherer, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if !slices.Equal(counts.Collect()[0].Labels, []string{"reason"}) {
		t.Error("the family itself got the label")
	}
}
