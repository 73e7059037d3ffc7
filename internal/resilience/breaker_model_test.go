package resilience_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/resilience"
)

// model is the breaker of S5 in the plainest form: one call at a time, only the consecutive rule.
type model struct {
	state    string
	failures int
	probes   int
	left     time.Duration
}

func (m *model) step(err error, consecutive, probes int) (runs bool) {
	if m.state == "open" {
		return false
	}
	switch {
	case err != nil && scout.ClassOf(err) == scout.Cancelled:
	case errors.Is(err, errCrash):
		m.failures++
		if m.state == "half-open" || m.failures >= consecutive {
			*m = model{state: "open", left: rest}
		}
	default:
		m.failures = 0
		m.probes++
		if m.state == "half-open" && m.probes >= probes {
			*m = model{state: "closed"}
		}
	}
	return true
}

func (m *model) sleep(d time.Duration) {
	if m.left -= d; m.state == "open" && m.left < 0 {
		*m = model{state: "half-open"}
	}
}

func TestBreakerBehavesAsTheModel(t *testing.T) {
	t.Parallel()
	results := map[string]error{"ok": nil, "crash": errCrash, "input": errInput, "stop": errStop}
	rapid.Check(t, func(rt *rapid.T) {
		consecutive := rapid.IntRange(1, 5).Draw(rt, "consecutive")
		probes := rapid.IntRange(1, 4).Draw(rt, "probes")
		actions := rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "crash", "crash", "crash", "input", "stop", "sleep", "rest"}), 1, 60).Draw(rt, "actions")
		synctest.Test(t, func(t *testing.T) {
			breaker := newBreaker(resilience.BreakerOptions{Consecutive: consecutive, Probes: probes, MinRequests: 1 << 20})
			want := &model{state: "closed"}
			for i, action := range actions {
				switch action {
				case "sleep":
					time.Sleep(7 * time.Second)
					want.sleep(7 * time.Second)
				case "rest":
					time.Sleep(rest + 1)
					want.sleep(rest + 1)
				default:
					ran := false
					err := breaker.Do(t.Context(), func(context.Context) error {
						ran = true
						return results[action]
					})
					if wantRuns := want.step(results[action], consecutive, probes); ran != wantRuns || ran && !errors.Is(err, results[action]) {
						t.Fatalf("action %d of %v: ran %v with %v, want %v", i, actions, ran, err, wantRuns)
					}
				}
				if got := breaker.State(); got != want.state {
					t.Fatalf("after action %d of %v: %s, want %s", i, actions, got, want.state)
				}
			}
		})
	})
}

func TestBreakerIsSafeForManyCallers(t *testing.T) {
	t.Parallel()
	breaker := resilience.NewBreaker(observe.NewScope(nil, prom.NewRegistry(), nil),
		resilience.BreakerOptions{Name: "engine", Rest: time.Nanosecond})
	results := []error{nil, errCrash, errInput, errStop, errCrash, errCrash}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 500 {
				want := results[(worker+i)%len(results)]
				err := breaker.Do(t.Context(), func(context.Context) error { return want })
				if !errors.Is(err, want) && scout.CodeOf(err) != scout.CodeEngineUnavailable {
					t.Errorf("error %v, want %v or a refusal", err, want)
				}
			}
		})
	}
	all.Wait()
}
