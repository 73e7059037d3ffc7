package daemon

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/resilience"
)

// eventHealthChanged is logged when the state of the whole has become another one.
const eventHealthChanged = "health_changed"

const (
	// cachedFor is how old the result of a check may be.
	cachedFor = time.Second
	// checkEvery is how often the state is looked at while nobody asks, for the journal, the log and who is told of events; illEvery is
	// that while not all is well, for illFor: a machine without a microphone stays as it is.
	checkEvery, illEvery, illFor = 10 * time.Second, 2 * time.Second, 5 * time.Minute
)

// checker runs the checks and keeps the results for a moment. There is one, so that API, command line, metrics and journal tell the
// same.
type checker struct {
	checks  []health.Check
	about   about
	log     *slog.Logger
	changed func(before health.Status, now health.Report)
	gauge   *metric.GaugeVec

	mu    sync.Mutex
	last  health.Report
	turn  time.Time       // when its status became another one
	at    time.Time       // of the last report that somebody asked for
	known map[string]bool // the components that once were not Unknown
	since map[string]became
}

// became is when a component was first found to have a status.
type became struct {
	status health.Status
	at     time.Time
}

func newChecker(scope observe.Scope, version string, checks []health.Check) *checker {
	c := &checker{
		checks: checks, about: about{version: version, began: time.Now()}, log: scope.Component("health").Log(), last: health.Report{Status: health.Unknown}, known: map[string]bool{}, since: map[string]became{},
		gauge: observe.Register(scope, metric.NewGaugeVec(metric.Opts{
			Name: "scout_health_status", Help: "State of a component when it was last checked: 0 Healthy, 1 Degraded, 2 Unhealthy, 3 Unknown.",
		}, []string{"component"})),
	}
	for i := range c.checks {
		c.checks[i] = health.OneAtATime(c.checks[i])
	}
	c.about.known = func(component string) bool { return c.known[component] }
	return c
}

// Report runs the checks, or returns the result of a moment ago.
func (c *checker) Report(ctx context.Context, now bool) health.Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !now && time.Since(c.at) < cachedFor && !c.engineChanged(ctx) {
		return c.last
	}
	r := c.look(ctx)
	if ctx.Err() == nil {
		c.at = time.Now()
	}
	return r
}

// look runs the checks, and tells what has changed. The caller holds the lock.
func (c *checker) look(ctx context.Context) health.Report {
	r := report(ctx, c.checks, c.about)
	if ctx.Err() != nil { // whoever asked is gone, and checks were broken off
		return r
	}
	for i := range r.Components {
		component := &r.Components[i]
		if before, seen := c.since[component.Name]; !seen || before.status != component.Status {
			c.since[component.Name] = became{component.Status, component.LastCheck}
		}
		component.Since = c.since[component.Name].at
		c.gauge.WithLabelValues(component.Name).Set(number(component.Status))
		c.known[component.Name] = c.known[component.Name] || component.Status != health.Unknown
	}
	if before := c.last.Status; before != r.Status {
		c.turn = time.Now()
		attributes := []any{slog.String("before", string(before)), slog.String("status", string(r.Status)), slog.String(observe.KeyReason, strings.Join(r.Reasons, "; "))}
		if r.Status == health.Healthy {
			c.log.Info(eventHealthChanged, attributes...)
		} else {
			c.log.Warn(eventHealthChanged, attributes...)
		}
		if c.changed != nil {
			c.changed(before, r)
		}
	}
	c.last = r
	return r
}

// engineChanged reports whether the engine is in another state than in the last report, which ends that: an engine without progress for 5 s is
// Unhealthy at once. It only looks into memory. The caller holds the lock.
func (c *checker) engineChanged(ctx context.Context) bool {
	for i := range c.last.Components { // in the order of the checks
		if last := &c.last.Components[i]; last.Name == engineCheck {
			return c.checks[i].Probe(ctx).Status != last.Status
		}
	}
	return false
}

// engineCheck is the name of the check of the engines.
const engineCheck = "engine"

// number is a status in the metrics.
func number(s health.Status) float64 {
	switch s {
	case health.Healthy:
		return 0
	case health.Degraded:
		return 1
	case health.Unhealthy:
		return 2
	}
	return 3
}

// run looks at the state from time to time until ctx ends. Whoever asks does not get what it found before: that may be old by now.
func (c *checker) run(ctx context.Context) error {
	for ctx.Err() == nil {
		next := checkEvery
		c.mu.Lock()
		if c.look(ctx).Status != health.Healthy && time.Since(c.turn) < illFor {
			next = illEvery
		}
		c.mu.Unlock()
		_ = resilience.Sleep(ctx, next) // the loop ends with ctx
	}
	return nil
}
