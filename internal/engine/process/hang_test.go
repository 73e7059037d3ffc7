package process_test

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/engine/schedule"
)

// TestHung checks that a process that is stopped, sleeps or loops is recognised as hanging, and that one that is slow
// for another reason is not.
func TestHung(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("this system does not tell what threads do")
	}
	for name, c := range map[string]struct {
		what    float32
		model   string
		frames  int                      // 0 for a few
		before  func(p *process.Process) // the request is sent
		batch   bool
		drive   func(t *testing.T, pid int)
		hangs   bool
		stopped bool
	}{
		"is stopped":                  {what: waits, drive: stop, hangs: true, stopped: true},
		"is stopped while it decodes": {what: steps, drive: stop, hangs: true, stopped: true},
		"is stopped and reads no long request": {
			what: waits, frames: 500_000, before: func(p *process.Process) { stop(nil, p.Facts().PID) }, hangs: true, stopped: true,
		},
		"sleeps for ever":                     {what: hangs, hangs: true},
		"sleeps for ever, tells no steps":     {what: hangs, model: "tells-nothing", hangs: true},
		"turns in a circle between two words": {what: circles, hangs: true},
		"decodes":                             {what: steps},
		"computes before the first word":      {what: spins},
		"computes, tells no steps":            {what: spins, model: "tells-nothing"},
		"is stopped again and again for a short time": {what: steps, drive: func(t *testing.T, pid int) {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for t.Context().Err() == nil {
					_ = syscall.Kill(pid, syscall.SIGSTOP)
					time.Sleep(100 * time.Millisecond)
					_ = syscall.Kill(pid, syscall.SIGCONT)
					time.Sleep(100 * time.Millisecond)
				}
			}()
			t.Cleanup(func() { <-ended })
		}},
		"gets little of a busy machine": {what: spins, batch: true, drive: func(t *testing.T, _ int) {
			var end atomic.Bool
			t.Cleanup(func() { end.Store(true) })
			for range 2 * runtime.NumCPU() {
				go func() {
					for !end.Load() { // it keeps a processor busy
					}
				}()
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const suspect = 500 * time.Millisecond
			p := start(t, func(o *process.Options) { o.Model.ID, o.SuspectAfter = c.model, suspect })
			r := request(c.what, max(c.frames, 16))
			if c.before != nil {
				c.before(p)
			}
			if c.batch {
				r.Class = schedule.Batch
			}
			call := p.Send(r, "")
			if c.drive != nil {
				c.drive(t, p.Facts().PID)
			}
			var err error
			for range 4 * int(suspect/process.LookEvery) {
				if err = p.Hung(); err != nil && !c.hangs {
					t.Fatalf("it does not hang: %v", err)
				}
				time.Sleep(process.LookEvery) // as often as it wants to be asked
			}
			for deadline := time.Now().Add(60 * time.Second); c.hangs && err == nil && time.Now().Before(deadline); err = p.Hung() {
				time.Sleep(process.LookEvery)
			}
			if (err != nil) != c.hangs || process.Stopped(err) != c.stopped {
				t.Errorf("%v, stopped %v", err, process.Stopped(err))
			}
			if err != nil {
				p.Kill(err)
			}
			call.Cancel()
			if a := answerOf(t, call); process.Stopped(a.Err) != c.stopped {
				t.Errorf("the answer is %v", a.Err)
			}
		})
	}
}

// TestALateProgramBlamesNoProcess holds the goroutine that sends, or that reads, for longer than the process may do
// nothing, as a busy machine does: the process that has nothing to do meanwhile is not taken for hanging.
func TestALateProgramBlamesNoProcess(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"writer", "reader"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const suspect = 300 * time.Millisecond
			holds, release := make(chan struct{}), make(chan struct{})
			at := 0
			p := start(t, func(o *process.Options) {
				o.SuspectAfter = suspect
				o.Fault = func(goroutine string) error {
					if goroutine == name {
						if at++; at == 2 { // the first is that of the model
							close(holds)
							<-release
						}
					}
					return nil
				}
			})
			call := p.Send(request(slow, 16), "")
			<-holds
			for range 3 * int(suspect/process.LookEvery+1) {
				if err := p.Hung(); err != nil {
					t.Errorf("it does not hang: %v", err)
				}
				time.Sleep(process.LookEvery) // as often as it wants to be asked
			}
			close(release)
			if a := answerOf(t, call); a.Err != nil {
				t.Error(a.Err)
			}
		})
	}
}

// TestALateWriterCostsNoProcess cancels a request whose samples the writer is slow to copy: the process, and the request
// that it runs for somebody else, go on.
func TestALateWriterCostsNoProcess(t *testing.T) {
	t.Parallel()
	holds, release := make(chan struct{}), make(chan struct{})
	at := 0
	p := start(t, func(o *process.Options) {
		o.Fault = func(goroutine string) error {
			if goroutine == "writer" {
				if at++; at == 3 { // the model and the other request come first
					close(holds)
					<-release
				}
			}
			return nil
		}
	})
	other := p.Send(request(steps, 16), "")
	for p.Stalled() == 0 {
		time.Sleep(time.Millisecond)
	}
	late := p.Send(request(waits, 16), "")
	<-holds
	time.AfterFunc(1500*time.Millisecond, func() { close(release) }) // a thousand times what copying takes
	late.Cancel()
	if a := answerOf(t, late); scout.CodeOf(a.Err) != scout.CodeCancelled {
		t.Errorf("the request that was cancelled: %v", a.Err)
	}
	if !p.Alive() {
		t.Error("the process was killed for what this program was late to do")
	}
	other.Cancel()
	if a := answerOf(t, other); scout.CodeOf(a.Err) != scout.CodeCancelled {
		t.Errorf("the other request: %v", a.Err)
	}
}

func stop(_ *testing.T, pid int) { _ = syscall.Kill(pid, syscall.SIGSTOP) }

// TestClockStandsWhileTheProgramDoes checks that a pause in which everything stood still hardly counts.
func TestClockStandsWhileTheProgramDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := process.Clock{Every: time.Second}
		for _, step := range []struct{ pause, want time.Duration }{
			{time.Hour, 0}, {time.Second, time.Second}, {100 * time.Millisecond, 100 * time.Millisecond}, {time.Hour, 2 * time.Second}, {time.Second, time.Second},
		} {
			time.Sleep(step.pause)
			if got := c.Tick(); got != step.want {
				t.Errorf("%s after %s, want %s", got, step.pause, step.want)
			}
		}
	})
}
