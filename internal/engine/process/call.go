package process

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// Call is a request on its way.
type Call struct {
	process *Process
	id      uint64
	answer  chan Answer
	encoded chan struct{} // closed once the samples have been copied, or never will be

	// Guarded by the process's lock.
	sent       bool // the writer has taken it
	progress   time.Time
	phase      wire.Phase
	tokens     int
	queued     time.Duration // how long it has waited for a processor
	queuedThen time.Duration // the same at the last progress
	ran        time.Duration // on a processor
	ranThen    time.Duration // the same at the last token
	stall      suspicion     // since progress
	thread     int           // that works on it in the process, 0 where that is not told
	then       func()
	answered   bool
}

// Answer gets exactly one value, also when the process dies or the call is cancelled.
func (c *Call) Answer() <-chan Answer { return c.answer }

// Then calls f once the request is answered, at once if it is already. There is one f per call; it must not block.
func (c *Call) Then(f func()) {
	c.process.mu.Lock()
	answered := c.answered
	c.then = f
	c.process.mu.Unlock()
	if answered {
		f()
	}
}

// settle gives the call its only answer.
func (c *Call) settle(a Answer) {
	c.process.mu.Lock()
	c.answered = true
	then := c.then
	c.process.mu.Unlock()
	c.answer <- a // buffered
	if then != nil {
		then()
	}
}

// Queued returns how long the request has waited for a processor, as far as the process has reported it. The wait is
// caused by a busy machine and not by the process.
func (c *Call) Queued() time.Duration {
	c.process.mu.Lock()
	defer c.process.mu.Unlock()
	return c.queued
}

// Send appends the request to the queue and returns. traceparent names its span, empty for none. A process that takes no
// more requests answers with the error of unsent.
func (p *Process) Send(request *Request, traceparent string) *Call {
	c := &Call{process: p, answer: make(chan Answer, 1), encoded: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leaving() {
		close(c.encoded)
		c.answered = true
		c.answer <- Answer{Err: p.unsent()}
		return c
	}
	p.nextID++
	c.id = p.nextID
	p.waiting[c.id] = c
	encode := wire.AppendRequest(request.frame(traceparent))
	p.queue = append(p.queue, &outgoing{kind: wire.KindRequest, id: c.id, call: c, body: func(dst []byte) ([]byte, error) {
		defer close(c.encoded)
		return encode(dst)
	}})
	p.wakeWriter()
	return c
}

// leaving reports whether the process takes no more requests. The caller holds the lock.
func (p *Process) leaving() bool {
	return p.waiting == nil || p.retiring || p.closing || p.killErr != nil
}

// unsent returns the error of a request that a process that is leaving never got. The caller holds the lock.
//
// It is ErrRetired if the process was asked to end, or has had another request: the caller tries the next process, as
// often as this happens, because each of these processes has worked. A process that ends by itself before it gets any
// request may be one that never works. Its EndError lets the caller count.
func (p *Process) unsent() error {
	why := p.err
	if p.waiting != nil {
		why = p.killErr
	}
	if p.retiring || p.worked || why == nil || scout.CodeOf(why) == scout.CodeEngineClosed {
		return ErrRetired
	}
	return &EndError{Err: why}
}

// Cancel asks the process to stop working on the request. A request that has not been sent is removed from the queue
// and answered at once. Otherwise the cancel is sent after it, and the answer comes once the process has released it.
// The samples belong to the caller again when Cancel returns.
func (c *Call) Cancel() {
	p := c.process
	p.mu.Lock()
	if p.waiting[c.id] != c { // answered
		p.mu.Unlock()
		return
	}
	if !c.sent {
		p.queue = slices.DeleteFunc(p.queue, func(o *outgoing) bool { return o.call == c })
		close(c.encoded)
		p.mu.Unlock()
		p.deliver(c.id, Answer{Err: scout.Errorf(scout.CodeCancelled, "cancelled before it was sent")})
		return
	}
	p.queue = append(p.queue, &outgoing{kind: wire.KindCancel, id: c.id})
	p.wakeWriter()
	p.mu.Unlock()
	select {
	case <-c.encoded:
	case <-p.dead:
	case <-time.After(encodeGrace): // the writer hangs
		p.Kill(scout.Errorf(scout.CodeEngineCrashed, "the engine accepts no requests"))
		<-p.dead
	}
}

// encodeGrace is how long the writer may take to copy the samples of a request. That is less than a millisecond of its
// own time, but on a busy machine it may have to wait for a processor, and the process and its other requests have no
// part in that.
const encodeGrace = 10 * time.Second

// wakeWriter makes the writer check the queue.
func (p *Process) wakeWriter() {
	select {
	case p.wake <- struct{}{}:
	default: // it will check anyway
	}
}

// write sends the queued frames one after the other, until the process is dead. It is the only goroutine that writes. A
// process that does not read its pipe blocks it until a caller that waits for an answer kills the process.
func (p *Process) write() error {
	for {
		next := p.take()
		if next == nil {
			select {
			case <-p.wake:
				continue
			case <-p.dead:
				return nil
			}
		}
		if err := p.fault(goroutineWriter); err != nil {
			return err
		}
		err := p.out.Write(next.kind, next.id, next.body)
		p.written(next.call)
		if err != nil && next.call != nil && scout.CodeOf(err) == scout.CodeInvalidArgument {
			p.deliver(next.id, Answer{Err: err}) // refused before anything was written
			continue
		}
		if err != nil {
			return err
		}
	}
}

// written notes that a frame is in the pipe: from now on it is the process that makes progress.
func (p *Process) written(call *Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writing.Store(false)
	if call != nil {
		call.progress = time.Now()
	}
}

// take returns the next frame of the queue, nil if there is none. A request waits while the process runs as many as it
// can at once; a cancel of one of those does not wait behind it. A process that was killed gets nothing more: a request
// that it did not get has no part in its end.
func (p *Process) take() *outgoing {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killErr != nil {
		return nil
	}
	sent := 0
	for _, call := range p.waiting {
		if call.sent {
			sent++
		}
	}
	at := slices.IndexFunc(p.queue, func(o *outgoing) bool { return o.call == nil || sent < p.facts.Slots })
	if at < 0 {
		return nil
	}
	next := p.queue[at]
	p.queue = slices.Delete(p.queue, at, at+1)
	p.writing.Store(true)
	if next.call != nil {
		next.call.sent, next.call.progress = true, time.Now()
		p.worked = true
		if sent == 0 { // it has been idle until now
			p.busy, p.silence = next.call.progress, suspicion{}
		}
	}
	return next
}

// deliver answers a call, if it still waits, and lets a process that is retiring end with its last answer.
func (p *Process) deliver(id uint64, answer Answer) {
	p.mu.Lock()
	call, ok := p.waiting[id]
	delete(p.waiting, id)
	p.silence = suspicion{}
	last := ok && p.retiring && len(p.waiting) == 0
	p.wakeWriter() // there may be room for the next one
	p.mu.Unlock()
	if ok {
		call.settle(answer)
	}
	if last {
		p.leave()
	}
}

// readAnswers dispatches frames until the pipe ends or the engine breaks the protocol.
func (p *Process) readAnswers() error {
	frames := wire.NewReader(p.answers)
	for {
		p.handling.Store(false)
		frame, err := frames.Next()
		p.handling.Store(true)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = p.fault(goroutineReader)
		}
		if err == nil {
			err = p.dispatch(frame)
		}
		if err != nil {
			return err
		}
	}
}

