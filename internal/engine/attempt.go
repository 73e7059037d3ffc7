package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/pool"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/engine/schedule"
)

// transcriber is the common interface of the decorators. Each handles one kind of problem, from the outside in:
// recording (metrics, log), breaking (an engine that keeps failing), retrying (a process that ends), turning (order of
// requests), loading (a process that does not run yet), limiting (time), calling (the process itself).
type transcriber interface {
	transcribe(ctx context.Context, a *attempt) (*scout.Hypothesis, error)
}

// attempt is a request on its way through the decorators.
type attempt struct {
	*Request
	traceparent string
	exclusive   bool             // nothing else may run in its process
	turn        *schedule.Turn   // the last one, whose place in the queue the attempt keeps
	spent       time.Duration    // with a turn
	process     *process.Process // set by loading
	held        *holders         // of the turn
	call        atomic.Pointer[process.Call]
}

// queued returns how long the request has waited for a processor in this attempt.
func (a *attempt) queued() time.Duration {
	if call := a.call.Load(); call != nil {
		return call.Queued()
	}
	return 0
}

// holders counts the holders of something that the last of them releases: the caller, and a cancelled request on which
// the process still works.
type holders struct {
	mu    sync.Mutex
	count int
	last  func()
}

func (h *holders) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
}

func (h *holders) drop() {
	h.mu.Lock()
	h.count--
	last := h.count == 0
	h.mu.Unlock()
	if last {
		h.last()
	}
}

// traceparent returns the W3C Trace Context name of a span, empty for none.
func traceparent(s trace.SpanContext) string {
	if !s.IsValid() {
		return ""
	}
	return fmt.Sprintf("00-%s-%s-%s", s.TraceID(), s.SpanID(), s.TraceFlags())
}

// errInterrupted is the reason of a request that was interrupted and runs again.
var errInterrupted = scout.Errorf(scout.CodeCancelled, "a more urgent request goes first")

// turning waits for a turn, and for another one if a more urgent request took it.
type turning struct {
	share *schedule.Share
	next  transcriber
}

func (t *turning) transcribe(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	for {
		h, err := t.once(ctx, a)
		if err == nil || ctx.Err() != nil || !errors.Is(err, errInterrupted) {
			return h, err
		}
	}
}

func (t *turning) once(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	turn, err := t.share.Acquire(ctx, schedule.Ask{
		Class: a.Class, Client: a.Client, Audio: a.Audio(), Exclusive: a.exclusive, After: a.turn,
		Preempt: func() { cancel(errInterrupted) },
	})
	if err != nil {
		return nil, fmt.Errorf("wait for the engine: %w", err)
	}
	a.turn = turn
	a.held = &holders{count: 1, last: turn.Release}
	defer a.held.drop()
	began := time.Now()
	defer func() { a.spent += time.Since(began) }()
	return t.next.transcribe(ctx, a)
}

// loading ensures that a process with the model is loaded while the rest runs.
type loading struct {
	model *pool.Model
	share *schedule.Share
	next  transcriber
}

func (l *loading) transcribe(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	for {
		h, err := l.once(ctx, a)
		// The process left before it got this request; the next one takes it. Each process of this loop has had the
		// request of somebody else, or was asked to end after one, so the loop ends. If the engine was closed, there is
		// no next process, and Use says so.
		if !errors.Is(err, process.ErrRetired) {
			return h, err
		}
	}
}

func (l *loading) once(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	use := l.model.Use
	if a.Class == schedule.SecondPass { // nobody waits for it
		use = l.model.UseQuietly
	}
	p, release, err := use(ctx)
	if a.Class == schedule.SecondPass && scout.CodeOf(err) == scout.CodeEngineLoadTimeout {
		err = &lateError{err}
	}
	if err != nil {
		return nil, err
	}
	defer release()
	l.share.Resize(p.Facts().Slots)
	a.process = p
	return l.next.transcribe(ctx, a)
}

// lateError is that of a load at the lowest priority that took too long: the machine is busy, and the engine is not ill.
type lateError struct{ error }

