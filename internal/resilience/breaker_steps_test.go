package resilience_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

// step is one action on a breaker: wait a time, or call with a result.
type step struct {
	wait      time.Duration
	returns   error
	succeeds  bool
	panics    bool
	refused   bool // the call must not run
	wantState string
}

func call(err error, wantState string) step { return step{returns: err, wantState: wantState} }

func ok(wantState string) step { return step{succeeds: true, wantState: wantState} }

func refused(wantState string) step {
	return step{refused: true, succeeds: true, wantState: wantState}
}

func wait(d time.Duration, wantState string) step { return step{wait: d, wantState: wantState} }

func repeat(n int, s step) []step {
	steps := make([]step, n)
	for i := range steps {
		steps[i] = s
	}
	return steps
}

func sequence(parts ...any) []step {
	var all []step
	for _, part := range parts {
		switch p := part.(type) {
		case step:
			all = append(all, p)
		case []step:
			all = append(all, p...)
		}
	}
	return all
}

func runStep(t *testing.T, i int, breaker *resilience.Breaker, s step) {
	t.Helper()
	if s.wait > 0 {
		time.Sleep(s.wait) // of the bubble
	} else {
		ran, got := false, error(nil)
		recovered := func() (p any) {
			defer func() { p = recover() }()
			got = breaker.Do(t.Context(), func(context.Context) error {
				ran = true
				if s.panics {
					panic("broken")
				}
				return s.returns
			})
			return nil
		}()
		switch {
		case ran == s.refused:
			t.Fatalf("step %d: ran = %v, want %v", i, ran, !s.refused)
		case s.panics != (recovered != nil):
			t.Fatalf("step %d: recovered %v, want a panic: %v", i, recovered, s.panics)
		case s.refused && scout.CodeOf(got) != scout.CodeEngineUnavailable:
			t.Fatalf("step %d: refused with %v, want the code %s", i, got, scout.CodeEngineUnavailable)
		case !s.refused && !errors.Is(got, s.returns):
			t.Fatalf("step %d: error %v, want %v", i, got, s.returns)
		}
	}
	if got := breaker.State(); got != s.wantState {
		t.Fatalf("step %d (%+v): state %s, want %s", i, s, got, s.wantState)
	}
	if got := breaker.Open(); got != (s.wantState == "open") {
		t.Fatalf("step %d: Open() = %v in state %s", i, got, s.wantState)
	}
}

// held is a call in progress whose result the test decides later.
type held struct {
	result chan error
	done   chan error
}

func hold(ctx context.Context, breaker *resilience.Breaker) *held {
	h := &held{result: make(chan error), done: make(chan error, 1)}
	go func() {
		h.done <- breaker.Do(ctx, func(context.Context) error { return <-h.result })
	}()
	synctest.Wait()
	return h
}

func (h *held) finish(err error) error {
	h.result <- err
	return <-h.done
}

func trip(t *testing.T, breaker *resilience.Breaker) {
	t.Helper()
	for range 3 {
		if err := breaker.Do(t.Context(), func(context.Context) error { return errCrash }); !errors.Is(err, errCrash) {
			t.Fatalf("error %v, want %v", err, errCrash)
		}
	}
	if !breaker.Open() {
		t.Fatal("not open after three failures")
	}
}

func newBreaker(options resilience.BreakerOptions) *resilience.Breaker {
	options.Name, options.Rest, options.Window = "engine", rest, window
	return resilience.NewBreaker(observe.Scope{}, options)
}
