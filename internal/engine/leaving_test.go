package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/pool"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

// holding lets a test act between the moment when a request was given its process and the moment when it is sent.
type holding struct {
	engine *engine.Engine
	given  chan *process.Process // one for each time that the request was given a process
	act    chan struct{}         // closed to let it go on

	mu    sync.Mutex
	times int
}

// held is the client of the request that is held.
const held = "held"

// hold holds a request the nth time that it is given a process.
func hold(e *engine.Engine, nth int) *holding {
	h := &holding{engine: e, given: make(chan *process.Process, 1), act: make(chan struct{})}
	e.Between(func(r *engine.Request, p *process.Process) {
		if r.Client != held {
			return
		}
		h.mu.Lock()
		h.times++
		now := h.times == nth
		h.mu.Unlock()
		if now {
			h.given <- p
			<-h.act
		}
	})
	return h
}

// leaving is a way in which a process leaves, or does not, while a request that was given it has not been sent yet.
type leaving struct {
	options func(*engine.Options)
	request float32
	// nth is the attempt that is held; 0 for the first.
	nth int
	// leave makes the process leave, unless stays is set. What it starts and does not wait for it adds to beside.
	leave func(t *testing.T, e *engine.Engine, p *process.Process, beside *sync.WaitGroup)
	stays bool
	// preempted: the request beside it is more urgent, and may take the next process, too, for a while.
	preempted bool
	// spare lets only the size after a request count: see SpareMemory.
	spare bool
}

// beside sends a request that the held one has for company, and checks how it ends.
func beside(fault float32, want scout.Code) func(*testing.T, *engine.Engine, *process.Process, *sync.WaitGroup) {
	return func(t *testing.T, e *engine.Engine, _ *process.Process, wait *sync.WaitGroup) {
		t.Helper()
		wait.Go(func() {
			if _, err := e.Transcribe(t.Context(), request(fault)); scout.CodeOf(err) != want {
				t.Errorf("the request beside it: %v, want code %q", err, want)
			}
		})
	}
}

