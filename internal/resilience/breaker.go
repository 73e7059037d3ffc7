package resilience

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

// BreakerOptions says when a breaker opens and how it closes again. The zero value means the
// defaults beside each field.
type BreakerOptions struct {
	// Name stands in metrics and logs, for example "engine".
	Name string
	// Consecutive failures open it; default 3.
	Consecutive int
	// FailureRatio of at least MinRequests within Window opens it too; defaults 0.5 of 10 in 60 s.
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

// Breaker refuses calls to something that keeps failing. It is safe for concurrent use. Only
// transient failures and panics count; permanent ones (bad input) prove that the other side works
// and count as success; cancelled ones are neutral. Results that arrive after the state changed are
// ignored. Time is monotonic.
type Breaker struct {
	name      string
	inner     *gobreaker.CircuitBreaker[struct{}]
	openError func() error
	refused   prometheus.Counter
}

// rollingBuckets is into how many steps the failure window is divided.
const rollingBuckets = 10

// NewBreaker returns a closed breaker and registers scout_breaker_state{name} (0 closed, 1
// half-open, 2 open), scout_breaker_transitions_total{name,to} and scout_breaker_refused_total{name}.
func NewBreaker(s observe.Scope, options BreakerOptions) *Breaker {
	consecutive := uint32(max(options.Consecutive, 0))
	if consecutive == 0 {
		consecutive = 3
	}
	minRequests := uint32(max(options.MinRequests, 0))
	if minRequests == 0 {
		minRequests = 10
	}
	ratio := options.FailureRatio
	if ratio <= 0 {
		ratio = 0.5
	}
	window := orDefault(options.Window, time.Minute)
	state := observe.Register(s, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "scout_breaker_state",
		Help: "State of a circuit breaker: 0 closed, 1 half-open, 2 open.",
	}, []string{"name"})).WithLabelValues(options.Name)
	transitions := observe.Register(s, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "scout_breaker_transitions_total",
		Help: "Changes of a circuit breaker's state.",
	}, []string{"name", "to"}))
	refused := observe.Register(s, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "scout_breaker_refused_total",
		Help: "Calls that an open circuit breaker refused.",
	}, []string{"name"})).WithLabelValues(options.Name)
	state.Set(0)

	b := &Breaker{name: options.Name, openError: options.OpenError, refused: refused}
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
		Timeout:      orDefault(options.Rest, 30*time.Second),
		ReadyToTrip: func(c gobreaker.Counts) bool {
			settled := c.TotalSuccesses + c.TotalFailures
			return c.ConsecutiveFailures >= consecutive ||
				settled >= minRequests && float64(c.TotalFailures) >= ratio*float64(settled)
		},
		IsExcluded:   func(err error) bool { return err != nil && scout.ClassOf(err) == scout.Cancelled },
		IsSuccessful: func(err error) bool { return err == nil || !countsAsFailure(err) },
		OnStateChange: func(name string, from, to gobreaker.State) {
			state.Set(float64(to))
			transitions.WithLabelValues(name, to.String()).Inc()
			s.Log().Warn(observe.EventBreakerState, slog.String("name", name),
				slog.String("from", from.String()), slog.String("to", to.String()))
		},
	})
	return b
}

// countsAsFailure is true for transient failures and for defects.
func countsAsFailure(err error) bool {
	return scout.ClassOf(err) == scout.Transient || scout.CodeOf(err) == scout.CodeInternal
}

// Do runs call unless the breaker refuses it. A panic in call counts as a failure and goes on.
func (b *Breaker) Do(ctx context.Context, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	_, err := b.inner.Execute(func() (struct{}, error) { return struct{}{}, call(ctx) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		b.refused.Inc()
		return b.openError()
	}
	return err
}

// State is closed, half-open or open.
func (b *Breaker) State() string { return b.inner.State().String() }

// Open tells whether calls are refused just now.
func (b *Breaker) Open() bool { return b.inner.State() == gobreaker.StateOpen }
