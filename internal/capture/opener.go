package capture

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

// Time constants of opening.
const (
	// openAttempt bounds one attempt during an outage: a sleeping device takes 2 s.
	openAttempt = 4 * time.Second
	// openGrace is how long after its deadline an attempt is given up that does not return.
	openGrace = 3 * time.Second
	// reopenFirst and reopenMost bound the pauses between attempts while the system reports no change. Each change that it reports
	// causes an attempt at once.
	reopenFirst = 100 * time.Millisecond
	reopenMost  = 750 * time.Millisecond
	// closeWithin is how long the end of a session waits for devices to be closed.
	closeWithin = 2 * time.Second
)

// opener opens and closes devices, each in a goroutine of its own: a sound server that hangs delays nothing else. One
// goroutine uses it, except for aside.
type opener struct {
	attempt    func(ctx context.Context, backend sound.Backend, device string) (*line, error)
	guard      func(work func()) // runs work that nobody waits for
	now        func() time.Duration
	patience   time.Duration // for an attempt that somebody waits for
	goroutines sync.WaitGroup
}

// opening is an attempt to open a device, or many of them.
type opening struct {
	cancel context.CancelFunc
	result chan opened  // capacity 1
	began  atomic.Int64 // when the latest attempt began
}

// opened is how it went.
type opened struct {
	line *line
	err  error
}

// late tells whether the latest attempt has passed its deadline by so much that its goroutine stands still.
func (p *opening) late(now time.Duration) bool {
	return now-time.Duration(p.began.Load()) > openAttempt+openGrace
}

// open begins an opening: one attempt, or with again attempts until one succeeds. It ends by itself or by abandon; what it
// opened then and nobody took is closed.
func (o *opener) open(ctx context.Context, backend sound.Backend, device string, again bool) *opening {
	ctx, cancel := context.WithCancel(ctx)
	p := &opening{cancel: cancel, result: make(chan opened, 1)}
	p.began.Store(int64(o.now()))
	o.goroutines.Go(func() { // ends by cancel, or with a server that hangs
		defer cancel()
		var r opened
		if again {
			r.line, r.err = resilience.Retry(ctx, observe.Scope{}, resilience.Policy{
				Initial: reopenFirst, Max: reopenMost, Budget: math.MaxInt64 / 2,
				Retryable: func(error) bool { return true }, // whatever is wrong may be put right by a hand on a plug
			}, func(ctx context.Context) (*line, error) {
				p.began.Store(int64(o.now()))
				return o.try(ctx, backend, device, min(o.patience, openAttempt))
			})
		} else {
			r.line, r.err = o.try(ctx, backend, device, o.patience)
		}
		if r.err == nil && ctx.Err() != nil {
			_ = r.line.stream.Close() // nobody waits for it any more
			r = opened{err: context.Cause(ctx)}
		}
		p.result <- r
	})
	return p
}

// try is one attempt within a limit.
func (o *opener) try(ctx context.Context, backend sound.Backend, device string, limit time.Duration) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return o.attempt(ctx, backend, device)
}

// abandon ends an opening, if there is one. A line that it had ready already is closed.
func (o *opener) abandon(p *opening) {
	if p == nil {
		return
	}
	p.cancel()
	o.aside(func() {
		if r := <-p.result; r.err == nil {
			_ = r.line.stream.Close() // nobody waits for it any more
		}
	})
}

// aside runs work that may hang in a sound server in a goroutine of its own, which await waits for.
func (o *opener) aside(work func()) { o.goroutines.Go(func() { o.guard(work) }) }

// await waits for all that was begun, but no longer than closeWithin.
func (o *opener) await() error {
	done := make(chan struct{})
	go func() { // ends with the last of them
		o.goroutines.Wait()
		close(done)
	}()
	timer := time.NewTimer(closeWithin)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return scout.Errorf(scout.CodeSoundServer, "the sound server does not respond: a device was left open")
	}
}
