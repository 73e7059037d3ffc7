package process_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/process"
)

// TestWhatIsNotSentGoesToTheNextProcess lets a process end in every way. A request that it has not got says whether it
// must go to the next process without being counted, or whether this process may be one that never works.
func TestWhatIsNotSentGoesToTheNextProcess(t *testing.T) {
	t.Parallel()
	reason := scout.Errorf(scout.CodeEngineMemory, "the engine grew")
	kill := func(p *process.Process) { p.Kill(reason) }
	outside := func(p *process.Process) { _ = syscall.Kill(p.Facts().PID, syscall.SIGKILL) }
	for name, c := range map[string]struct {
		had   []float32 // the requests that it got before
		end   func(*process.Process)
		stays bool // it has not ended yet when the request comes
		code  scout.Code
	}{
		"retired":                              {end: (*process.Process).Retire},
		"retired, with a request":              {had: []float32{waits}, end: (*process.Process).Retire, stays: true},
		"retired, then killed":                 {had: []float32{waits}, end: func(p *process.Process) { p.Retire(); kill(p) }},
		"retired, then killed by somebody":     {had: []float32{waits}, end: func(p *process.Process) { p.Retire(); outside(p) }},
		"stopped":                              {end: (*process.Process).Stop},
		"stopped, with a request":              {had: []float32{waits}, end: (*process.Process).Stop},
		"killed, with a request":               {had: []float32{waits}, end: kill},
		"killed after a request":               {had: []float32{works}, end: kill},
		"killed by somebody, with a request":   {had: []float32{waits}, end: outside},
		"crashed":                              {had: []float32{crashes}, end: func(*process.Process) {}},
		"crashed, with two requests":           {had: []float32{waits, crashes}, end: func(*process.Process) {}},
		"killed without any request":           {end: kill, code: scout.CodeEngineMemory},
		"killed by somebody without a request": {end: outside, code: scout.CodeEngineCrashed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil)
			for _, what := range c.had {
				call := p.Send(request(what, 16), "")
				switch what {
				case works:
					answerOf(t, call)
				case waits:
					t.Cleanup(call.Cancel) // a retired process ends with it
					for p.Stalled() == 0 { // until it is sent
						time.Sleep(time.Millisecond)
					}
				}
			}
			c.end(p)
			if !c.stays {
				<-p.Dead()
			}
			checkUnsent(t, p.Send(request(works, 16), ""), c.code)
		})
	}
}

// checkUnsent expects the error of a request that no process got: ErrRetired, or where it counts an EndError with code.
func checkUnsent(t *testing.T, call *process.Call, code scout.Code) {
	t.Helper()
	err := answerOf(t, call).Err
	var end *process.EndError
	counts := errors.As(err, &end)
	if counts != (code != "") || counts && (end.Sent || end.Alone || scout.CodeOf(err) != code) || !counts && !errors.Is(err, process.ErrRetired) {
		t.Errorf("%#v (%v), want code %q", err, err, code)
	}
}

// TestAKilledProcessGetsNothing holds the writer while a process is killed that runs one request. A request that waits in
// the queue, and one that comes later, have no part in the end; the one that runs was alone.
func TestAKilledProcessGetsNothing(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	p := start(t, func(o *process.Options) {
		o.Slots = 1
		o.Fault = func(goroutine string) error {
			if goroutine == "reaper" { // only when the test says so is the process found dead
				<-ended
			}
			return nil
		}
	})
	running := p.Send(request(waits, 16), "")
	for p.Stalled() == 0 {
		time.Sleep(time.Millisecond)
	}
	queued := p.Send(request(works, 16), "")
	p.Kill(scout.Errorf(scout.CodeEngineTimeout, "no answer"))
	late := p.Send(request(works, 16), "")
	checkUnsent(t, late, "")
	close(ended)
	checkUnsent(t, queued, "")
	var end *process.EndError
	if err := answerOf(t, running).Err; !errors.As(err, &end) || !end.Sent || !end.Alone {
		t.Errorf("the request that ran: %#v", err)
	}
}
