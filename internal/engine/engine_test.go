package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/engine/pool"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/resilience"
)

// The test binary is an engine that misbehaves as the first sample of each request, or the model's id, requests.
func TestMain(m *testing.M) { enginetest.Main(m, faults) }

// Faults, as the value of the first sample.
const (
	works      = 0.0
	crashes    = 0.1
	hangs      = 0.2
	babbles    = 0.3
	grows      = 0.4
	fails      = 0.5
	panics     = 0.6
	closesPipe = 0.7
	crashOnce  = 0.8 // dies unless the file named by the model id exists, which it creates
	slow       = 0.9 // takes 50 ms
	waits      = 1.0 // for ever, unless it is cancelled
	echoes     = 1.1 // answers with its traceparent
	isStopped  = 1.2 // stops itself as a person might, once for each file in the folder named by the model id
	hesitates  = 1.3 // says that it decoded the piece three times
)

func faults(out *os.File) server.Options {
	return server.Options{
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), BeatEvery: 100 * time.Millisecond, Fault: breaking(os.Getenv(breakingEngine)),
		Open: func(ctx context.Context, load wire.Load) (server.Backend, error) {
			switch load.ModelID {
			case "load-fails":
				return nil, scout.Errorf(scout.CodeModelCorrupt, "weights are bad")
			case "load-exits":
				fmt.Println("native library says: cannot open file") // stdout on purpose
				os.Exit(255)
			case "load-hangs":
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return &faultyBackend{out: out, model: load.ModelID, slots: load.Slots}, nil
		},
	}
}

type faultyBackend struct {
	out   *os.File
	model string
	slots int
	kept  [][]byte
}

func (b *faultyBackend) Facts() wire.Hello {
	return wire.Hello{Backend: "faulty", ModelID: b.model, MaxFrames: 30 * 16000, Slots: b.slots, Steps: true}
}

func (b *faultyBackend) Close() error { return nil }

