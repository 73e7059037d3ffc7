package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/observe"
)

// Spec describes a model for the pool.
type Spec struct {
	process.Options
	// ExpectBytes is the expected memory of its process, as far as it is known before the process runs.
	ExpectBytes uint64
	// CeilingBytes is the resident size above which the process is replaced between two requests; 0 for none.
	CeilingBytes uint64
	// IdleUnload ends the process after this long without a request; 0 keeps it.
	IdleUnload time.Duration
	// Loading, if set, is called when a start begins, with the longest time that it may take. The returned function is
	// called when the start is over. Neither may block.
	Loading func(limit time.Duration) (over func())
	// Changed, if set, is called when a process has loaded the model, and when that process has ended, whatever ended it.
	Changed func(loaded bool)
}

// Model is one model of the pool. At most one process has it loaded.
type Model struct {
	pool *Pool
	spec Spec
	life context.Context // ends with Close
	end  context.CancelCauseFunc

	// Guarded by the pool's lock.
	current   *process.Process
	leaving   []*process.Process // unloaded or replaced processes that have not ended yet
	starting  *start
	users     int
	idleSince time.Time
	idle      *time.Timer
	facts     process.Facts
	starts    int
	lastErr   error // of the last start, nil once one worked
	closed    bool
}

// start is a process that is being started, shared by all who wait for it.
type start struct {
	began   time.Time
	quietly bool // nobody waits for it
	life    context.Context
	giveUp  context.CancelCauseFunc // ends life, and the start with it
	free    func()                  // lets the next model be loaded; nil before it is this one's turn
	done    chan struct{}
	process *process.Process
	err     error
}

// startGrace is how much longer than the limit of a start to wait for the goroutine that starts: a file system that
// hangs can block it.
const startGrace = time.Second

// Use returns the process that has the model loaded and keeps it from being unloaded until release is called. If none
// runs, Use starts one. Callers that come while it starts share the start, whose failure is not remembered. The start
// continues if the caller who began it gives up.
func (m *Model) Use(ctx context.Context) (loaded *process.Process, release func(), err error) {
	return m.use(ctx, false)
}

// UseQuietly is Use for whoever nobody waits for: a start that it begins loads the model at the lowest priority of the system. Such a
// start is given up when Use needs a model, this one or another, and is begun again after that.
func (m *Model) UseQuietly(ctx context.Context) (loaded *process.Process, release func(), err error) {
	return m.use(ctx, true)
}

func (m *Model) use(ctx context.Context, quietly bool) (loaded *process.Process, release func(), err error) {
	for {
		loaded, release, err = m.useOnce(ctx, quietly)
		if !errors.Is(err, errGaveWay) {
			return loaded, release, err
		}
	}
}

// errGaveWay is the error of a quiet start that was given up for one that somebody waits for.
var errGaveWay = errors.New("the start gave way to one that somebody waits for")

// useOnce is use that fails with errGaveWay if the start that it waits for gave way.
func (m *Model) useOnce(ctx context.Context, quietly bool) (loaded *process.Process, release func(), err error) {
	p := m.pool
	p.mu.Lock()
	if p.closed || m.closed {
		p.mu.Unlock()
		return nil, nil, ErrClosed
	}
	if held := p.held; held != nil {
		p.mu.Unlock()
		return nil, nil, held
	}
	m.users++
	if m.idle != nil {
		m.idle.Stop()
	}
	if m.current != nil && m.current.Alive() {
		c := m.current
		p.mu.Unlock()
		return c, sync.OnceFunc(m.release), nil
	}
	s := m.starting
	if !quietly && (s == nil || s.quietly) {
		p.hurry()
	}
	if s == nil {
		s = &start{began: time.Now(), quietly: quietly, done: make(chan struct{})}
		s.life, s.giveUp = context.WithCancelCause(m.life)
		m.starting = s
		p.wait.Go(func() { m.start(s) }) //nolint:contextcheck // the start goes on for others when the first that waits for it gives up
	}
	p.mu.Unlock()
	limit := time.NewTimer(time.Until(s.began.Add(2*m.spec.LoadTimeout + startGrace))) // it may wait for another model first
	defer limit.Stop()
	select {
	case <-s.done:
		if s.err == nil {
			return s.process, sync.OnceFunc(m.release), nil
		}
		err = s.err
	case <-ctx.Done():
		err = fmt.Errorf("wait for the engine to start: %w", context.Cause(ctx))
	case <-limit.C:
		err = m.startTimeout(s)
		p.mu.Lock()
		if m.starting == s { // the next caller tries again
			m.starting = nil
			if s.free != nil {
				s.free()
			}
		}
		p.mu.Unlock()
	}
	m.release()
	return nil, nil, err
}

