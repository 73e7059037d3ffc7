package daemon

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/observe/prom"
)

// metricsWithin is how long the recorder may take to give its metrics. A scrape goes on without them.
const metricsWithin = 500 * time.Millisecond

// processLabel tells which process a metric is of. Every metric has it.
const (
	processLabel    = "process"
	daemonProcess   = "daemon"
	recorderProcess = "recorder"
	engineProcess   = "engine"
)

// scrape gathers the metrics of the daemon and, if one runs, of the recorder.
type scrape struct {
	own      prometheus.Gatherer
	recorder func(context.Context) ([]metric.Family, error)
	before   func(context.Context)   // makes what is measured only now and then true
	others   func() []processMetrics // of processes that this one measures; nil for none
	failed   *metric.Counter
	routines *metric.Gauge
}

func newScrape(s observe.Scope, own prometheus.Gatherer, recorder func(context.Context) ([]metric.Family, error), before func(context.Context)) *scrape {
	return &scrape{own: own, recorder: recorder, before: before, failed: observe.Register(s, metric.NewCounter(metric.Opts{
		Name: "scout_recorder_metrics_errors_total", Help: "Scrapes without the metrics of the recorder, although one runs.",
	})), routines: observe.Register(s, metric.NewGauge(metric.Opts{
		Name: "scout_goroutines", Help: "Goroutines of the daemon; what grows while nothing more is used is a leak.",
	}))}
}

// Gather implements prometheus.Gatherer.
func (s *scrape) Gather() ([]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(context.Background(), metricsWithin)
	defer cancel()
	recorder, err := s.recorder(ctx)
	if err != nil {
		s.failed.Inc()
	}
	s.before(ctx)
	s.routines.Set(float64(runtime.NumGoroutine()))
	families, err := s.own.Gather()
	ofProcess(families, daemonProcess)
	families = merge(families, prom.Families(recorder, prom.Label{Name: processLabel, Value: recorderProcess}))
	if s.others != nil {
		for _, of := range s.others() {
			families = merge(families, prom.Families(of.families, prom.Label{Name: processLabel, Value: of.process}))
		}
	}
	return families, err
}

// ofProcess gives the metrics of a process its label.
func ofProcess(families []*dto.MetricFamily, process string) {
	name := processLabel
	for _, f := range families {
		for _, m := range f.GetMetric() {
			at, _ := slices.BinarySearchFunc(m.GetLabel(), name, func(l *dto.LabelPair, name string) int { return strings.Compare(l.GetName(), name) })
			m.Label = slices.Insert(m.GetLabel(), at, &dto.LabelPair{Name: &name, Value: &process})
		}
	}
}

// merge adds families to others, each to the one of its name. Where two builds of Scout disagree about the type of a
// metric, that of the daemon stays.
func merge(families, added []*dto.MetricFamily) []*dto.MetricFamily {
	for _, f := range added {
		at, known := slices.BinarySearchFunc(families, f.GetName(), func(f *dto.MetricFamily, name string) int { return strings.Compare(f.GetName(), name) })
		switch {
		case !known:
			families = slices.Insert(families, at, f)
		case families[at].GetType() == f.GetType():
			families[at].Metric = append(families[at].Metric, f.GetMetric()...)
		}
	}
	return families
}
