package engine_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
)

func check(t *testing.T, e *engine.Engine) health.Component {
	t.Helper()
	return health.Run(t.Context(), []health.Check{e.Check()}, time.Now)[0]
}

// TestHealthTellsTheTruth drives an engine through its states.
func TestHealthTellsTheTruth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		model  string
		drive  func(t *testing.T, e *engine.Engine)
		status health.Status
		state  string
		reason string
	}{
		"nothing asked yet": {drive: func(*testing.T, *engine.Engine) {}, status: health.Healthy, state: "unloaded", reason: "no request yet"},
		"loaded": {drive: func(t *testing.T, e *engine.Engine) {
			if err := e.SelfTest(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, status: health.Healthy, state: "loaded", reason: "last success "},
		"killed between two requests": {drive: func(t *testing.T, e *engine.Engine) {
			if err := e.SelfTest(t.Context()); err != nil {
				t.Fatal(err)
			}
			_ = syscall.Kill(e.State().PID, syscall.SIGKILL)
			for e.State().Running {
				time.Sleep(time.Millisecond)
			}
		}, status: health.Healthy, state: "unloaded", reason: "last success "},
		"stopped between two requests": {drive: func(t *testing.T, e *engine.Engine) {
			if err := e.SelfTest(t.Context()); err != nil {
				t.Fatal(err)
			}
			stopUntilStill(t, e)
		}, status: health.Unhealthy, state: "stalled", reason: "was stopped from outside (SIGSTOP)"},
		"goes on after it was stopped": {drive: func(t *testing.T, e *engine.Engine) {
			if err := e.SelfTest(t.Context()); err != nil {
				t.Fatal(err)
			}
			stopUntilStill(t, e)
			_ = syscall.Kill(e.State().PID, syscall.SIGCONT)
			if err := e.SelfTest(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, status: health.Healthy, state: "loaded"},
		"cannot be loaded": {model: "load-fails", drive: func(t *testing.T, e *engine.Engine) {
			if _, err := e.Load(t.Context()); err == nil {
				t.Fatal("loaded")
			}
		}, status: health.Unhealthy, state: "failed", reason: "weights are bad"},
		"failed a request": {drive: func(t *testing.T, e *engine.Engine) {
			if _, err := e.Transcribe(t.Context(), request(fails)); err == nil {
				t.Fatal("worked")
			}
		}, status: health.Unhealthy, state: "failed", reason: "no idea"},
		"bad input": {drive: func(t *testing.T, e *engine.Engine) {
			r := request(works)
			r.Samples = make([]float32, 31*16000)
			if _, err := e.Transcribe(t.Context(), r); err == nil {
				t.Fatal("worked")
			}
		}, status: health.Healthy, state: "loaded"},
		"worked after a failure": {drive: func(t *testing.T, e *engine.Engine) {
			_, _ = e.Transcribe(t.Context(), request(fails))
			if err := e.SelfTest(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, status: health.Healthy, state: "loaded"},
		"still loading": {model: "load-hangs", drive: func(t *testing.T, e *engine.Engine) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, _ = e.Load(ctx)
		}, status: health.Healthy, state: "loading", reason: "loading the model"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newFaulty(t, func(o *engine.Options) {
				if c.model != "" {
					o.Model.ID = c.model
				}
			})
			c.drive(t, e)
			got := check(t, e)
			if c.reason == "last success " {
				c.reason += got.Metadata["last_success_seconds"] + "s ago" // however long this test took
			}
			if got.Status != c.status || got.Metadata["state"] != c.state || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("%+v, want %s, %s, %q", got, c.status, c.state, c.reason)
			}
		})
	}
}

// stopUntilStill suspends the process of an engine, and returns when the health says so: a signal takes a moment.
func stopUntilStill(t *testing.T, e *engine.Engine) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells whether a process is stopped")
	}
	_ = syscall.Kill(e.State().PID, syscall.SIGSTOP)
	for check(t, e).Status == health.Healthy { // ends with the test's time
		time.Sleep(time.Millisecond)
	}
}

// TestEngineThatNeverAnswersIsUnhealthy uses an engine that accepts a request and makes no progress, with beats or
// stopped.
func TestEngineThatNeverAnswersIsUnhealthy(t *testing.T) {
	t.Parallel()
	for name, stopped := range map[string]bool{"hangs": false, "is stopped": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const suspect = 2 * time.Second
			e := newFaulty(t, func(o *engine.Options) { o.RequestBase, o.SuspectAfter = time.Hour, suspect })
			if _, err := e.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			asked, began := make(chan struct{}), time.Now()
			go func() {
				defer close(asked)
				_, _ = e.Transcribe(ctx, request(hangs))
			}()
			if stopped {
				_ = syscall.Kill(e.State().PID, syscall.SIGSTOP)
			}
			got := check(t, e)
			for ; got.Status == health.Healthy; got = check(t, e) { // ends with the test's time
				time.Sleep(10 * time.Millisecond)
			}
			early := !stopped && time.Since(began) < suspect // one that is stopped is known at once
			if got.Metadata["state"] != "stalled" || early {
				t.Errorf("%+v after %s", got, time.Since(began))
			}
			cancel()
			<-asked
		})
	}
}

// TestHealthChangesNothing checks that a thousand checks start no process, prevent no unloading, write no log and
// change no metric.
func TestHealthChangesNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	registry := prom.NewRegistry()
	scope := observe.NewScope(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), registry, nil)
	e := engine.New(scope, engine.Options{
		Program: os.Args[0], Model: engine.Model{ID: "faulty"}, Slots: 1, LoadTimeout: 20 * time.Second, IdleUnload: 100 * time.Millisecond,
	})
	t.Cleanup(e.Close)
	look := func() string {
		t.Helper()
		for range 1000 {
			check(t, e)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return dump(families) + log.String()
	}
	if before, after := look(), look(); before != after || e.State().Starts != 0 {
		t.Errorf("changed: %s\n%s", before, after)
	}
	r := request(works)
	r.Class = schedule.Interactive
	if _, err := e.Transcribe(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for e.State().Running { // ends only if checks do not count as use
		check(t, e)
	}
	e.Close()
}

func dump[T interface{ String() string }](all []T) string {
	var b strings.Builder
	for _, one := range all {
		b.WriteString(one.String())
	}
	return b.String()
}
