package process_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
)

func TestMain(m *testing.M) {
	enginetest.Main(m, func(*os.File) server.Options {
		return server.Options{
			BeatEvery: 20 * time.Millisecond, // at the race detector's speed a beat costs a fifth of a millisecond of its processor: under 2 %, as in a program
			Open:      func(_ context.Context, load wire.Load) (server.Backend, error) { return backend{load}, nil },
		}
	})
}

// Kinds of requests, as their first sample.
const (
	works   = 0.0
	slow    = 0.1 // takes 60 ms, unless it is cancelled
	waits   = 0.2 // for ever, unless it is cancelled
	hangs   = 0.3 // for ever
	crashes = 0.4
	steps   = 0.5 // decodes a token every millisecond until it is cancelled
	spins   = 0.6 // uses its processor and reports nothing until it is cancelled
	circles = 0.7 // decodes a token, then uses its processor for ever
)

type backend struct{ load wire.Load }

func (b backend) Facts() wire.Hello {
	return wire.Hello{ModelID: b.load.ModelID, MaxFrames: 1 << 20, Slots: max(b.load.Slots, 1), Steps: b.load.ModelID != "tells-nothing"}
}

func (backend) Close() error { return nil }

func (backend) Transcribe(ctx context.Context, request *wire.Request) (*wire.Result, error) {
	switch request.Samples[0] {
	case slow:
		select {
		case <-time.After(60 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case waits:
		<-ctx.Done()
		return nil, ctx.Err()
	case hangs:
		select {}
	case crashes:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case steps:
		for n := 0; ctx.Err() == nil; n++ {
			request.Step.Decode(n)
			time.Sleep(time.Millisecond)
		}
		return nil, ctx.Err()
	case circles:
		request.Step.Decode(1)
		for n := 0; ; n++ {
		}
	case spins:
		for ctx.Err() == nil {
		}
		return nil, ctx.Err()
	}
	return &wire.Result{Text: fmt.Sprintf("%d frames", len(request.Samples)), Stop: wire.StopEnd}, nil
}

func start(t *testing.T, change func(*process.Options)) *process.Process {
	t.Helper()
	options := process.Options{Program: os.Args[0], Slots: 2, LoadTimeout: 20 * time.Second}
	if change != nil {
		change(&options)
	}
	p, err := process.Start(t.Context(), observe.Scope{}, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func request(what float32, frames int) *process.Request {
	samples := make([]float32, frames)
	samples[0] = what
	return &process.Request{Samples: samples, Class: schedule.Interactive}
}

// answerOf waits for an answer.
func answerOf(t *testing.T, c *process.Call) process.Answer {
	t.Helper()
	select {
	case a := <-c.Answer():
		return a
	case <-time.After(30 * time.Second):
		t.Fatal("no answer")
		return process.Answer{}
	}
}

// TestCancelNeverOvertakes checks that a request that is cancelled at any moment, before, during or directly after it
// is sent, is released. A request whose cancel came first would never end here.
func TestCancelNeverOvertakes(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	random := rand.New(rand.NewPCG(1, 2))
	rounds := 10_000
	if testing.Short() {
		rounds = 1000
	}
	// The requests share samples: a cancelled request returns them.
	short, long := request(waits, 16), request(waits, 200_000)
	for i := range rounds {
		r := short
		if i%20 == 0 {
			r = long // takes longer to send than a cancel
		}
		call := p.Send(r, "")
		for end := time.Now().Add(time.Duration(random.Int64N(int64(30 * time.Microsecond)))); time.Now().Before(end); {
		}
		call.Cancel()
		r.Samples[0] = waits
		if a := answerOf(t, call); scout.CodeOf(a.Err) != scout.CodeCancelled {
			t.Fatalf("round %d: %v", i, a.Err)
		}
	}
	if a := answerOf(t, p.Send(request(works, 16), "")); a.Err != nil {
		t.Fatalf("after %d cancels: %v", rounds, a.Err)
	}
}

// TestUnsentRequestIsTakenBack checks that, while the pipe is full, a request waits in the queue, and that its cancel
// is answered at once.
func TestUnsentRequestIsTakenBack(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	sends := 0
	p := start(t, func(o *process.Options) {
		o.Fault = func(goroutine string) error {
			if goroutine == "writer" {
				if sends++; sends == 2 { // the first is the model
					<-hold
				}
			}
			return nil
		}
	})
	first := p.Send(request(works, 16), "")
	second := p.Send(request(works, 16), "")
	second.Cancel()
	if a := answerOf(t, second); scout.CodeOf(a.Err) != scout.CodeCancelled {
		t.Fatalf("%v: want cancelled", a.Err)
	}
	close(hold)
	if a := answerOf(t, first); a.Err != nil {
		t.Fatal(a.Err)
	}
}

// TestEndTellsWhoWasThere checks that the requests of a process that ends learn whether they were sent and alone.
func TestEndTellsWhoWasThere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		beside []float32
		alone  bool
	}{"alone": {nil, true}, "beside another": {[]float32{waits}, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil)
			var others []*process.Call
			for _, what := range c.beside {
				others = append(others, p.Send(request(what, 16), ""))
			}
			calls := slices.Concat(others, []*process.Call{p.Send(request(crashes, 16), "")})
			for _, call := range calls {
				var end *process.EndError
				if a := answerOf(t, call); !errors.As(a.Err, &end) || !end.Sent || end.Alone != c.alone {
					t.Errorf("%#v", a.Err)
				}
			}
		})
	}
}

