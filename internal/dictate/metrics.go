package dictate

import (
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Log events.
const (
	eventStarted    = "dictation_started"
	eventResumed    = "dictation_resumed"
	eventFinished   = "dictation_finished"
	eventCancelled  = "dictation_cancelled"
	eventFailed     = "dictation_failed"
	eventBrokenOff  = "dictation_interrupted"
	eventNotResumed = "dictation_not_resumed"
	eventNotWritten = "dictation_not_written"
	eventInserted   = "dictation_inserted"
)

type metrics struct {
	dictations *metric.CounterVec
	open       *metric.Gauge
	text       *metric.HistogramVec
	dropped    *metric.CounterVec
	inserted   *metric.CounterVec
}

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
	}
}