func (b *faultyBackend) Transcribe(ctx context.Context, request *wire.Request) (*wire.Result, error) {
	if b.model == "always-crashes" {
		os.Exit(7)
	}
	fault := float32(works)
	if len(request.Samples) > 0 {
		fault = request.Samples[0]
	}
	switch fault {
	case crashes:
		fmt.Fprintln(os.Stderr, "about to crash")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case hangs:
		select {}
	case babbles:
		_, _ = b.out.WriteString("this is not a frame, it is a line that some library printed\n")
	case closesPipe:
		_ = b.out.Close()
		select {}
	case grows:
		for range 64 {
			block := make([]byte, 16<<20)
			for i := 0; i < len(block); i += 4096 { // writing one byte of a page makes it resident
				block[i] = 1
			}
			b.kept = append(b.kept, block)
			time.Sleep(20 * time.Millisecond)
		}
	case fails:
		return nil, scout.Errorf(scout.CodeEngineFailed, "no idea what this is")
	case panics:
		panic("index out of range")
	case crashOnce:
		if _, err := os.Stat(b.model); err != nil {
			_ = os.WriteFile(b.model, nil, 0o600)
			os.Exit(3)
		}
	case isStopped:
		if left, err := os.ReadDir(b.model); err != nil || len(left) > 0 {
			_ = os.Remove(filepath.Join(b.model, left[0].Name()))
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			<-ctx.Done() // of a signal to oneself one thread hears first
			return nil, ctx.Err()
		}
	case hesitates:
		return &wire.Result{Text: "at last", Stop: wire.StopEnd, Again: []wire.AgainReason{wire.AgainRepeats, wire.AgainLength}}, nil
	case echoes:
		return &wire.Result{Text: request.Options.Traceparent, Stop: wire.StopEnd}, nil
	case waits:
		<-ctx.Done()
		return nil, ctx.Err()
	case slow:
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &wire.Result{Text: fmt.Sprintf("%d frames", len(request.Samples)), Stop: wire.StopEnd}, nil
}

func newFaulty(t *testing.T, change func(*engine.Options)) *engine.Engine {
	t.Helper()
	options := engine.Options{
		Program: os.Args[0], Model: engine.Model{ID: "faulty"}, Slots: 1,
		LoadTimeout: 20 * time.Second, RequestBase: 20 * time.Second,
		Breaker: resilience.BreakerOptions{Consecutive: 100, FailureRatio: 2},
	}
	if change != nil {
		change(&options)
	}
	e := engine.New(observe.Scope{}, options)
	t.Cleanup(e.Close)
	return e
}

func request(fault float32) engine.Request {
	samples := make([]float32, 1600)
	samples[0] = fault
	return engine.Request{Samples: samples}
}

// TestFaultsAreErrorsOfOneAttempt causes every failure of an engine: the error has its code, and the next request works
// again on a fresh process.
func TestFaultsAreErrorsOfOneAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  float32
		code   scout.Code
		text   string
		change func(*engine.Options)
	}{
		"crash":            {crashes, scout.CodeAudioSetAside, "about to crash", nil},
		"hang":             {hangs, scout.CodeAudioSetAside, "no answer within", func(o *engine.Options) { o.RequestBase = 300 * time.Millisecond }},
		"babble":           {babbles, scout.CodeAudioSetAside, "frame of", nil},
		"pipe closed":      {closesPipe, scout.CodeAudioSetAside, "", nil},
		"memory":           {grows, scout.CodeAudioSetAside, "engine grew", func(o *engine.Options) { o.MemoryCeiling = 100 << 20 }},
		"error":            {fails, scout.CodeEngineFailed, "no idea", nil},
		"panic":            {panics, scout.CodeInternal, "index out of range", nil},
		"too long":         {works, scout.CodeAudioTooLong, "at most 30.0 s", nil},
		"longer than wire": {works, scout.CodeInvalidArgument, "frame of", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newFaulty(t, c.change)
			r := request(c.fault)
			switch name {
			case "too long":
				r.Samples = make([]float32, 31*16000)
			case "longer than wire":
				r.Samples = make([]float32, 120*16000)
			}
			_, err := e.Transcribe(t.Context(), r)
			if scout.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Fatalf("code %q, error %v: want code %q and text %q", scout.CodeOf(err), err, c.code, c.text)
			}
			result, err := e.Transcribe(t.Context(), request(works))
			if err != nil || result.Text != "1600 frames" {
				t.Fatalf("next request: %v, %v", result, err)
			}
		})
	}
}

func TestCrashIsRepeatedOnceOnAFreshProcess(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, func(o *engine.Options) { o.Model.ID = filepath.Join(t.TempDir(), "crashed") })
	result, err := e.Transcribe(t.Context(), request(crashOnce))
	if err != nil || result.Text != "1600 frames" {
		t.Fatalf("%v, %v: want the text from the second attempt", result, err)
	}
	if starts := e.State().Starts; starts != 2 {
		t.Fatalf("%d starts: want 2", starts)
	}
}

func TestEngineThatAlwaysCrashesIsNotBlamedOnTheAudio(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, func(o *engine.Options) {
		o.Model.ID = "always-crashes"
		o.Breaker = resilience.BreakerOptions{Consecutive: 2}
	})
	for i := range 2 {
		_, err := e.Transcribe(t.Context(), request(works))
		if scout.CodeOf(err) != scout.CodeEngineCrashed {
			t.Fatalf("call %d: %v: want %s", i, err, scout.CodeEngineCrashed)
		}
	}
	starts := e.State().Starts
	_, err := e.Transcribe(t.Context(), request(works))
	if scout.CodeOf(err) != scout.CodeEngineUnavailable || e.State().Starts != starts {
		t.Fatalf("%v after %d more starts: want %s at once", err, e.State().Starts-starts, scout.CodeEngineUnavailable)
	}
	if r := health.Run(t.Context(), []health.Check{e.Check()}, time.Now)[0]; r.Status != health.Unhealthy {
		t.Fatalf("health %+v: want Unhealthy", r)
	}
}