// startTimeout is the error of a start that was given up.
func (m *Model) startTimeout(s *start) error {
	return scout.Errorf(scout.CodeEngineLoadTimeout, "the engine could not be started within %s", time.Since(s.began).Round(time.Second))
}

// release ends a use. The last one starts the timer that unloads the model, and replaces a process that is too large.
func (m *Model) release() {
	p := m.pool
	p.mu.Lock()
	m.users--
	m.idleSince = time.Now()
	if m.users == 0 && m.spec.IdleUnload > 0 && !m.closed && !p.closed {
		if m.idle == nil {
			m.idle = time.AfterFunc(m.spec.IdleUnload, func() { m.unload() })
		} else {
			m.idle.Reset(m.spec.IdleUnload)
		}
	}
	p.tell()
	p.mu.Unlock()
}

// start carries out a start and publishes its outcome, a panic included.
func (m *Model) start(s *start) {
	p := m.pool
	var loaded *process.Process
	over := func() {}
	if m.spec.Loading != nil {
		over = m.spec.Loading(m.spec.LoadTimeout)
	}
	err := p.failures.Guard("engine/start", func() (err error) {
		loaded, err = m.load(s)
		return err
	})
	over()
	gaveWay := err != nil && errors.Is(context.Cause(s.life), errGaveWay)
	s.giveUp(nil)
	p.mu.Lock()
	late := m.starting != s || p.closed || m.closed // given up in the meantime
	if m.starting == s {
		m.starting = nil
	}
	switch {
	case err == nil && (p.closed || m.closed):
		err = ErrClosed
	case err == nil && late:
		err = m.startTimeout(s)
	case gaveWay:
		err = errGaveWay
	case s.quietly && scout.CodeOf(err) == scout.CodeEngineLoadTimeout: // at the lowest priority that says how busy the machine is
	case err != nil:
		m.lastErr = err
	default:
		if m.current != nil { // it was killed
			m.leave(m.current)
		}
		m.current, m.facts, m.lastErr = loaded, loaded.Facts(), nil
		m.idleSince = time.Now()
		m.starts++
		s.process = loaded
	}
	s.err = err
	p.mu.Unlock()
	if late && loaded != nil {
		loaded.Stop()
	}
	m.report(s, loaded)
	if changed := m.spec.Changed; changed != nil && s.err == nil {
		p.wait.Go(func() { // ends with the process
			changed(true)
			<-loaded.Dead()
			changed(false)
		})
	}
	close(s.done)
}

// report records the outcome of a start.
func (m *Model) report(s *start, loaded *process.Process) {
	p, took := m.pool, time.Since(s.began)
	if errors.Is(s.err, errGaveWay) {
		return
	}
	if s.err != nil {
		code := string(scout.CodeOf(s.err))
		p.metrics.startFailures.WithLabelValues(code).Inc()
		p.scope.Log().Warn(EventEngineFailed, slog.String(observe.KeyCode, code), slog.String(observe.KeyError, s.err.Error()))
		return
	}
	p.metrics.load.WithLabelValues(m.spec.Model.ID).Observe(took.Seconds())
	p.metrics.starts.Inc()
	p.measure()
	p.scope.Log().Info(eventEngineStarted, slog.Int(observe.KeyPID, loaded.Facts().PID),
		slog.String(observe.KeyModel, m.spec.Model.ID), slog.String("backend", loaded.Facts().Backend),
		slog.Int64(observe.KeyDurationMS, took.Milliseconds()), slog.Int64(observe.KeyRSSBytes, int64(loaded.ResidentBytes())))
}