func TestRetiredProcessAnswersWhatItHas(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	calls := []*process.Call{p.Send(request(slow, 16), ""), p.Send(request(slow, 16), "")}
	p.Retire()
	p.Retire()
	if a := answerOf(t, p.Send(request(works, 16), "")); !errors.Is(a.Err, process.ErrRetired) {
		t.Errorf("a request to a retired process: %v", a.Err)
	}
	for _, call := range calls {
		if a := answerOf(t, call); a.Err != nil {
			t.Error(a.Err)
		}
	}
	<-p.Dead()
}

// TestStalled checks that a request without progress counts as stalled, and that one with progress does not, however
// long it takes.
func TestStalled(t *testing.T) {
	t.Parallel()
	const long = 100 * time.Millisecond
	for name, c := range map[string]struct {
		what    float32
		model   string
		stalled bool
	}{
		"no step":                                {waits, "", true},
		"steps":                                  {steps, "", false},
		"its processor without a step":           {spins, "", false}, // before the first token
		"no processor where steps are not told":  {waits, "tells-nothing", true},
		"its processor where steps are not told": {spins, "tells-nothing", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, func(o *process.Options) { o.Model.ID = c.model })
			if got := p.Stalled(); got != 0 {
				t.Errorf("stalled for %s without a request", got)
			}
			call := p.Send(request(c.what, 16), "")
			if c.stalled {
				for p.Stalled() < long {
					time.Sleep(time.Millisecond)
				}
			} else {
				// The time starts again after progress.
				for last, again := time.Duration(0), 0; again < 3; {
					now := p.Stalled()
					if now < last {
						again++
					}
					last = now
					time.Sleep(time.Millisecond)
				}
			}
			call.Cancel()
			answerOf(t, call)
			if got := p.Stalled(); got != 0 {
				t.Errorf("stalled for %s after the answer", got)
			}
		})
	}
}

func TestProcessIsOfferedToASystemWithoutMemory(t *testing.T) {
	t.Parallel()
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Skip("this system has no oom_score_adj")
	}
	p := start(t, nil)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", p.Facts().PID))
	if err != nil {
		t.Fatal(err)
	}
	before, _ := strconv.Atoi(strings.TrimSpace(string(own)))
	if got := strings.TrimSpace(string(text)); got != strconv.Itoa(min(before+500, 1000)) {
		t.Errorf("oom_score_adj %s, own %d", got, before)
	}
}

// TestFaultsInEveryGoroutine breaks each goroutine of a process in each way, before and after the model is loaded.
// Waiting callers get an answer once the process is killed, as at a deadline. Nothing is left running, and panics are
// counted.
func TestFaultsInEveryGoroutine(t *testing.T) {
	t.Parallel()
	for _, name := range process.Goroutines() {
		for _, kind := range []string{"error", "panic", "late panic", "hang"} {
			for _, step := range []int{1, 2} { // the first step of the writer and reader is loading
				t.Run(fmt.Sprintf("%s %s at step %d", name, kind, step), func(t *testing.T) {
					t.Parallel()
					once := name == "waiter" || name == "reaper"
					if step == 2 && once || kind == "late panic" && !once {
						return // they have one, and without the others there is no start
					}
					struck, started, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
					t.Cleanup(func() { close(release) })
					registry := prom.NewRegistry()
					scope := observe.NewScope(nil, registry, nil)
					at := 0
					options := process.Options{
						Program: os.Args[0], Slots: 1, LoadTimeout: 200 * time.Millisecond, Failures: observe.NewFailures(scope),
						Fault: func(goroutine string) error {
							if goroutine != name {
								return nil
							}
							if at++; at != step {
								return nil
							}
							close(struck)
							switch kind {
							case "panic":
								panic("injected")
							case "late panic":
								<-started
								panic("injected")
							case "hang":
								<-release
							}
							return errors.New("injected")
						},
					}
					if kind != "hang" || step == 2 || once {
						options.LoadTimeout = 20 * time.Second
					}
					p, err := process.Start(t.Context(), scope, options)
					close(started)
					if err == nil {
						call := p.Send(request(waits, 16), "")
						if kind == "hang" {
							<-struck // at the latest by the request, or by a beat while it runs
							// The deadline of a request does this.
							p.Kill(scout.Errorf(scout.CodeEngineTimeout, "no answer"))
						}
						if a := answerOf(t, call); a.Err == nil {
							t.Error("answered")
						}
						p.Stop()
						for syscall.Kill(p.Facts().PID, 0) == nil && (name != "waiter" || kind != "hang") { // ends with the test's time
							time.Sleep(time.Millisecond) // where the reaper failed, nobody waited for its end
						}
					}
					if got := enginetest.Panics(t, registry); (got > 0) != strings.Contains(kind, "panic") {
						t.Errorf("%v panics counted", got)
					}
				})
			}
		}
	}
}

// TestStarvedIsNotStalled checks that the process reports how long a request waits for a processor, which a hanging
// request does not do. The request has the lowest priority, beside more busy threads than there are processors.
func TestStarvedIsNotStalled(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/schedstat"); err != nil {
		t.Skip("this system does not tell how long threads wait for a processor")
	}
	p := start(t, nil)
	var stop atomic.Bool
	defer stop.Store(true)
	for range 2 * runtime.NumCPU() {
		go func() {
			for !stop.Load() { // it keeps a processor busy
			}
		}()
	}
	r := request(spins, 16)
	r.Class = schedule.Batch
	call := p.Send(r, "")
	for call.Queued() < 200*time.Millisecond { // however little it gets
		time.Sleep(time.Millisecond)
	}
	call.Cancel()
	answerOf(t, call)
}