// TestAProcessThatLeavesBeforeARequestIsSent lets the process of a request leave in every way after the request was
// given it. The request is answered by the next process, whether the first one is still there or gone, and neither the
// request nor the engine is blamed.
func TestAProcessThatLeavesBeforeARequestIsSent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]leaving{
		"replaced for its memory": {
			options: func(o *engine.Options) { o.MemoryCeiling = 4 << 20 },
			leave:   beside(works, ""),
			spare:   true,
		},
		"replaced for its memory, and busy with another request": {
			options: func(o *engine.Options) { o.Slots, o.BackgroundSlots, o.MemoryCeiling = 3, 3, 4<<20 },
			leave: func(t *testing.T, e *engine.Engine, _ *process.Process, wait *sync.WaitGroup) {
				beside(slow, "")(t, e, nil, wait)
				beside(works, "")(t, e, nil, wait)
			},
			spare: true,
		},
		"killed because it grew": {
			options: func(o *engine.Options) { o.MemoryCeiling = 100 << 20 },
			leave:   beside(grows, scout.CodeAudioSetAside),
		},
		"killed because it hangs": {
			options: func(o *engine.Options) { o.RequestBase, o.SuspectAfter = time.Hour, 200*time.Millisecond },
			leave:   beside(hangs, scout.CodeAudioSetAside),
		},
		"killed at the deadline of another request": {
			options: func(o *engine.Options) { o.RequestBase, o.DictationBase = time.Hour, 500*time.Millisecond },
			leave: func(t *testing.T, e *engine.Engine, _ *process.Process, wait *sync.WaitGroup) {
				wait.Go(func() {
					r := request(hangs)
					r.Class = schedule.Dictation
					if _, err := e.Transcribe(t.Context(), r); err == nil {
						t.Error("the request beside it hangs, and was answered")
					}
				})
			},
			preempted: true,
		},
		"killed because it babbles": {leave: beside(babbles, scout.CodeAudioSetAside)},
		"crashed":                   {leave: beside(crashes, scout.CodeAudioSetAside)},
		"closed its pipe":           {leave: beside(closesPipe, scout.CodeAudioSetAside)},
		"killed because somebody had stopped it": {
			options: func(o *engine.Options) { o.RequestBase, o.SuspectAfter = time.Hour, 200*time.Millisecond },
			leave: func(t *testing.T, e *engine.Engine, _ *process.Process, wait *sync.WaitGroup) {
				if err := os.WriteFile(filepath.Join(e.State().Facts.ModelID, "once"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
				beside(isStopped, "")(t, e, nil, wait)
			},
		},
		"killed by somebody before it had any request": {leave: killed},
		"killed by somebody before a request that has it for itself": {
			request: crashOnce, nth: 2, leave: killed,
		},
		"not unloaded, because it is not idle": {
			options: func(o *engine.Options) { o.IdleUnload = time.Nanosecond },
			leave: func(t *testing.T, e *engine.Engine, _ *process.Process, wait *sync.WaitGroup) {
				for range 5 {
					beside(works, "")(t, e, nil, wait)
				}
				wait.Wait()
			},
			stays: true,
		},
		"not unloaded, although another model needs its memory": {
			options: func(o *engine.Options) {
				o.Pool, o.ExpectBytes = pool.New(observe.Scope{}, pool.Options{BudgetBytes: 1 << 30}), 600<<20
			},
			leave: func(t *testing.T, e *engine.Engine, p *process.Process, wait *sync.WaitGroup) {
				other := newFaulty(t, func(o *engine.Options) { o.Pool, o.ExpectBytes = e.Pool(), 600<<20 })
				beside(works, "")(t, other, nil, wait)
				for other.State().Loading.IsZero() {
					time.Sleep(time.Millisecond)
				}
			},
			stays: true,
		},
	} {
		for moment, gone := range map[string]func(*process.Process) bool{
			"still there": func(p *process.Process) bool { return !p.Alive() },
			"gone": func(p *process.Process) bool {
				select {
				case <-p.Dead():
					return true
				default:
					return false
				}
			},
		} {
			if c.stays && moment == "gone" {
				continue
			}
			t.Run(name+", "+moment, func(t *testing.T) {
				t.Parallel()
				leavesBeforeSent(t, c, gone)
			})
		}
	}
}

func killed(t *testing.T, _ *engine.Engine, p *process.Process, _ *sync.WaitGroup) {
	t.Helper()
	if err := syscall.Kill(p.Facts().PID, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func leavesBeforeSent(t *testing.T, c leaving, gone func(*process.Process) bool) {
	t.Helper()
	dir := t.TempDir()
	e := newFaulty(t, func(o *engine.Options) {
		o.Model.ID, o.Slots, o.BackgroundSlots = dir, 2, 2
		o.Breaker = resilience.BreakerOptions{Consecutive: 1}
		if c.request == crashOnce {
			o.Model.ID = filepath.Join(dir, "crashed")
		}
		if c.options != nil {
			c.options(o)
		}
		if o.Pool != nil {
			t.Cleanup(o.Pool.Close)
		}
	})
	if c.spare {
		e.SpareMemory()
	}
	h := hold(e, max(c.nth, 1))
	answered := make(chan error, 1)
	go func() {
		r := request(c.request)
		r.Client = held
		_, err := e.Transcribe(t.Context(), r)
		answered <- err
	}()
	p := <-h.given
	var wait sync.WaitGroup
	c.leave(t, e, p, &wait)
	for !c.stays && !gone(p) {
		time.Sleep(time.Millisecond)
	}
	if c.stays && !p.Alive() {
		t.Error("the process left, although a request has it")
	}
	close(h.act)
	if err := <-answered; err != nil {
		t.Errorf("the request: %v", err)
	}
	wait.Wait()
	if want := max(c.nth, 1) + 1; h.times < want && !c.stays || h.times > want && !c.preempted {
		t.Errorf("the request was given a process %d times, want %d", h.times, want)
	}
	if s := e.State(); s.Breaker != "closed" || s.LastError != nil {
		t.Errorf("the engine is blamed: breaker %s, %v", s.Breaker, s.LastError)
	}
}

// TestOnlyAClosedEngineSaysSo closes the engine at that moment.
func TestOnlyAClosedEngineSaysSo(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, nil)
	h := hold(e, 1)
	answered := make(chan error, 1)
	go func() {
		r := request(works)
		r.Client = held
		_, err := e.Transcribe(context.Background(), r)
		answered <- err
	}()
	p := <-h.given
	var closing sync.WaitGroup
	closing.Go(e.Close)
	<-p.Dead()
	close(h.act)
	if err := <-answered; scout.CodeOf(err) != scout.CodeEngineClosed {
		t.Errorf("%v, want %s", err, scout.CodeEngineClosed)
	}
	closing.Wait()
}
