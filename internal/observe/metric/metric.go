// Package metric holds the numbers that Scout publishes: counters, gauges and histograms, each with or without labels,
// and the registry that lists them. They follow Prometheus' data model
// (https://prometheus.io/docs/concepts/metric_types), and package prom shows them in its format. The package itself
// links nothing: the recorder, which has no HTTP server, stays half as large without Prometheus' client (ADR 0066).
//
// All methods are safe for concurrent use. Changing a metric allocates nothing, and takes no lock unless it looks up
// labels.
package metric

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Kind is the type of a metric.
type Kind string

// The kinds of metrics.
const (
	KindCounter   Kind = "counter"
	KindGauge     Kind = "gauge"
	KindHistogram Kind = "histogram"
)

// Opts name and explain a counter or gauge.
type Opts struct {
	Name, Help string
}

func (o Opts) desc(kind Kind, labels []string) Desc {
	return Desc{Name: o.Name, Help: o.Help, Kind: kind, Labels: labels}
}

// HistogramOpts name and explain a histogram.
type HistogramOpts struct {
	Name, Help string
	// Buckets are the upper bounds of the buckets, ascending, without infinity.
	Buckets []float64
}

func (o HistogramOpts) desc(labels []string) Desc {
	return Desc{Name: o.Name, Help: o.Help, Kind: KindHistogram, Labels: labels, Bounds: o.Buckets}
}

// number is a float64 that changes atomically.
type number struct{ bits atomic.Uint64 }

func (n *number) load() float64   { return math.Float64frombits(n.bits.Load()) }
func (n *number) store(v float64) { n.bits.Store(math.Float64bits(v)) }

