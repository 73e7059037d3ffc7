package daemon

import (
	"math"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// latencies returns how long things took since the daemon started, by the name of the histogram without scout_ and
// _seconds. Things that have not happened are absent.
func latencies(gatherer prometheus.Gatherer) map[string]v1.Latency {
	out := map[string]v1.Latency{}
	if gatherer == nil {
		return out
	}
	families, _ := gatherer.Gather() // what could be gathered is there beside an error
	for _, family := range families {
		name, ours := strings.CutPrefix(family.GetName(), "scout_")
		name, times := strings.CutSuffix(name, "_seconds")
		if !ours || !times || family.GetType() != dto.MetricType_HISTOGRAM {
			continue
		}
		all := sum(family.GetMetric())
		if all.GetSampleCount() > 0 {
			out[name] = v1.Latency{P50: millis(quantile(all, 0.5)), P95: millis(quantile(all, 0.95)), N: all.GetSampleCount()}
		}
	}
	return out
}

// millis is a time in milliseconds, to the microsecond.
func millis(seconds float64) float64 { return math.Round(seconds*1e6) / 1e3 }

// sum adds the histograms of all labels, which have the same buckets.
func sum(metrics []*dto.Metric) *dto.Histogram {
	all := &dto.Histogram{SampleCount: new(uint64)}
	for _, m := range metrics {
		h := m.GetHistogram()
		*all.SampleCount += h.GetSampleCount()
		for i, b := range h.GetBucket() {
			if i == len(all.Bucket) {
				bound := b.GetUpperBound()
				all.Bucket = append(all.Bucket, &dto.Bucket{UpperBound: &bound, CumulativeCount: new(uint64)})
			}
			*all.Bucket[i].CumulativeCount += b.GetCumulativeCount()
		}
	}
	return all
}

// quantile estimates a quantile as histogram_quantile of Prometheus does: evenly spread within a bucket. What lies above
// the last bucket counts as its bound.
func quantile(h *dto.Histogram, q float64) float64 {
	rank := q * float64(h.GetSampleCount())
	below, from := 0.0, 0.0
	for _, b := range h.GetBucket() {
		count, to := float64(b.GetCumulativeCount()), b.GetUpperBound()
		if count >= rank && count > below {
			return from + (to-from)*(rank-below)/(count-below)
		}
		below, from = count, to
	}
	return from
}
