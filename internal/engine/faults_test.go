package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/engine/pool"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/testrun"
)

// TestFaultsInEveryGoroutine breaks every goroutine around an engine, on this side and in the process, once and in
// every way: all waiting callers get an answer, panics are counted, and the next request works.
func TestFaultsInEveryGoroutine(t *testing.T) {
	t.Parallel()
	type place struct{ side, name string }
	places := []place{{"here", pool.GoroutineStart}}
	for _, name := range process.Goroutines() {
		places = append(places, place{"here", name})
	}
	for _, name := range server.Goroutines() {
		places = append(places, place{"process", name})
	}
	for _, where := range places {
		for _, kind := range []string{"error", "panic", "hang"} {
			t.Run(fmt.Sprintf("%s in the %s's %s", kind, where.side, where.name), func(t *testing.T) {
				t.Parallel()
				release := make(chan struct{})
				t.Cleanup(func() { close(release) })
				registry := prom.NewRegistry()
				var struck atomic.Bool
				options := engine.Options{
					Program: os.Args[0], Model: engine.Model{ID: "faulty"}, Slots: 1,
					LoadTimeout: 3 * time.Second, RequestBase: time.Second, RequestFactor: 0.001,
					Breaker: resilience.BreakerOptions{Consecutive: 100, FailureRatio: 2},
				}
				if where.side == "here" {
					options.Fault = func(goroutine string) error {
						if goroutine != where.name || !struck.CompareAndSwap(false, true) {
							return nil
						}
						switch kind {
						case "panic":
							panic("injected")
						case "hang":
							<-release
						}
						return errors.New("injected")
					}
				} else {
					options.Program = breakingProgram(t, where.name, kind)
				}
				e := engine.New(observe.NewScope(nil, registry, nil), options)
				t.Cleanup(e.Close)
				failed := 0
				for {
					result, err := e.Transcribe(t.Context(), request(works))
					if err == nil {
						if result.Text != "1600 frames" {
							t.Errorf("%q", result.Text)
						}
						break
					}
					if failed++; failed == 5 {
						t.Fatalf("does not recover: %v", err)
					}
					if scout.CodeOf(err) == scout.CodeAudioSetAside {
						t.Errorf("blamed on the audio: %v", err)
					}
				}
				counted := enginetest.Panics(t, registry)
				beatsLater := where.name == "beat" // the beat need not have come by the time of the answer
				if (counted > 0) != (kind == "panic") && !(beatsLater && counted == 0) {
					t.Errorf("%v panics counted", counted)
				}
			})
		}
	}
}

// breakingEngine in the environment of an engine says what breaks in it: GOROUTINE,KIND,FOLDER.
const breakingEngine = "SCOUT_TEST_BREAKING_ENGINE"

// breakingProgram returns an engine program in which a goroutine breaks.
func breakingProgram(t *testing.T, goroutine, kind string) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "engine")
	text := fmt.Sprintf("#!/bin/sh\n%s='%s,%s,%s' exec '%s'\n", breakingEngine, goroutine, kind, dir, os.Args[0])
	if err := testrun.WriteProgram(program, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return program
}

// breaking is the fault that the environment requests. It happens once per folder, in the first process.
func breaking(wanted string) func(goroutine string) error {
	parts := strings.SplitN(wanted, ",", 3)
	if len(parts) < 3 {
		return nil
	}
	return func(goroutine string) error {
		if goroutine != parts[0] {
			return nil
		}
		if err := os.Mkdir(filepath.Join(parts[2], "struck"), 0o700); err != nil {
			return nil //nolint:nilerr // it has already happened
		}
		switch parts[1] {
		case "panic":
			panic("injected")
		case "hang":
			select {}
		}
		return errors.New("injected")
	}
}

// TestPoisonBesideGoodAudio checks that good requests are answered, whatever ends the process beside them.
func TestPoisonBesideGoodAudio(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]float32{"crash": crashes, "hang": hangs, "babble": babbles, "pipe closed": closesPipe} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newFaulty(t, func(o *engine.Options) {
				o.Slots, o.BackgroundSlots, o.RequestBase, o.RequestFactor = 2, 2, 2*time.Second, 0.001
			})
			var wait sync.WaitGroup
			stop := make(chan struct{})
			wait.Go(func() {
				defer close(stop)
				for range 2 {
					if _, err := e.Transcribe(t.Context(), request(fault)); scout.CodeOf(err) != scout.CodeAudioSetAside {
						t.Errorf("poison: %v", err)
					}
				}
			})
			wait.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := e.Transcribe(t.Context(), request(slow)); err != nil {
						t.Errorf("good audio: %v", err)
					}
				}
			})
			wait.Wait()
		})
	}
}

