package pool_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/engine/pool"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
)

func TestMain(m *testing.M) {
	enginetest.Main(m, func(*os.File) server.Options {
		return server.Options{Open: func(ctx context.Context, load wire.Load) (server.Backend, error) {
			if load.ModelID == neverLoads || load.ModelID == neverLoadsQuietly && load.Background {
				<-ctx.Done()
			}
			return backend{load}, ctx.Err()
		}}
	})
}

// neverLoads is the id of a model that loads until its process is killed.
const neverLoads = "never-loads"

// neverLoadsQuietly is the id of a model that loads only where somebody waits for it.
const neverLoadsQuietly = "never-loads-quietly"

type backend struct{ load wire.Load }

func (b backend) Facts() wire.Hello {
	return wire.Hello{ModelID: b.load.ModelID, MaxFrames: 1 << 20, Slots: 1}
}
func (backend) Close() error { return nil }
func (backend) Transcribe(context.Context, *wire.Request) (*wire.Result, error) {
	return &wire.Result{}, nil
}

// hundred is more than a process of this test takes, so budgets can be given in multiples of it.
const hundred = 100 << 20

func spec(id string) pool.Spec {
	return pool.Spec{
		Options:     process.Options{Program: os.Args[0], Model: process.Model{ID: id}, LoadTimeout: 20 * time.Second},
		ExpectBytes: hundred,
	}
}

func newPool(t *testing.T, budget uint64) *pool.Pool {
	t.Helper()
	p := pool.New(observe.Scope{}, pool.Options{BudgetBytes: budget})
	t.Cleanup(p.Close)
	return p
}

