// Package pool keeps the engine processes of several models under one memory budget. It starts the process that is
// needed, one at a time. It ends unused processes, the one idle longest first, and replaces a process that has grown
// too large between two requests.
package pool

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/observe"
)

// Options configure a Pool.
type Options struct {
	// BudgetBytes bounds the resident memory of all processes together; 0 means no bound.
	BudgetBytes uint64
}

// Pool is safe for concurrent use. Close ends everything that it started.
type Pool struct {
	scope    observe.Scope
	options  Options
	metrics  *metrics
	failures *observe.Failures

	life    context.Context // ends with Close
	end     context.CancelCauseFunc
	loading chan struct{} // holds one value while a model is loaded
	wait    sync.WaitGroup

	mu      sync.Mutex
	models  map[*Model]struct{}
	changed chan struct{} // closed and replaced when a process becomes idle or ends
	closed  bool
	held    error // why no model is loaded; nil while models are
}

// ErrClosed is the error of calls to a closed pool or model.
var ErrClosed = scout.Errorf(scout.CodeEngineClosed, "engine is closed")

// New returns a pool that has started nothing.
func New(scope observe.Scope, o Options) *Pool {
	p := &Pool{
		scope: scope, options: o, metrics: newMetrics(scope), failures: observe.NewFailures(scope),
		loading: make(chan struct{}, 1), models: map[*Model]struct{}{}, changed: make(chan struct{}),
	}
	p.life, p.end = context.WithCancelCause(context.Background())
	return p
}

// Add returns a model that is loaded when it is first used.
func (p *Pool) Add(spec Spec) *Model {
	if spec.Failures == nil {
		spec.Failures = p.failures
	}
	if spec.LoadTimeout <= 0 {
		spec.LoadTimeout = process.DefaultLoadTimeout
	}
	m := &Model{pool: p, spec: spec}
	m.life, m.end = context.WithCancelCause(p.life)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.models[m] = struct{}{}
	return m
}

// tell wakes starts that wait for memory. The caller holds the lock.
func (p *Pool) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// hurry gives up the starts that nobody waits for, so that they do not hold up one that somebody waits for: a process cannot raise its
// own priority again. The caller holds the lock.
func (p *Pool) hurry() {
	for m := range p.models {
		if s := m.starting; s != nil && s.quietly {
			s.giveUp(errGaveWay)
		}
	}
}

// makeRoom unloads models, the one idle longest first, until m fits into the budget. If all are in use, it waits for
// one to become idle.
func (p *Pool) makeRoom(ctx context.Context, m *Model) error {
	budget := p.options.BudgetBytes
	if budget == 0 {
		return nil
	}
	if m.spec.ExpectBytes > budget {
		return scout.Errorf(scout.CodeOutOfMemory, "model %s needs %d MB: the limit for all models is %d MB",
			m.spec.Model.ID, m.spec.ExpectBytes>>20, budget>>20).WithHint("choose a smaller model, or raise the limit: limits.memory_mb")
	}
	for {
		p.mu.Lock()
		changed := p.changed
		used := m.spec.ExpectBytes
		var idlest *Model
		for other := range p.models {
			if other.current == nil || other == m {
				continue
			}
			used += max(other.current.ResidentBytes(), other.spec.ExpectBytes)
			if other.users == 0 && (idlest == nil || other.idleSince.Before(idlest.idleSince)) {
				idlest = other
			}
		}
		p.mu.Unlock()
		switch {
		case used <= budget:
			return nil
		case idlest != nil:
			if gone := idlest.unload(); gone != nil {
				<-gone
			}
		default:
			select {
			case <-changed:
			case <-ctx.Done():
				return fmt.Errorf("load model %s: %w", m.spec.Model.ID, context.Cause(ctx))
			}
		}
	}
}

// HeldError refuses a request because no model may be loaded at present.
type HeldError struct{ err error }

func (e *HeldError) Error() string { return e.err.Error() }

// Unwrap returns why.
func (e *HeldError) Unwrap() error { return e.err }

// Hold ends all processes, once they have answered what they have, and refuses requests with a HeldError of reason. Hold with nil ends
// that.
func (p *Pool) Hold(reason error) {
	p.mu.Lock()
	p.held = nil
	var leaving []*process.Process
	if reason != nil {
		p.held = &HeldError{reason}
		for m := range p.models {
			if m.current != nil {
				leaving = append(leaving, m.current)
				m.leave(m.current)
				m.current = nil
			}
		}
	}
	p.mu.Unlock()
	for _, c := range leaving {
		c.Retire()
	}
	if len(leaving) > 0 {
		p.measure()
	}
}

// Held returns the HeldError of requests, nil while they are not refused.
func (p *Pool) Held() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// UnloadIdlest ends the process that nobody has used for longest, and reports whether there was one. It does not wait for its end.
func (p *Pool) UnloadIdlest() bool {
	p.mu.Lock()
	var idlest *Model
	for m := range p.models {
		if m.current != nil && m.users == 0 && (idlest == nil || m.idleSince.Before(idlest.idleSince)) {
			idlest = m
		}
	}
	p.mu.Unlock()
	return idlest != nil && idlest.unload() != nil
}

// measure sets the gauge of resident memory.
func (p *Pool) measure() {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := uint64(0)
	for m := range p.models {
		if m.current != nil {
			sum += m.current.ResidentBytes()
		}
	}
	p.metrics.resident.Set(float64(sum))
}

// Close ends all processes and waits for them. It may be called more than once.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	var models []*Model
	for m := range p.models {
		models = append(models, m)
	}
	p.mu.Unlock()
	p.end(ErrClosed)
	for _, m := range models {
		m.Close()
	}
	// Starts end with life, except one that a file system blocks: it is left running.
	ended := make(chan struct{})
	go func() { p.wait.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(closeGrace):
	}
}

// closeGrace is how long closing a pool or a model waits for starts to end: a killed process is given up after 3 s.
const closeGrace = 5 * time.Second