// TestStoppedProcessIsReplaced checks that a process that somebody stops is replaced once that is known, long before
// the deadline, or at a deadline that comes first. The request is answered, however often this happened, and is never
// blamed.
func TestStoppedProcessIsReplaced(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		class schedule.Class
		stops int
	}{
		"once":                             {schedule.Batch, 1},
		"three times":                      {schedule.Interactive, 3},
		"twice, at a dictation's deadline": {schedule.Dictation, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			e := newFaulty(t, func(o *engine.Options) {
				o.Model.ID, o.RequestBase, o.SuspectAfter = dir, time.Hour, 500*time.Millisecond
				if c.class == schedule.Dictation {
					o.DictationBase, o.SuspectAfter = 300*time.Millisecond, time.Hour
				}
			})
			for i := range c.stops {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := request(isStopped)
			r.Class = c.class
			h, err := e.Transcribe(t.Context(), r)
			if err != nil || h.Text != "1600 frames" {
				t.Errorf("%v, %v", h, err)
			}
			if starts := e.State().Starts; starts != c.stops+1 {
				t.Errorf("%d starts, want %d", starts, c.stops+1)
			}
		})
	}
}

// TestHungProcessIsReplaced checks that a request that sleeps for ever is set aside as at its deadline, but much
// sooner.
func TestHungProcessIsReplaced(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, func(o *engine.Options) { o.RequestBase, o.SuspectAfter = time.Hour, 300*time.Millisecond })
	if _, err := e.Transcribe(t.Context(), request(hangs)); scout.CodeOf(err) != scout.CodeAudioSetAside || !strings.Contains(err.Error(), "made no progress") {
		t.Errorf("%v", err)
	}
	if h, err := e.Transcribe(t.Context(), request(works)); err != nil || h.Text != "1600 frames" {
		t.Errorf("the next request: %v, %v", h, err)
	}
}

// TestReplacingForMemoryFailsNobody checks that a process that is replaced after every answer fails no request.
func TestReplacingForMemoryFailsNobody(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, func(o *engine.Options) { o.Slots, o.BackgroundSlots, o.MemoryCeiling = 2, 2, 4<<20 })
	e.SpareMemory()
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			for range 25 {
				if _, err := e.Transcribe(t.Context(), request(works)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if starts := e.State().Starts; starts < 15 {
		t.Errorf("%d starts: the test proves nothing", starts)
	}
}

// TestCancelLeavesNoSlotTaken checks that requests that are cancelled at once, in both slots, release them.
func TestCancelLeavesNoSlotTaken(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, func(o *engine.Options) { o.Slots, o.BackgroundSlots = 2, 2 })
	if _, err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(i%30)*time.Microsecond, cancel)
		if _, err := e.Transcribe(ctx, request(waits)); scout.CodeOf(err) != scout.CodeCancelled {
			t.Fatalf("round %d: %v", i, err)
		}
	}
	if err := e.Quiet(t.Context()); err != nil { // a forgotten request would be killed after 10 s
		t.Fatal(err)
	}
	if starts := e.State().Starts; starts != 1 {
		t.Errorf("%d starts: a process was killed for what it was not told", starts)
	}
}

// TestLoadingIsTold checks that a caller learns when a wait begins, how long it may take, and when it is over. A
// program that never sends anything takes exactly that long, and not twice.
func TestLoadingIsTold(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, what)
	}
	e := newFaulty(t, func(o *engine.Options) {
		o.Model.ID, o.LoadTimeout = "load-hangs", 400*time.Millisecond
		o.Loading = func(limit time.Duration) func() {
			note(limit.String())
			return func() { note("over") }
		}
	})
	_, err := e.Transcribe(t.Context(), request(works))
	if scout.CodeOf(err) != scout.CodeEngineLoadTimeout || !strings.Contains(err.Error(), "within 0.4 s") {
		t.Fatal(err)
	}
	if want := []string{"400ms", "over"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