func (n *number) add(v float64) {
	for {
		old := n.bits.Load()
		if n.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// scalar is a metric that has one value: what a counter and a gauge have in common.
type scalar struct {
	one
	value number
}

func (s *scalar) describe(kind Kind, o Opts) {
	s.one = one{desc: o.desc(kind, nil), read: s.sample}
}

// Inc adds one.
func (s *scalar) Inc() { s.value.add(1) }

// Value returns the present value.
func (s *scalar) Value() float64 { return s.value.load() }

func (s *scalar) sample() Sample { return Sample{Value: Number(s.Value())} }

// Counter counts events or amounts; it never falls.
type Counter struct{ scalar }

// NewCounter returns a counter without labels.
func NewCounter(o Opts) *Counter {
	c := &Counter{}
	c.describe(KindCounter, o)
	return c
}

// Add adds v. A negative or undefined v is a defect of the caller; it changes nothing, because a counter never falls.
func (c *Counter) Add(v float64) {
	if v > 0 {
		c.value.add(v)
	}
}

// Gauge is a value that rises and falls.
type Gauge struct{ scalar }

// NewGauge returns a gauge without labels.
func NewGauge(o Opts) *Gauge {
	g := &Gauge{}
	g.describe(KindGauge, o)
	return g
}

// Set sets the value.
func (g *Gauge) Set(v float64) { g.value.store(v) }

// Dec subtracts one.
func (g *Gauge) Dec() { g.value.add(-1) }

// Add adds v, which may be negative.
func (g *Gauge) Add(v float64) { g.value.add(v) }

// Histogram counts observations by buckets.
type Histogram struct {
	one
	counts []atomic.Uint64 // one for each bound, and one beyond the last
	sum    number
}

// NewHistogram returns a histogram without labels.
func NewHistogram(o HistogramOpts) *Histogram {
	h := &Histogram{counts: make([]atomic.Uint64, len(o.Buckets)+1)}
	h.one = one{desc: o.desc(nil), read: h.sample}
	return h
}

// Observe counts v in the first bucket whose bound is not below it.
func (h *Histogram) Observe(v float64) {
	at, _ := slices.BinarySearch(h.desc.Bounds, v)
	h.counts[at].Add(1)
	h.sum.add(v)
}

// sample reads the buckets one after another: an observation made meanwhile may be in the sum and not in a bucket, until
// the next reading. The count is that of the buckets, so that a histogram never contradicts itself.
func (h *Histogram) sample() Sample {
	s := Sample{Sum: Number(h.sum.load()), Buckets: make([]uint64, len(h.desc.Bounds))}
	for i := range h.counts {
		s.Count += h.counts[i].Load()
		if i < len(s.Buckets) {
			s.Buckets[i] = s.Count
		}
	}
	return s
}

// one is the part that metrics without labels have in common. Metrics of a vector use it, too, to know their kind.
type one struct {
	desc Desc
	read func() Sample
}

// Describe implements Collector.
func (o *one) Describe() []Desc { return []Desc{o.desc} }

// Collect implements Collector.
func (o *one) Collect() []Family { return []Family{{Desc: o.desc, Samples: []Sample{o.read()}}} }

// vector is a family of metrics that differ in the values of their labels.
type vector[M interface{ sample() Sample }] struct {
	desc Desc
	make func() M

	mu      sync.RWMutex
	members map[string]member[M]
}

type member[M any] struct {
	values []string
	metric M
}

// The vectors by kind.
type (
	// CounterVec is a family of counters.
	CounterVec = vector[*Counter]
	// GaugeVec is a family of gauges.
	GaugeVec = vector[*Gauge]
	// HistogramVec is a family of histograms.
	HistogramVec = vector[*Histogram]
)

// NewCounterVec returns counters with these labels.
func NewCounterVec(o Opts, labels []string) *CounterVec {
	return newVector(o.desc(KindCounter, labels), func() *Counter { return NewCounter(o) })
}

// NewGaugeVec returns gauges with these labels.
func NewGaugeVec(o Opts, labels []string) *GaugeVec {
	return newVector(o.desc(KindGauge, labels), func() *Gauge { return NewGauge(o) })
}

// NewHistogramVec returns histograms with these labels.
func NewHistogramVec(o HistogramOpts, labels []string) *HistogramVec {
	return newVector(o.desc(labels), func() *Histogram { return NewHistogram(o) })
}

func newVector[M interface{ sample() Sample }](d Desc, create func() M) *vector[M] {
	return &vector[M]{desc: d, make: create, members: make(map[string]member[M])}
}

// separator cannot stand in a label's value, which is UTF-8.
const separator = "\xff"

// WithLabelValues returns the metric with these values of the labels, in their order; the first call creates it. It
// panics if the number of values is not that of the labels, which is a defect of the caller.
func (v *vector[M]) WithLabelValues(values ...string) M {
	if len(values) != len(v.desc.Labels) {
		panic(fmt.Sprintf("metric %s has %d labels and was given %d values", v.desc.Name, len(v.desc.Labels), len(values)))
	}
	clean := make([]string, len(values))
	for i, value := range values {
		clean[i] = strings.ToValidUTF8(value, "\ufffd")
	}
	key := strings.Join(clean, separator)
	v.mu.RLock()
	m, known := v.members[key]
	v.mu.RUnlock()
	if known {
		return m.metric
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if m, known = v.members[key]; !known {
		m = member[M]{values: clean, metric: v.make()}
		v.members[key] = m
	}
	return m.metric
}

// Describe implements Collector.
func (v *vector[M]) Describe() []Desc { return []Desc{v.desc} }

// Collect implements Collector. A family that has no member yet is there, and empty.
func (v *vector[M]) Collect() []Family {
	v.mu.RLock()
	defer v.mu.RUnlock()
	f := Family{Desc: v.desc}
	for _, m := range v.members {
		s := m.metric.sample()
		s.Labels = m.values
		f.Samples = append(f.Samples, s)
	}
	slices.SortFunc(f.Samples, func(a, b Sample) int { return slices.Compare(a.Labels, b.Labels) })
	return []Family{f}
}
