package server_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// nextBeat reads frames up to a beat that satisfies want.
func (p *parent) nextBeat(want func(wire.Beat) bool) {
	p.t.Helper()
	for {
		frame, err := p.in.Next()
		if err != nil {
			p.t.Fatal(err)
		}
		if frame.Kind != wire.KindBeat {
			continue
		}
		beat, err := wire.DecodeJSON[wire.Beat](frame.Body)
		if err != nil {
			p.t.Fatal(err)
		}
		if want(beat) {
			return
		}
	}
}

func TestBeatsTellHowFarItIs(t *testing.T) {
	t.Parallel()
	load, steps := make(chan struct{}), make(chan int)
	p := serveWith(t, server.Options{BeatEvery: time.Millisecond, Open: func(context.Context, wire.Load) (server.Backend, error) {
		<-load
		return backend{slots: 1, run: func(ctx context.Context, r *wire.Request) (*wire.Result, error) {
			r.Step.Encode()
			for n := range steps {
				r.Step.Decode(n)
			}
			return &wire.Result{}, nil
		}}, nil
	}})
	p.send(wire.KindLoad, 0, wire.AppendJSON(wire.Load{}))
	p.nextBeat(func(b wire.Beat) bool { return b.Loading && len(b.Requests) == 0 })
	close(load)
	for {
		frame, err := p.in.Next()
		if err != nil {
			t.Fatal(err)
		}
		if frame.Kind == wire.KindHello {
			break
		}
	}
	p.send(wire.KindRequest, 3, samples(1, 0))
	at := func(phase wire.Phase, tokens int) func(wire.Beat) bool {
		return func(b wire.Beat) bool {
			for i := range b.Requests {
				b.Requests[i].QueuedMS, b.Requests[i].RanMS, b.Requests[i].Thread = 0, 0, 0 // depends on the other work of the machine
			}
			return !b.Loading && len(b.Requests) == 1 && b.Requests[0] == wire.Running{ID: 3, Phase: phase, Tokens: tokens}
		}
	}
	p.nextBeat(at(wire.PhaseEncode, 0))
	for _, n := range []int{0, 1, 7} {
		steps <- n
		p.nextBeat(at(wire.PhaseDecode, n))
	}
	close(steps)
	for {
		frame, err := p.in.Next()
		if err != nil {
			t.Fatal(err)
		}
		if frame.Kind == wire.KindResult {
			break
		}
	}
	_ = p.pipe.Close()
	if err := p.ended(); err != nil {
		t.Fatal(err)
	}
}

// TestFaultsInEveryGoroutine checks that a goroutine that panics or fails is reported to the parent, as the failure of
// a request or of the process, and that the server ends or continues accordingly. The parent must notice a hanging
// goroutine itself.
func TestFaultsInEveryGoroutine(t *testing.T) {
	t.Parallel()
	for _, name := range server.Goroutines() {
		for kind, strike := range map[string]func() error{
			"error": func() error { return errors.New("injected") },
			"panic": func() error { panic("injected") },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				p := serveWith(t, server.Options{
					BeatEvery: time.Hour,
					Open: opener(backend{slots: 1, run: func(context.Context, *wire.Request) (*wire.Result, error) {
						return &wire.Result{}, nil
					}}),
					Fault: func(goroutine string) error {
						if goroutine == name {
							return strike()
						}
						return nil
					},
				})
				_ = p.out.Write(wire.KindLoad, 0, wire.AppendJSON(wire.Load{}))
				ask := func() { _ = p.out.Write(wire.KindRequest, 1, samples(1, 0)) }
				if name == "reader" {
					go ask() // it meets its fault there
				}
				told := false
				for {
					frame, err := p.in.Next()
					if err != nil {
						break
					}
					if frame.Kind == wire.KindHello && name == "request" {
						go ask()
					}
					if frame.Kind != wire.KindFailure {
						continue
					}
					failure, err := wire.DecodeJSON[wire.Failure](frame.Body)
					if err != nil {
						t.Fatal(err)
					}
					if failure.Panicked != (kind == "panic") || failure.Code != scout.CodeInternal || !strings.Contains(failure.Message, "injected") {
						t.Errorf("told %+v", failure)
					}
					if (frame.ID != 0) != (name == "request") {
						t.Errorf("told as the failure of %d", frame.ID)
					}
					told = true
					if name == "request" {
						_ = p.pipe.Close()
					}
				}
				err := p.ended()
				if name == "request" && err != nil {
					t.Errorf("the server ended with %v: want it to continue", err)
				}
				if name != "request" && (err == nil || !strings.Contains(err.Error(), "injected")) {
					t.Errorf("the server ended with %v", err)
				}
				if !told && (name != "reader" || kind == "panic") { // a reader that fails has lost its parent
					t.Error("nothing was reported to the parent")
				}
			})
		}
	}
}

// TestBackgroundRequestsYield checks that a request that nobody waits for runs at the lowest priority of the system,
// and that the next one does not.
func TestBackgroundRequestsYield(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("priorities of threads are those of Linux")
	}
	nice := make(chan int, 1)
	p := serve(t, opener(backend{slots: 1, run: func(context.Context, *wire.Request) (*wire.Result, error) {
		stat, err := os.ReadFile("/proc/thread-self/stat")
		if err != nil {
			return nil, err
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		n, err := strconv.Atoi(fields[16]) // nice is the 19th field of proc_pid_stat(5); the third is the one after the name
		nice <- n
		return &wire.Result{}, err
	}}))
	p.send(wire.KindLoad, 0, wire.AppendJSON(wire.Load{}))
	p.receive(wire.KindHello, 0)
	usual := 0
	for i, background := range []bool{false, true, false, true, false} {
		p.send(wire.KindRequest, uint64(i+1), wire.AppendRequest(&wire.Request{Options: wire.RequestOptions{Background: background}}))
		p.receive(wire.KindResult, uint64(i+1))
		got := <-nice
		if i == 0 {
			usual = got
		}
		if want := map[bool]int{false: usual, true: 19}[background]; got != want {
			t.Errorf("request %d, background %v: nice %d, want %d", i, background, got, want)
		}
	}
	_ = p.pipe.Close()
	_ = p.ended()
}