// dispatch hands a frame to the goroutine that waits for it. Answers that nobody waits for are dropped.
func (p *Process) dispatch(frame wire.Frame) error {
	switch frame.Kind {
	case wire.KindHello:
		h, err := wire.DecodeJSON[wire.Hello](frame.Body)
		if err != nil {
			return err
		}
		return p.greet(greeting{facts: factsOf(h), err: checkHello(h)}, scout.Errorf(scout.CodeEngineProtocol, "the engine sent hello twice"))
	case wire.KindResult:
		r, err := wire.DecodeJSON[*wire.Result](frame.Body)
		if err != nil {
			return err
		}
		if r == nil {
			return scout.Errorf(scout.CodeEngineProtocol, "engine sent an empty result")
		}
		p.deliver(frame.ID, Answer{Hypothesis: r.Hypothesis()})
	case wire.KindFailure:
		f, err := wire.DecodeJSON[wire.Failure](frame.Body)
		if err != nil {
			return err
		}
		if f.Panicked && p.options.Failures != nil {
			p.options.Failures.Panicked("engine process", f.Message)
		}
		failure := explained(f)
		if frame.ID == 0 {
			return p.greet(greeting{err: failure}, scout.Errorf(scout.CodeEngineCrashed, "the engine ended: %w", failure))
		}
		p.deliver(frame.ID, Answer{Err: failure})
	case wire.KindBeat:
		b, err := wire.DecodeJSON[wire.Beat](frame.Body)
		if err != nil {
			return err
		}
		p.heard(b)
	default:
		return scout.Errorf(scout.CodeEngineProtocol, "engine sent a frame of kind %d", frame.Kind)
	}
	return nil
}

// greet passes the greeting on; late is the error if there was one before. It belongs to the reader.
func (p *Process) greet(g greeting, late error) error {
	if p.spoke {
		return late
	}
	p.spoke = true
	p.hello <- g // buffered
	return nil
}

// heard records which requests made progress.
func (p *Process) heard(b wire.Beat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.silence = suspicion{}
	// The beats themselves take less than a thousandth of a processor.
	used := time.Duration(b.CPUMS-p.cpu) * time.Millisecond
	worked := used >= 5*time.Millisecond && used >= now.Sub(p.busy)/50
	if worked {
		p.cpu, p.busy = b.CPUMS, now
	}
	for _, r := range b.Requests {
		call := p.waiting[r.ID]
		if call == nil {
			continue
		}
		// A request that waited for a processor most of the time since its last progress counts as making progress.
		queued := time.Duration(r.QueuedMS) * time.Millisecond
		call.thread, call.ran = r.Thread, time.Duration(r.RanMS)*time.Millisecond
		stepped := r.Phase != call.phase || r.Tokens != call.tokens
		if stepped {
			call.ranThen = call.ran
		}
		starved := queued-call.queuedThen >= now.Sub(call.progress)/2
		call.queued = max(call.queued, queued)
		if stepped || starved || worked && (!p.facts.steps || r.Phase != wire.PhaseDecode) {
			call.phase, call.tokens, call.progress, call.queuedThen, call.stall = r.Phase, r.Tokens, now, queued, suspicion{}
		}
	}
}