// use loads a model and returns the function that releases it.
func use(t *testing.T, m *pool.Model) (*process.Process, func()) {
	t.Helper()
	loaded, release, err := m.Use(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return loaded, release
}

func loaded(models ...*pool.Model) (which []int) {
	for i, m := range models {
		if m.State().Process != nil {
			which = append(which, i)
		}
	}
	return which
}

// TestIdleLongestIsUnloadedFirst checks that a model that does not fit replaces the one that has been idle longest.
func TestIdleLongestIsUnloadedFirst(t *testing.T) {
	t.Parallel()
	p := newPool(t, 250<<20)
	a, b, c := p.Add(spec("a")), p.Add(spec("b")), p.Add(spec("c"))
	for _, m := range []*pool.Model{a, b, a} {
		_, release := use(t, m)
		release()
		release() // of no effect
	}
	_, release := use(t, c)
	defer release()
	if got := fmt.Sprint(loaded(a, b, c)); got != "[0 2]" {
		t.Errorf("loaded %s: b was idle longest", got)
	}
}

// TestModelInUseIsNotUnloaded checks that a model that needs its memory waits until it is free.
func TestModelInUseIsNotUnloaded(t *testing.T) {
	t.Parallel()
	p := newPool(t, 150<<20)
	a, b := p.Add(spec("a")), p.Add(spec("b"))
	one, release := use(t, a)
	waits := make(chan error, 1)
	go func() {
		_, done, err := b.Use(t.Context())
		if err == nil {
			done()
		}
		waits <- err
	}()
	for b.State().Loading.IsZero() {
		time.Sleep(time.Millisecond)
	}
	if answer := <-one.Send(&process.Request{Samples: make([]float32, 16)}, "").Answer(); answer.Err != nil {
		t.Errorf("the one that is used: %v", answer.Err)
	}
	select {
	case err := <-waits:
		t.Fatalf("beside a model that is used: %v", err)
	default:
	}
	release()
	if err := <-waits; err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(loaded(a, b)); got != "[1]" {
		t.Errorf("loaded %s", got)
	}
}

func TestWithoutRoom(t *testing.T) {
	t.Parallel()
	t.Run("a model larger than the budget", func(t *testing.T) {
		t.Parallel()
		m := newPool(t, 50<<20).Add(spec("large"))
		if _, _, err := m.Use(t.Context()); scout.CodeOf(err) != scout.CodeOutOfMemory {
			t.Error(err)
		}
	})
	t.Run("others keep theirs", func(t *testing.T) {
		t.Parallel()
		p := newPool(t, 150<<20)
		_, release := use(t, p.Add(spec("a")))
		defer release()
		impatient := spec("b")
		impatient.LoadTimeout = 300 * time.Millisecond
		if _, _, err := p.Add(impatient).Use(t.Context()); scout.CodeOf(err) != scout.CodeEngineLoadTimeout {
			t.Error(err)
		}
	})
}

// TestOneLoadAtATime requests several models at once.
func TestOneLoadAtATime(t *testing.T) {
	t.Parallel()
	p := newPool(t, 0)
	var now, most, starts atomic.Int32
	var wait sync.WaitGroup
	for i := range 4 {
		s := spec(fmt.Sprint(i))
		s.Fault = func(goroutine string) error {
			switch goroutine {
			case pool.GoroutineStart:
				starts.Add(1)
				most.Store(max(most.Load(), now.Add(1)))
			case process.Goroutines()[1]: // the reader has heard hello: the model is loaded
				now.Add(-1)
			}
			return nil
		}
		m := p.Add(s)
		for range 3 {
			wait.Go(func() {
				_, release, err := m.Use(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				release()
			})
		}
	}
	wait.Wait()
	if most.Load() != 1 || starts.Load() != 4 {
		t.Errorf("%d at a time, %d starts for 4 models", most.Load(), starts.Load())
	}
}

func TestIdleModelIsUnloaded(t *testing.T) {
	t.Parallel()
	s := spec("a")
	s.IdleUnload = 30 * time.Millisecond
	m := newPool(t, 0).Add(s)
	first, release := use(t, m)
	time.Sleep(2 * s.IdleUnload) // it is in use: the clock does not run
	if !first.Alive() {
		t.Fatal("unloaded while it was used")
	}
	release()
	<-first.Dead()
	second, release := use(t, m)
	release()
	if second == first {
		t.Error("a dead process")
	}
}

func TestClosedPool(t *testing.T) {
	t.Parallel()
	p := newPool(t, 0)
	m := p.Add(spec("a"))
	c, release := use(t, m)
	p.Close()
	select {
	case <-c.Dead():
	default:
		t.Error("a process outlives its pool")
	}
	release()
	if _, _, err := m.Use(t.Context()); scout.CodeOf(err) != scout.CodeEngineClosed {
		t.Error(err)
	}
	p.Close()
}

// TestClosingAModelEndsItsStart closes a model that is being loaded: its callers hear that it is closed, and the next
// model does not wait for it.
func TestClosingAModelEndsItsStart(t *testing.T) {
	t.Parallel()
	p := newPool(t, 0)
	endless := spec(neverLoads)
	endless.LoadTimeout = time.Hour
	m, next := p.Add(endless), p.Add(spec("a"))
	waits := make(chan error, 1)
	go func() {
		_, _, err := m.Use(t.Context())
		waits <- err
	}()
	for m.State().Loading.IsZero() {
		time.Sleep(time.Millisecond)
	}
	m.Close()
	if err := <-waits; scout.CodeOf(err) != scout.CodeEngineClosed {
		t.Error(err)
	}
	_, release := use(t, next)
	release()
}

// TestAStartThatWasGivenUp is over long after its callers gave it up: that is a start that took too long, and not a
// closed engine. The next caller does not wait for it.
func TestAStartThatWasGivenUp(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	p := pool.New(observe.NewScope(nil, registry, nil), pool.Options{})
	t.Cleanup(p.Close)
	late := spec("a")
	late.LoadTimeout = 100 * time.Millisecond
	blocked := make(chan struct{})
	var once sync.Once
	late.Fault = func(goroutine string) error {
		if goroutine == pool.GoroutineStart {
			once.Do(func() { <-blocked })
		}
		return nil
	}
	m := p.Add(late)
	if _, _, err := m.Use(t.Context()); scout.CodeOf(err) != scout.CodeEngineLoadTimeout {
		t.Fatal(err)
	}
	close(blocked)
	failures := map[string]float64{}
	for deadline := time.Now().Add(20 * time.Second); len(failures) == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, metric := range f.GetMetric() {
				if f.GetName() == "scout_engine_start_failures_total" {
					failures[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
				}
			}
		}
	}
	if want := map[string]float64{string(scout.CodeEngineLoadTimeout): 1}; !maps.Equal(failures, want) {
		t.Errorf("failures %v, want %v", failures, want)
	}
}

// TestAProcessThatCrashedIsNotUnloaded counts only processes that were ended because they were idle.
func TestAProcessThatCrashedIsNotUnloaded(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	p := pool.New(observe.NewScope(nil, registry, nil), pool.Options{BudgetBytes: 150 << 20})
	t.Cleanup(p.Close)
	crashed, other := p.Add(spec("a")), p.Add(spec("b"))
	one, release := use(t, crashed)
	release()
	one.Kill(scout.Errorf(scout.CodeEngineCrashed, "crashed"))
	<-one.Dead()
	_, release = use(t, other) // needs the room of the first
	release()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "scout_engine_unloads_total" && f.GetMetric()[0].GetCounter().GetValue() != 0 {
			t.Error("a crash was counted as an unloading")
		}
	}
}

