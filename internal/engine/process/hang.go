package process

import (
	"errors"
	"fmt"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// DefaultSuspectAfter is the time without progress after which an engine is unhealthy and looked at closely.
const DefaultSuspectAfter = 5 * time.Second

// LookEvery is how often Hung wants to be called while a request runs or the model loads.
const LookEvery = 200 * time.Millisecond

// Clock counts the time that this program itself has run. Where a tick comes late, the program or the machine stood still
// (SIGSTOP, Ctrl-Z, suspend), and so did whatever it waits for: only two ticks count. The zero value counts from its first
// tick.
type Clock struct {
	Every time.Duration // between two ticks
	last  time.Time
}

// Tick returns the time that has passed since the last tick.
func (c *Clock) Tick() time.Duration {
	now := time.Now()
	passed := min(now.Sub(c.last), 2*c.Every)
	if c.last.IsZero() {
		passed = 0
	}
	c.last = now
	return passed
}

// suspicion is how long something has not moved, and what the system said of it since it is suspected.
type suspicion struct {
	still time.Duration
	first *look
	at    time.Duration // still at the first look
}

// Hung returns why the process is known to hang, nil if that is not known: the caller kills it. Whoever waits for the
// process calls it every LookEvery. It costs nothing while the process beats and its requests go on.
//
// A process or a request that does not move is looked at twice through the system. It hangs if all its threads are
// stopped, if it sleeps without using or awaiting a processor or a disk, or if one token takes SuspectAfter of its thread's own
// processor time. A busy machine, a low priority, a slow disk or a suspended machine are none of these, nor is a busy machine
// on which this program is late itself. Where the system tells nothing, only the deadline ends a request.
func (p *Process) Hung() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	passed := p.clock.Tick()
	if p.waiting == nil || p.ready && !p.works() {
		p.silence = suspicion{}
		return nil
	}
	if p.late() {
		p.silence.first = nil
		for _, call := range p.waiting {
			call.stall.first = nil
		}
		return nil
	}
	p.silence.still += passed
	suspect := p.options.SuspectAfter
	if now := p.silence.due(p.pid, suspect); now != nil {
		if err := p.silent(now); err != nil {
			return err
		}
	}
	for _, call := range p.waiting {
		if !call.sent {
			continue
		}
		call.stall.still += passed
		now := call.stall.due(p.pid, suspect)
		sleeps := now != nil && p.silence.still < suspect && call.sleeps(now)
		if now != nil {
			call.stall.first = nil // the next look is a first one
		}
		if sleeps || call.circles() {
			return scout.Errorf(scout.CodeEngineTimeout, "the engine made no progress for %s", time.Since(call.progress).Round(time.Second))
		}
	}
	return nil
}

// late reports whether the next step is this program's: it has not read what the process wrote, or not written what the
// process waits for. On a busy machine that can take seconds, in which the process does nothing.
func (p *Process) late() bool {
	return p.handling.Load() || unread(p.answers) > 0 || p.writing.Load() && unread(p.requests) == 0
}

// works reports whether the process has a request. Called with the lock held.
func (p *Process) works() bool {
	for _, call := range p.waiting {
		if call.sent {
			return true
		}
	}
	return false
}

// due takes the first look after suspect, and returns a second one a fifth of that later, nil before.
func (s *suspicion) due(pid int, suspect time.Duration) *look {
	switch {
	case s.still < suspect:
		s.first = nil
	case s.first == nil:
		s.first, s.at = lookAt(pid), s.still
	case s.still >= s.at+suspect/5:
		return lookAt(pid)
	}
	return nil
}

// silent returns why a process that says nothing hangs, nil if that is not known. Called with the lock held.
func (p *Process) silent(now *look) error {
	first, window := p.silence.first, p.silence.still-p.silence.at
	still := p.silence.still.Round(time.Second)
	switch {
	case first.stopped() && now.stopped():
		return &stoppedError{scout.Errorf(scout.CodeEngineTimeout, "the engine was stopped from outside (SIGSTOP) and did nothing for %s", still)}
	case first.asleep() && now.asleep() && now.ran()-first.ran() < window/20:
		return scout.Errorf(scout.CodeEngineTimeout, "the engine has done nothing for %s", still)
	}
	p.silence.first = nil // it works or waits for something: the next look is a first one
	return nil
}

// decodes reports whether the process would tell of a next token. Called with the lock held.
func (c *Call) decodes() bool { return c.process.facts.steps && c.phase == wire.PhaseDecode }

// circles reports whether the thread of the request has computed for SuspectAfter without a token, which takes milliseconds.
// However busy the machine is, that is a hang. Called with the lock held.
func (c *Call) circles() bool {
	return c.decodes() && c.ran-c.ranThen >= c.process.options.SuspectAfter
}

// sleeps reports whether a request without progress sleeps in a process that beats. Called with the lock held.
func (c *Call) sleeps(now *look) bool {
	first := c.stall.first
	before, after := first.threads[c.thread], now.threads[c.thread]
	if before == nil || after == nil {
		return false
	}
	little := (c.stall.still - c.stall.at) / 20
	// Another thread may do its work, unless it decodes.
	alone := c.decodes() || now.ran()-first.ran() < little
	return before.asleep() && after.asleep() && after.ran-before.ran < little && after.queued-before.queued < little && alone
}

// stoppedError is the end of a process that somebody stopped: no request has a part in it.
type stoppedError struct{ error }

func (e *stoppedError) Unwrap() error { return e.error }

// Stopped reports whether an error is the end of a process that somebody had stopped (SIGSTOP, a debugger).
func Stopped(err error) bool {
	var stopped *stoppedError
	return errors.As(err, &stopped)
}

// Suspended reports whether somebody has stopped all threads of the process (SIGSTOP, a debugger), also while no request runs. It
// asks the system.
func (p *Process) Suspended() bool {
	select {
	case <-p.dead:
		return false
	default:
	}
	return lookAt(p.pid).stopped()
}

// Expire kills a process whose request has had its time. One that is stopped at that moment ends for that reason.
func (p *Process) Expire(cause error) {
	if lookAt(p.pid).stopped() {
		cause = &stoppedError{fmt.Errorf("the engine was stopped from outside (SIGSTOP): %w", cause)}
	}
	p.Kill(cause)
}

// look is what the system says of the threads of a process; nil where it says nothing.
type look struct{ threads map[int]*thread }

// thread is one of them.
type thread struct {
	state       byte          // proc_pid_stat(5)
	ran, queued time.Duration // on a processor, and waiting for one
}

func (t *thread) asleep() bool { return t.state == 'S' }

// all reports whether there are threads, and all are in one of the states.
func (l *look) all(is func(*thread) bool) bool {
	if l == nil {
		return false
	}
	for _, t := range l.threads {
		if !is(t) {
			return false
		}
	}
	return len(l.threads) > 0
}

func (l *look) stopped() bool {
	return l.all(func(t *thread) bool { return t.state == 'T' || t.state == 't' })
}

func (l *look) asleep() bool { return l.all((*thread).asleep) }

// ran is the processor time of all threads.
func (l *look) ran() (sum time.Duration) {
	for _, t := range l.threads {
		sum += t.ran
	}
	return sum
}