func TestStartFailures(t *testing.T) {
	t.Parallel()
	notRunnable := filepath.Join(t.TempDir(), "engine")
	if err := os.WriteFile(notRunnable, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		program, model string
		timeout        time.Duration
		code           scout.Code
		text           string
	}{
		"no program":       {program: filepath.Join(t.TempDir(), "none"), code: scout.CodeEngineMissing, text: "not found"},
		"not runnable":     {program: notRunnable, code: scout.CodeEngineMissing, text: "cannot be run"},
		"not an engine":    {program: "/bin/true", code: scout.CodeEngineStart, text: "ended while it loaded"},
		"model refused":    {program: os.Args[0], model: "load-fails", code: scout.CodeModelCorrupt, text: "weights are bad"},
		"library exits":    {program: os.Args[0], model: "load-exits", code: scout.CodeEngineStart, text: "cannot open file"},
		"loading hangs":    {program: os.Args[0], model: "load-hangs", timeout: 300 * time.Millisecond, code: scout.CodeEngineLoadTimeout, text: "not ready within"},
		"babbles at start": {program: "/bin/yes", code: scout.CodeEngineStart, text: "", timeout: 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newFaulty(t, func(o *engine.Options) {
				o.Program, o.Model.ID = c.program, c.model
				if c.timeout > 0 {
					o.LoadTimeout = c.timeout
				}
			})
			_, err := e.Load(t.Context())
			if name == "babbles at start" { // yes writes to stdout, which carries no frames: the load only times out
				c.code = scout.CodeEngineLoadTimeout
			}
			if scout.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Fatalf("code %q, error %v: want %q, %q", scout.CodeOf(err), err, c.code, c.text)
			}
		})
	}
}

func TestOneStartForManyCallers(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, nil)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, err := e.Transcribe(t.Context(), request(works)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if starts := e.State().Starts; starts != 1 {
		t.Fatalf("%d starts: want 1", starts)
	}
}

func TestCancelReturnsAtOnceAndFreesTheSlot(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, nil)
	if _, err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Transcribe(ctx, request(slow)); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v: want cancelled", err)
	}
	if _, err := e.Transcribe(t.Context(), request(works)); err != nil {
		t.Fatalf("after a cancel: %v", err)
	}
	if starts := e.State().Starts; starts != 1 {
		t.Fatalf("%d starts: a cancel must not cost the process", starts)
	}
}

