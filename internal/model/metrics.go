package model

import (
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Outcomes of a pull, as the metric names them.
const (
	outcomeInstalled = "installed"
	outcomePresent   = "already_installed"
	outcomeFailed    = "failed"
	outcomeCancelled = "cancelled"
)

// Outcomes of a check, as the metric names them.
const (
	outcomeIntact     = "intact"
	outcomeCorrupt    = "corrupt"
	outcomeUnreadable = "unreadable"
)

type metrics struct {
	pullBytes    *metric.Counter
	pulls        *metric.CounterVec
	pullDuration *metric.Histogram
	checks       *metric.CounterVec
}

func newMetrics(scope observe.Scope) *metrics {
	m := &metrics{
		pullBytes: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_model_pull_bytes_total",
			Help: "Bytes of model files that were downloaded or copied.",
		})),
		pulls: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_model_pulls_total",
			Help: "Models that were pulled or added, by outcome.",
		}, []string{"outcome"})),
		pullDuration: observe.Register(scope, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_model_pull_duration_seconds",
			Help: "Time from the start of a pull to the model in place.",
			// From a copy of 28 MB to a download of 1.8 GB over a slow line.
			Buckets: []float64{0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400},
		})),
		checks: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_model_checks_total",
			Help: "Checks of installed model files against their recorded sizes and checksums, by outcome.",
		}, []string{"outcome"})),
	}
	for _, outcome := range []string{outcomeInstalled, outcomePresent, outcomeFailed, outcomeCancelled} {
		m.pulls.WithLabelValues(outcome)
	}
	for _, outcome := range []string{outcomeIntact, outcomeCorrupt, outcomeUnreadable} {
		m.checks.WithLabelValues(outcome)
	}
	return m
}