// load starts the process, one model of the pool at a time, once there is memory for it.
func (m *Model) load(s *start) (*process.Process, error) {
	p := m.pool
	ctx, cancel := context.WithTimeoutCause(s.life, m.spec.LoadTimeout,
		scout.Errorf(scout.CodeEngineLoadTimeout, "other models were loading or held the memory for %s", m.spec.LoadTimeout))
	defer cancel()
	select {
	case p.loading <- struct{}{}:
		free := sync.OnceFunc(func() { <-p.loading })
		defer free()
		p.mu.Lock()
		s.free = free
		p.mu.Unlock()
	case <-ctx.Done():
		return nil, fmt.Errorf("load model %s: %w", m.spec.Model.ID, context.Cause(ctx))
	}
	if err := p.makeRoom(ctx, m); err != nil {
		return nil, err
	}
	if m.spec.Fault != nil {
		if err := m.spec.Fault(GoroutineStart); err != nil {
			return nil, err
		}
	}
	options := m.spec.Options
	options.Background = s.quietly
	return process.Start(s.life, p.scope, options)
}

// GoroutineStart is the name of the goroutine that starts a process, for process.Options.Fault.
const GoroutineStart = "start"

// Unload ends the process if nobody uses it. It does not wait for its end.
func (m *Model) Unload() { m.unload() }

// unload ends the process if nobody uses it, and returns a channel that is closed once it has ended. A request that
// comes at this moment starts another process.
func (m *Model) unload() <-chan struct{} {
	p := m.pool
	p.mu.Lock()
	c := m.current
	if c == nil || m.users > 0 || p.closed {
		p.mu.Unlock()
		return nil
	}
	m.current = nil
	m.leave(c)
	if !c.Alive() { // it ended by itself, or was killed
		p.mu.Unlock()
		p.measure()
		return c.Dead()
	}
	p.mu.Unlock()
	c.Retire()
	p.metrics.unloaded.Inc()
	p.measure()
	p.scope.Log().Info(eventEngineUnloaded, slog.Int(observe.KeyPID, c.Facts().PID), slog.String(observe.KeyModel, m.spec.Model.ID))
	return c.Dead()
}

// leave records a process that is about to end, so that Close waits for it. The caller holds the lock.
func (m *Model) leave(c *process.Process) {
	m.leaving = append(slices.DeleteFunc(m.leaving, func(old *process.Process) bool {
		select {
		case <-old.Dead():
			return true
		default:
			return false
		}
	}), c)
}

// Answered measures a process after an answer and replaces one that grew above the ceiling. The old process answers its
// requests, while the next request starts another one.
func (m *Model) Answered(c *process.Process) {
	p := m.pool
	rss := c.ResidentBytes()
	p.measure()
	if m.spec.CeilingBytes == 0 || rss <= m.spec.CeilingBytes {
		return
	}
	p.mu.Lock()
	ours := m.current == c && !p.closed
	if ours {
		m.current = nil
		m.leave(c)
	}
	p.mu.Unlock()
	if !ours {
		return
	}
	p.metrics.recycled.Inc()
	p.scope.Log().Warn(eventEngineRecycled, slog.Int64(observe.KeyRSSBytes, int64(rss)), slog.Int(observe.KeyPID, c.Facts().PID))
	c.Retire()
}

// State is the state of a model as seen from outside.
type State struct {
	// Process is the process that has the model loaded, nil if there is none. Facts are those of the last process.
	Process *process.Process
	Facts   process.Facts
	// Loading is when the start of a process began, zero if none is starting.
	Loading time.Time
	Starts  int
	// LastError is why the last start failed, nil if it did not. One at the lowest priority that took too long does not count.
	LastError error
}

// State returns a snapshot. It has no side effects.
func (m *Model) State() State {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	s := State{Facts: m.facts, Starts: m.starts, LastError: m.lastErr}
	if m.current != nil && m.current.Alive() {
		s.Process = m.current
	}
	if m.starting != nil {
		s.Loading = m.starting.began
	}
	return s
}

// Close ends the model's process and waits for it, also for one that is being started. Its requests fail with
// engine_closed.
func (m *Model) Close() {
	p := m.pool
	p.mu.Lock()
	m.closed = true
	c, leaving, starting := m.current, m.leaving, m.starting
	m.current = nil
	delete(p.models, m)
	if m.idle != nil {
		m.idle.Stop()
	}
	p.mu.Unlock()
	if c != nil {
		leaving = append(leaving, c)
	}
	m.end(ErrClosed)
	for _, one := range leaving {
		one.Stop()
	}
	if starting != nil {
		select {
		case <-starting.done:
		case <-time.After(closeGrace): // a file system blocks it: it is left running
		}
	}
	p.mu.Lock()
	p.tell()
	p.mu.Unlock()
}