// Unwrap returns what the load said.
func (e *lateError) Unwrap() error { return e.error }

// longestTick is the longest time between two looks at the time of an attempt.
const longestTick = time.Second

// limiting bounds the time of an attempt.
type limiting struct {
	base      time.Duration
	factor    float64
	dictation time.Duration
	next      transcriber
}

// limit returns how long the process may take. A person waits for the end of a dictation: if it does not come soon, it is decoded
// again in a fresh process. Streams of clients are many at a time, and what ends the process would end the requests of all.
func (l *limiting) limit(r *Request) time.Duration {
	if r.Class == schedule.Dictation {
		return min(l.dictation+r.Audio(), l.base+time.Duration(l.factor*float64(r.Audio())))
	}
	return l.base + time.Duration(l.factor*float64(r.Audio()))
}

func (l *limiting) transcribe(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	limit := l.limit(a.Request)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tick := min(limit/10, longestTick)
	clock := process.Clock{Every: tick}
	clock.Tick()
	var timer *time.Timer
	var mu sync.Mutex // the timer is set before it is read
	mu.Lock()
	spent := time.Duration(0)
	timer = time.AfterFunc(tick, func() {
		mu.Lock()
		defer mu.Unlock()
		// The clock stands still while this program or the machine does, and while the request waits for a processor:
		// neither is a reason to give audio up.
		spent += clock.Tick()
		if spent-a.queued() < limit {
			timer.Reset(tick)
			return
		}
		cancel(scout.Errorf(scout.CodeEngineTimeout, "no answer within %.1f s for %.1f s of audio", spent.Seconds(), a.Audio().Seconds()))
	})
	mu.Unlock()
	defer timer.Stop()
	return l.next.transcribe(ctx, a)
}

// calling sends the request to its process and waits for the answer. It kills a process that exceeds its time, is known to
// hang, or grows to more than memory bytes. A request whose caller gives up is cancelled. Its turn stays taken until the
// process answers; a process that does not answer is killed.
type calling struct {
	model  *pool.Model
	memory uint64
}

// abandonGrace is how long a cancelled request may continue in a process that cannot be interrupted.
const abandonGrace = 10 * time.Second

func (c *calling) transcribe(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	p := a.process
	if a.Score != nil && !p.Facts().Scores { // it would decode a text
		return nil, scout.Errorf(scout.CodeModelUnsupported, "model %s gives no scores with the backend %s", p.Facts().ModelID, p.Facts().Backend)
	}
	looks := time.NewTicker(process.LookEvery)
	defer looks.Stop()
	call := p.Send(a.Request, a.traceparent)
	a.call.Store(call)
	done := ctx.Done()
	for {
		select {
		case answer := <-call.Answer():
			if answer.Err != nil {
				return nil, answer.Err
			}
			c.model.Answered(p)
			return answer.Hypothesis, nil
		case <-looks.C:
			if err := p.Hung(); err != nil {
				p.Kill(err)
			} else if rss := p.ResidentBytes(); rss > c.memory {
				p.Kill(scout.Errorf(scout.CodeEngineMemory, "the engine grew to %d MB: limit %d MB", rss>>20, c.memory>>20))
			}
		case <-done:
			cause := context.Cause(ctx)
			if scout.CodeOf(cause) != scout.CodeEngineTimeout {
				c.abandon(p, call, a.held)
				return nil, fmt.Errorf("transcribe: %w", cause)
			}
			p.Expire(cause)
			done = nil // the answer comes now
		}
	}
}

// abandon cancels a request for which nobody waits.
func (c *calling) abandon(p *process.Process, call *process.Call, held *holders) {
	held.hold()
	tooLong := time.AfterFunc(abandonGrace, func() {
		p.Kill(scout.Errorf(scout.CodeEngineTimeout, "the engine kept working on a cancelled request for %.0f s", abandonGrace.Seconds()))
	})
	call.Then(func() {
		tooLong.Stop()
		held.drop()
	})
	call.Cancel()
}
