package observe

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// LatencyBuckets returns the upper bounds, in seconds, of histograms over work that takes from 10 ms to an hour, such as
// transcription.
func LatencyBuckets() []float64 {
	return []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
}

// LoadBuckets returns the upper bounds, in seconds, of histograms over loading a model.
func LoadBuckets() []float64 { return []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60} }

// CommitToText is how long whoever stopped to speak waits for the text, on all surfaces: the limit is 0.3 s.
func CommitToText(s Scope) *metric.HistogramVec {
	return Register(s, metric.NewHistogramVec(metric.HistogramOpts{
		Name: "scout_commit_to_text_seconds", Help: "Time from a stop, or the end of an item, to the complete text, by surface: live, realtime.",
		Buckets: []float64{0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30},
	}, []string{"surface"}))
}

// Failures counts errors by code and panics by component. Every code has its own series from the
// start, so that a rate over it is right from the first failure.
type Failures struct {
	scope  Scope
	errors map[scout.Code]*metric.Counter
	panics *metric.CounterVec
}

// NewFailures registers scout_errors_total{code} and scout_panics_recovered_total{component}.
func NewFailures(s Scope) *Failures {
	errors := Register(s, metric.NewCounterVec(metric.Opts{
		Name: "scout_errors_total",
		Help: "Failures that reached a user, a caller or a queue, by error code.",
	}, []string{"code"}))
	f := &Failures{
		scope:  s,
		errors: make(map[scout.Code]*metric.Counter),
		panics: Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_panics_recovered_total",
			Help: "Panics recovered at the border of a component; each is a defect.",
		}, []string{"component"})),
	}
	for _, code := range scout.Codes() {
		f.errors[code] = errors.WithLabelValues(string(code))
	}
	return f
}

// Count adds one to the counter of err's code and returns err, so that it can be used in a return statement. A nil
// error counts nothing. A code outside scout.Codes, which only another process could have sent, counts as
// scout.CodeInternal: the label stays bounded.
func (f *Failures) Count(err error) error {
	if err == nil {
		return nil
	}
	counter, known := f.errors[scout.CodeOf(err)]
	if !known {
		counter = f.errors[scout.CodeInternal]
	}
	counter.Inc()
	return err
}

// Total is how many failures were counted, of all codes together.
func (f *Failures) Total() uint64 {
	if f == nil {
		return 0
	}
	sum := 0.0
	for _, counter := range f.errors {
		sum += counter.Value()
	}
	return uint64(sum)
}

// Guard runs work and turns a panic into an error with scout.CodeInternal, which it counts and logs with the stack. It
// is the border of a component: a panic fails only this call.
func (f *Failures) Guard(component string, work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			f.Panicked(component, p)
			err = scout.Errorf(scout.CodeInternal, "%s panicked: %v", component, p)
		}
	}()
	return work()
}

// Panicked counts and logs a panic that was recovered elsewhere, from the goroutine that panicked.
func (f *Failures) Panicked(component string, value any) {
	f.panics.WithLabelValues(component).Inc()
	f.scope.Log().Error(eventPanicRecovered, slog.String(keyComponent, component),
		slog.String(KeyError, fmt.Sprint(value)), slog.String("stack", string(debug.Stack())))
}
