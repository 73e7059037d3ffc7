package dictate

import (
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Log events.
const (
	eventStarted      = "dictation_started"
	eventResumed      = "dictation_resumed"
	eventFinished     = "dictation_finished"
	eventCancelled    = "dictation_cancelled"
	eventFailed       = "dictation_failed"
	eventBrokenOff    = "dictation_interrupted"
	eventNotResumed   = "dictation_not_resumed"
	eventNotWritten   = "dictation_not_written"
	eventInserted     = "dictation_inserted"
	eventSecond       = "second_pass_finished"
	eventSecondFailed = "second_pass_failed"
)

type metrics struct {
	dictations *metric.CounterVec
	open       *metric.Gauge
	text       *metric.HistogramVec
	dropped    *metric.CounterVec
	inserted   *metric.CounterVec

	second       *metric.CounterVec
	secondErrors *metric.CounterVec
	secondText   *metric.Histogram
}

// secondBuckets are the upper bounds, in seconds, of the time from a stop to the text of the second pass.
var secondBuckets = []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.5, 2.5, 5, 10, 20}

func newMetrics(scope observe.Scope) *metrics {
	return &metrics{
		dictations: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_dictations_total", Help: "Dictations that ended, by outcome: done, cancelled, failed.",
		}, []string{"outcome"})),
		open: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_dictations_open", Help: "Dictations whose text is not complete.",
		})),
		text: observe.CommitToText(scope),
		dropped: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_dictation_events_dropped_total", Help: "Partial texts and levels that a listener of a dictation missed because it read too slowly, by kind.",
		}, []string{"kind"})),
		inserted: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_insertions_total", Help: "Texts that clients delivered, by method: paste, type, copy, none.",
		}, []string{"method"})),
		second: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_second_passes_total", Help: "Second passes over dictations, by outcome: published, same, edited, failed, none.",
		}, []string{"outcome"})),
		secondErrors: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_second_pass_errors_total", Help: "Second passes that failed, by error code.",
		}, []string{"code"})),
		secondText: observe.Register(scope, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_second_pass_seconds", Help: "Time from the stop of a dictation to the text of its second pass.", Buckets: secondBuckets,
		})),
	}
}