// TestInteractiveInterruptsBatchOnEverySlot: a batch request that loses its slot runs again and is answered.
func TestInteractiveInterruptsBatchOnEverySlot(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	e := engine.New(observe.NewScope(nil, registry, nil), engine.Options{
		Program: os.Args[0], Model: engine.Model{ID: "two-slots"}, Slots: 2, BackgroundSlots: 2, LoadTimeout: 20 * time.Second, RequestBase: 20 * time.Second,
	})
	t.Cleanup(e.Close)
	if _, err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	var batch sync.WaitGroup
	var end atomic.Bool
	answered := make(chan struct{}, 3)
	for range 3 { // one more than slots: whenever one is free, a request takes it
		batch.Go(func() {
			for !end.Load() {
				if r, err := e.Transcribe(t.Context(), request(slow)); err != nil || r.Text != "1600 frames" {
					t.Errorf("batch request: %v, %v", r, err)
				}
				select {
				case answered <- struct{}{}:
				default:
				}
			}
		})
	}
	<-answered
	dictation := request(works)
	dictation.Class = schedule.Interactive
	if _, err := e.Transcribe(t.Context(), dictation); err != nil {
		t.Error(err)
	}
	end.Store(true)
	batch.Wait()
	if err := e.Quiet(t.Context()); err != nil {
		t.Error(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "scout_engine_interrupted_total" && f.GetMetric()[0].GetCounter().GetValue() == 1 {
			return
		}
	}
	t.Error("no batch request was interrupted: the test proves nothing")
}

func TestIdleUnloadEndsTheProcess(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, func(o *engine.Options) { o.IdleUnload = 50 * time.Millisecond })
	if _, err := e.Transcribe(t.Context(), request(works)); err != nil {
		t.Fatal(err)
	}
	pid := e.State().PID
	deadline := time.Now().Add(20 * time.Second)
	for e.State().Running || syscall.Kill(pid, 0) == nil {
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if _, err := e.Transcribe(t.Context(), request(works)); err != nil {
		t.Fatalf("after unload: %v", err)
	}
}

func TestRecycleAboveTheCeiling(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, func(o *engine.Options) { o.MemoryCeiling = 1 << 20 })
	e.SpareMemory()
	for range 3 {
		if _, err := e.Transcribe(t.Context(), request(works)); err != nil {
			t.Fatal(err)
		}
	}
	if starts := e.State().Starts; starts != 3 {
		t.Fatalf("%d starts: want a fresh process for each request", starts)
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, nil)
	if _, err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	pid := e.State().PID
	failed := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		close(started)
		_, err := e.Transcribe(t.Context(), request(hangs))
		failed <- err
	}()
	<-started
	e.Close()
	e.Close()
	if err := <-failed; scout.ClassOf(err) != scout.Cancelled {
		t.Fatalf("%v: want a cancelled request", err)
	}
	if syscall.Kill(pid, 0) == nil {
		t.Fatalf("process %d outlived Close", pid)
	}
	if _, err := e.Transcribe(t.Context(), request(works)); scout.CodeOf(err) != scout.CodeEngineClosed {
		t.Fatalf("after Close: %v", err)
	}
}

// TestKilledAtRandom kills the process at most once during each request, at moments that vary: every request
// is answered.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, nil)
	if _, err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 24 {
		var killer *time.Timer
		if pid := e.State().PID; i%2 == 0 && pid > 0 {
			killer = time.AfterFunc(time.Duration(i)*3*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		}
		if _, err := e.Transcribe(t.Context(), request(slow)); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		if killer != nil {
			killer.Stop()
		}
	}
	if e.State().Starts < 2 {
		t.Error("the process was never killed: the test proves nothing")
	}
}

// TestAQuietLoadThatTakesTooLong checks that a load that nobody waits for makes no engine ill, unlike one that somebody waits for.
func TestAQuietLoadThatTakesTooLong(t *testing.T) {
	t.Parallel()
	failed := 0
	e := newFaulty(t, func(o *engine.Options) {
		o.Failed = func() { failed++ }
		o.Fault = func(goroutine string) error {
			if goroutine != pool.GoroutineStart {
				return nil
			}
			return scout.Errorf(scout.CodeEngineLoadTimeout, "not ready in time")
		}
	})
	if err := e.LoadQuietly(t.Context()); scout.CodeOf(err) != scout.CodeEngineLoadTimeout {
		t.Error(err)
	}
	again := request(slow)
	again.Class = schedule.SecondPass // its process has ended meanwhile
	for range 8 {                     // the breaker would open
		if _, err := e.Transcribe(t.Context(), again); scout.CodeOf(err) != scout.CodeEngineLoadTimeout {
			t.Error(err)
		}
	}
	if got := e.Health(); got.Status == health.Unhealthy || failed != 0 {
		t.Errorf("after quiet loads: health %+v, told %d times", got, failed)
	}
	if _, err := e.Load(t.Context()); scout.CodeOf(err) != scout.CodeEngineLoadTimeout {
		t.Error(err)
	}
	if got := e.Health(); got.Status != health.Unhealthy || failed != 1 {
		t.Errorf("after a load: health %+v, told %d times", got, failed)
	}
}
