package resilience

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// BreakerOptions says when a breaker opens and how it closes again. The zero value means the
// defaults beside each field.
type BreakerOptions struct {
	// Name appears in metrics and logs, for example "engine".
	Name string
	// Consecutive failures open it, however long they took; default 3.
	Consecutive int
	// FailureRatio of at least MinRequests within Window also opens it; defaults 0.5 of 10 in 60 s. The window moves in
	// tenths; the ratio excludes calls that took longer than the window.
	FailureRatio float64
	MinRequests  int
	Window       time.Duration
	// Rest is how long it stays open before probes may pass; default 30 s.
	Rest time.Duration
	// Probes is how many calls pass while half-open, all of which must succeed; default 1.
	Probes int
	// OpenError makes the error of a refused call; nil means scout.CodeEngineUnavailable.
	OpenError func() error
}

// Breaker refuses calls to something that keeps failing. It is safe for concurrent use. Only transient failures and
// panics count. Permanent ones (bad input) prove that the other side works and count as success; cancelled ones are
// neutral. Results that arrive after the state changed are ignored. Time is monotonic. A call must end (let its context
// bound it): a probe that never ends keeps its place. Reasons and measurements: docs/adr/0004-resilience.md.
type Breaker struct {
	inner     *gobreaker.CircuitBreaker[struct{}]
	openError func() error
	refused   *metric.Counter
	rest      time.Duration
	opened    atomic.Pointer[time.Time] // when it opened last
	// failures in a row since the last success or change of state. The library holds its lock whenever it calls the
	// functions that use this field, and calls them only for results of the present generation. The library's own
	// number would forget a failure that took longer than the window, as that of a hanging engine with a long deadline
	// does.
	failures int
}

// rollingBuckets is the number of steps of the failure window.
const rollingBuckets = 10

// NewBreaker returns a closed breaker and registers scout_breaker_state{name} (0 closed, 1
// half-open, 2 open), scout_breaker_transitions_total{name,to} and scout_breaker_refused_total{name}.
func NewBreaker(s observe.Scope, options BreakerOptions) *Breaker {
	consecutive := options.Consecutive
	if consecutive <= 0 {
		consecutive = 3
	}
	minRequests := options.MinRequests
	if minRequests <= 0 {
		minRequests = 10
	}
	ratio := options.FailureRatio
	if ratio <= 0 {
		ratio = 0.5
	}
	window := orDefault(options.Window, time.Minute)
	state := observe.Register(s, metric.NewGaugeVec(metric.Opts{
		Name: "scout_breaker_state",
		Help: "State of a circuit breaker: 0 closed, 1 half-open, 2 open.",
	}, []string{"name"})).WithLabelValues(options.Name)
	transitions := observe.Register(s, metric.NewCounterVec(metric.Opts{
		Name: "scout_breaker_transitions_total",
		Help: "Changes of a circuit breaker's state.",
	}, []string{"name", "to"}))
	refused := observe.Register(s, metric.NewCounterVec(metric.Opts{
		Name: "scout_breaker_refused_total",
		Help: "Calls that an open circuit breaker refused.",
	}, []string{"name"})).WithLabelValues(options.Name)
	state.Set(0)
	for _, to := range []gobreaker.State{gobreaker.StateClosed, gobreaker.StateHalfOpen, gobreaker.StateOpen} {
		transitions.WithLabelValues(options.Name, to.String())
	}

	b := &Breaker{openError: options.OpenError, refused: refused, rest: orDefault(options.Rest, 30*time.Second)}
	if b.openError == nil {
		b.openError = func() error {
			return scout.Errorf(scout.CodeEngineUnavailable, "%s rests after repeated failures: later", options.Name)
		}
	}
	b.inner = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         options.Name,
		MaxRequests:  uint32(max(options.Probes, 1)),
		Interval:     window,
		BucketPeriod: window / rollingBuckets,
		Timeout:      b.rest,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			settled := int(c.TotalSuccesses + c.TotalFailures)
			return b.failures >= consecutive ||
				settled >= minRequests && float64(c.TotalFailures) >= ratio*float64(settled)
		},
		IsExcluded: isNeutral,
		IsSuccessful: func(err error) bool {
			if countsAsFailure(err) {
				b.failures++
				return false
			}
			b.failures = 0
			return true
		},
		OnStateChange: func(name string, from, to gobreaker.State) {
			b.failures = 0
			if to == gobreaker.StateOpen {
				now := time.Now()
				b.opened.Store(&now)
			}
			state.Set(float64(to))
			transitions.WithLabelValues(name, to.String()).Inc()
			s.Log().Warn(eventBreakerState, slog.String("name", name),
				slog.String("from", from.String()), slog.String("to", to.String()))
		},
	})
	return b
}

// countsAsFailure reports whether err is transient or a defect.
func countsAsFailure(err error) bool {
	return err != nil && (scout.ClassOf(err) == scout.Transient || scout.CodeOf(err) == scout.CodeInternal)
}

// isNeutral reports whether the result of the call says nothing about the other side.
func isNeutral(err error) bool {
	var abandoned *abandonedError
	return errors.As(err, &abandoned) || err != nil && scout.ClassOf(err) == scout.Cancelled
}

// abandonedError marks the error of a call whose caller has left: the error (a closed pipe, a killed process) is only a
// consequence.
type abandonedError struct{ error }

// abandoned reports whether ctx was cancelled by a caller that no longer wants the result. A deadline does not count,
// nor does a cancellation whose cause has a code of another class.
func abandoned(ctx context.Context) bool {
	if !errors.Is(ctx.Err(), context.Canceled) {
		return false
	}
	var coded *scout.Error
	if errors.As(context.Cause(ctx), &coded) {
		return coded.Code().Info().Class == scout.Cancelled
	}
	return true
}

// Do runs call unless the breaker refuses it or ctx has ended. A panic in call counts as a failure and is passed on.
// The error is that of call, of the refusal (OpenError), or the end of ctx with its code and cause. That of a refusal has a method
// RetryAfter, which returns Rest.
func (b *Breaker) Do(ctx context.Context, call func(context.Context) error) error {
	if ctx.Err() != nil {
		return ended(ctx, nil)
	}
	admitted := false
	_, err := b.inner.Execute(func() (struct{}, error) {
		admitted = true
		err := call(ctx)
		if err != nil && abandoned(ctx) {
			err = &abandonedError{err}
		}
		return struct{}{}, err
	})
	if !admitted {
		b.refused.Inc()
		return &refusedError{b.openError(), b.Rest()}
	}
	var neutral *abandonedError
	if errors.As(err, &neutral) {
		return neutral.error
	}
	return err
}

// refusedError is a refused call.
type refusedError struct {
	error
	after time.Duration
}

// Unwrap returns what OpenError made.
func (e *refusedError) Unwrap() error { return e.error }

// RetryAfter is when a call may pass.
func (e *refusedError) RetryAfter() time.Duration { return e.after }

// Rest is how long calls are refused from now on: 0 where the breaker is not open, or a probe is under way.
func (b *Breaker) Rest() time.Duration {
	opened := b.opened.Load()
	if opened == nil || !b.Open() {
		return 0
	}
	return max(b.rest-time.Since(*opened), 0)
}

// State is closed, half-open or open.
func (b *Breaker) State() string { return b.inner.State().String() }

// Open reports whether calls are refused at present.
func (b *Breaker) Open() bool { return b.inner.State() == gobreaker.StateOpen }
