// Package prom shows metrics in the format of Prometheus. Only programs with an HTTP server link it.
package prom

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/scout-speech/scout/internal/observe/metric"
)

// Registry is a registry that Prometheus' handlers can read.
type Registry struct{ *metric.Registry }

var _ prometheus.Gatherer = Registry{}

// NewRegistry returns a registry without metrics.
func NewRegistry() Registry { return Registry{metric.NewRegistry()} }

// Gather implements prometheus.Gatherer. It never fails.
func (r Registry) Gather() ([]*dto.MetricFamily, error) { return Families(r.Families()), nil }

// Label is a label that all metrics of a process get, when metrics of several processes are shown together.
type Label struct{ Name, Value string }

// Families returns families as Prometheus' own messages, each metric with these labels added.
func Families(families []metric.Family, added ...Label) []*dto.MetricFamily {
	out := make([]*dto.MetricFamily, 0, len(families))
	for _, f := range families {
		kind := dto.MetricType_GAUGE
		switch f.Kind {
		case metric.KindCounter:
			kind = dto.MetricType_COUNTER
		case metric.KindHistogram:
			kind = dto.MetricType_HISTOGRAM
		case metric.KindGauge:
		}
		family := &dto.MetricFamily{Name: &f.Name, Help: &f.Help, Type: &kind}
		for _, s := range f.Samples {
			family.Metric = append(family.Metric, message(f.Desc, s, added))
		}
		slices.SortFunc(family.Metric, func(a, b *dto.Metric) int { return slices.CompareFunc(a.GetLabel(), b.GetLabel(), byValue) })
		out = append(out, family)
	}
	return out
}

func byName(a, b *dto.LabelPair) int  { return strings.Compare(a.GetName(), b.GetName()) }
func byValue(a, b *dto.LabelPair) int { return strings.Compare(a.GetValue(), b.GetValue()) }

func message(d metric.Desc, s metric.Sample, added []Label) *dto.Metric {
	m := &dto.Metric{}
	for i, value := range s.Labels {
		if i < len(d.Labels) {
			m.Label = append(m.Label, &dto.LabelPair{Name: &d.Labels[i], Value: &value})
		}
	}
	for _, label := range added {
		m.Label = append(m.Label, &dto.LabelPair{Name: &label.Name, Value: &label.Value})
	}
	slices.SortFunc(m.Label, byName)
	value, sum := float64(s.Value), float64(s.Sum)
	switch d.Kind {
	case metric.KindCounter:
		m.Counter = &dto.Counter{Value: &value}
	case metric.KindGauge:
		m.Gauge = &dto.Gauge{Value: &value}
	case metric.KindHistogram:
		m.Histogram = &dto.Histogram{SampleCount: &s.Count, SampleSum: &sum}
		for i, count := range s.Buckets {
			if i < len(d.Bounds) {
				m.Histogram.Bucket = append(m.Histogram.Bucket, &dto.Bucket{UpperBound: &d.Bounds[i], CumulativeCount: &count})
			}
		}
	}
	return m
}
