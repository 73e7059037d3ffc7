// Package health reports the state of Scout: one status for each component, one overall (S14).
package health

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/scout-speech/scout"
)

// Status is the state of a component.
type Status string

// The four statuses. Unknown means that nothing is known yet, or that nobody waited for the answer.
const (
	Healthy   Status = "Healthy"
	Degraded  Status = "Degraded"
	Unhealthy Status = "Unhealthy"
	Unknown   Status = "Unknown"
)

// Component is the result of one check.
type Component struct {
	Name      string            `json:"name"`
	Status    Status            `json:"status"`
	Reason    string            `json:"reason,omitempty"`
	Critical  bool              `json:"critical"`
	LastCheck time.Time         `json:"last_check"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	// Since is when it was first found to have this status; zero where nobody keeps that.
	Since time.Time `json:"since,omitzero"`
}

// Result is the finding of a check; Run adds its name, time and weight.
type Result struct {
	Status   Status
	Reason   string
	Metadata map[string]string
}

// Failed is the finding that something does not work, with what can be done about it.
func Failed(err error) Result {
	reason := scout.Plain(err)
	if hint := scout.HintOf(err); hint != "" {
		reason += " (" + hint + ")"
	}
	return Result{Status: Unhealthy, Reason: reason}
}

// Check examines one component. Probe obeys its context and is called from its own goroutine.
type Check struct {
	Name string
	// Critical makes the whole Unhealthy when this component is; else the whole is Degraded.
	Critical bool
	// Timeout bounds Probe; default 2 s. A probe that does not answer in time is Unhealthy.
	Timeout time.Duration
	Probe   func(context.Context) Result
}

// OneAtATime returns the check with no more than one probe under way. A probe that hangs ignores its context and keeps a thread; the ones
// after it wait for it as long as their own contexts last, and keep none.
func OneAtATime(c Check) Check {
	probe, turn := c.Probe, make(chan struct{}, 1)
	c.Probe = func(ctx context.Context) Result {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
			return probe(ctx)
		case <-ctx.Done():
			return Result{Status: Unknown, Reason: "an earlier check has not ended"}
		}
	}
	return c
}

// Report is the state of the whole.
type Report struct {
	Status     Status        `json:"status"`
	Reasons    []string      `json:"reasons,omitempty"`
	Version    string        `json:"version"`
	Uptime     time.Duration `json:"uptime_ns"`
	Components []Component   `json:"components"`
}

const defaultTimeout = 2 * time.Second

// Run runs all checks at the same time, each with its own timeout, and returns the results in the given order. It
// returns when the slowest check has ended or timed out, or when ctx ends; checks without an answer by then are
// Unknown. A probe that ignores its context keeps running after Run returns. A probe that panics makes its component
// Unhealthy. now stamps each component when its check is done.
func Run(ctx context.Context, checks []Check, now func() time.Time) []Component {
	components := make([]Component, len(checks))
	var wait sync.WaitGroup
	for i, check := range checks {
		wait.Go(func() {
			result := probe(ctx, check)
			components[i] = Component{
				Name: check.Name, Status: result.Status, Reason: result.Reason,
				Critical: check.Critical, LastCheck: now(), Metadata: result.Metadata,
			}
		})
	}
	wait.Wait()
	return components
}

func probe(ctx context.Context, check Check) Result {
	timeout := check.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer := make(chan Result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				answer <- Result{Status: Unhealthy, Reason: fmt.Sprintf("check panicked: %v", p)}
			}
		}()
		answer <- check.Probe(bounded)
	}()
	select {
	case result := <-answer:
		switch result.Status {
		case Healthy, Degraded, Unhealthy, Unknown:
		default:
			result.Status = Unknown
		}
		return result
	case <-bounded.Done():
		if ctx.Err() != nil {
			return Result{Status: Unknown, Reason: fmt.Sprintf("not waited for: %v", context.Cause(ctx))}
		}
		return Result{Status: Unhealthy, Reason: fmt.Sprintf("no answer within %s", timeout)}
	}
}

// Overall derives the status of the whole and the reasons for it. Without any component it is Unknown, because nothing
// was checked. A critical component that is Unknown makes the whole Unknown, unless it was known before: then the whole is Degraded.
func Overall(components []Component, known func(name string) bool) (Status, []string) {
	if len(components) == 0 {
		return Unknown, []string{"nothing was checked"}
	}
	status := Healthy
	var reasons []string
	for _, c := range components {
		if c.Status == Healthy {
			continue
		}
		text := fmt.Sprintf("%s is %s", c.Name, c.Status)
		if c.Reason != "" {
			text += ": " + c.Reason
		}
		reasons = append(reasons, text)
		status = worse(status, effect(c, known))
	}
	return status, reasons
}

// effect returns the status that one component gives the whole.
func effect(c Component, known func(name string) bool) Status {
	switch {
	case c.Status == Unhealthy && c.Critical:
		return Unhealthy
	case c.Status == Unknown && c.Critical && (known == nil || !known(c.Name)):
		return Unknown
	}
	return Degraded
}

func worse(a, b Status) Status {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// rank orders the statuses by urgency.
func rank(s Status) int {
	switch s {
	case Healthy:
		return 0
	case Degraded:
		return 1
	case Unhealthy:
		return 3
	}
	return 2
}