// While a pool holds its models back, none is loaded; one in use answers what it has and ends.
func TestModelsAreHeldBack(t *testing.T) {
	t.Parallel()
	p := newPool(t, 0)
	idle, busy := p.Add(spec("idle")), p.Add(spec("busy"))
	_, release := use(t, idle)
	release()
	inUse, release := use(t, busy)
	p.Hold(scout.Errorf(scout.CodeUnavailable, "no memory"))
	<-inUse.Dead()
	release()
	var held *pool.HeldError
	if _, _, err := idle.Use(t.Context()); !errors.As(err, &held) || scout.CodeOf(err) != scout.CodeUnavailable || p.Held() == nil {
		t.Errorf("error %v", err)
	}
	if left := loaded(idle, busy); len(left) > 0 {
		t.Errorf("loaded %v", left)
	}
	p.Hold(nil)
	_, release = use(t, busy)
	release()
}

func TestUnloadIdlest(t *testing.T) {
	t.Parallel()
	p := newPool(t, 0)
	models := []*pool.Model{p.Add(spec("older")), p.Add(spec("newer")), p.Add(spec("busy"))}
	for _, m := range models[:2] {
		_, release := use(t, m)
		release()
	}
	_, release := use(t, models[2])
	defer release()
	for want := []int{0, 1, 2}; len(want) > 1; {
		if want = want[1:]; !p.UnloadIdlest() || !slices.Equal(loaded(models...), want) {
			t.Fatalf("loaded %v, want %v", loaded(models...), want)
		}
	}
	if p.UnloadIdlest() {
		t.Error("a model in use was unloaded")
	}
}

// TestAQuietStartGivesWay checks that a start that nobody waits for holds up none that somebody waits for, and goes on after it.
func TestAQuietStartGivesWay(t *testing.T) {
	t.Parallel()
	for name, same := range map[string]bool{"to the same model": true, "to another model": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPool(t, 0)
			endless := spec(neverLoadsQuietly)
			endless.LoadTimeout = time.Hour
			quiet, other := p.Add(endless), p.Add(spec("other"))
			ctx, leave := context.WithCancelCause(t.Context())
			waits := make(chan error, 1)
			go func() {
				_, release, err := quiet.UseQuietly(ctx)
				if err == nil {
					release()
				}
				waits <- err
			}()
			for quiet.State().Loading.IsZero() {
				time.Sleep(time.Millisecond)
			}
			if same {
				_, release := use(t, quiet)
				release()
				if err := <-waits; err != nil {
					t.Errorf("whoever waited for the quiet start: %v", err)
				}
				leave(nil)
				return
			}
			_, release := use(t, other)
			release()
			for quiet.State().Loading.IsZero() { // it begins again
				time.Sleep(time.Millisecond)
			}
			if err := quiet.State().LastError; err != nil {
				t.Errorf("last error %v", err)
			}
			left := errors.New("left")
			leave(left)
			if err := <-waits; !errors.Is(err, left) {
				t.Error(err)
			}
		})
	}
}
