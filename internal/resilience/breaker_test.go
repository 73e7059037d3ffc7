package resilience_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/resilience"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rest and window of the breakers under test; all of it is time of a synctest bubble.
const (
	rest   = 30 * time.Second
	window = 60 * time.Second
)

var (
	errCrash = scout.Errorf(scout.CodeEngineCrashed, "engine ended")
	errInput = scout.Errorf(scout.CodeAudioCorrupt, "not audio")
	errStop  = scout.Errorf(scout.CodeCancelled, "stopped by the user")
	errBug   = errors.New("an error without a code")
)

func TestBreakerTransitions(t *testing.T) {
	t.Parallel()
	const closed, halfOpen, open = "closed", "half-open", "open"
	opened := sequence(call(errCrash, closed), call(errCrash, closed), call(errCrash, open))
	tests := map[string]struct {
		options resilience.BreakerOptions
		steps   []step
	}{
		"stays closed while calls succeed": {steps: repeat(50, ok(closed))},
		"opens at the third failure in a row": {
			steps: sequence(opened, refused(open), refused(open)),
		},
		"opens at the number of failures it is given": {
			options: resilience.BreakerOptions{Consecutive: 1},
			steps:   sequence(call(errCrash, open), refused(open)),
		},
		"a success between starts the row again": {
			steps: sequence(call(errCrash, closed), call(errCrash, closed), ok(closed),
				call(errCrash, closed), call(errCrash, closed), call(errCrash, open)),
		},
		"failures in a row count across windows": {
			steps: sequence(call(errCrash, closed), wait(window*2, closed), call(errCrash, closed),
				wait(window*2, closed), call(errCrash, open)),
		},
		"opens when half of ten calls within the window failed": {
			steps: sequence(ok(closed), call(errCrash, closed), ok(closed), call(errCrash, closed),
				ok(closed), call(errCrash, closed), ok(closed), call(errCrash, closed), ok(closed),
				call(errCrash, open)),
		},
		"nine calls are too few for the ratio": {
			steps: sequence(call(errCrash, closed), ok(closed), call(errCrash, closed), ok(closed),
				call(errCrash, closed), ok(closed), call(errCrash, closed), ok(closed), call(errCrash, closed)),
		},
		"the ratio forgets what left the window": {
			steps: sequence(call(errCrash, closed), ok(closed), call(errCrash, closed), ok(closed),
				call(errCrash, closed), ok(closed), call(errCrash, closed), ok(closed),
				wait(window+window/10, closed),
				ok(closed), call(errCrash, closed)),
		},
		"the window rolls: what is young stays when the old leaves": {
			steps: sequence(repeat(9, ok(closed)), // leave the window first and would hide the failures
				wait(window*7/10, closed),
				call(errCrash, closed), call(errCrash, closed), ok(closed),
				call(errCrash, closed), call(errCrash, closed), ok(closed), ok(closed), ok(closed),
				wait(window*5/10, closed),
				ok(closed), call(errCrash, open)), // 5 of 10 within the window, 5 of 19 in all
		},
		"another ratio and number": {
			options: resilience.BreakerOptions{Consecutive: 100, FailureRatio: 0.25, MinRequests: 4},
			steps:   sequence(ok(closed), ok(closed), ok(closed), call(errCrash, open)),
		},
		"rests for the whole of its rest": {
			steps: sequence(opened, wait(rest, open), refused(open), wait(time.Nanosecond, halfOpen)),
		},
		"refused calls do not lengthen the rest": {
			steps: sequence(opened, wait(rest/2, open), refused(open), wait(rest/2+time.Nanosecond, halfOpen)),
		},
		"a probe that succeeds closes it": {
			steps: sequence(opened, wait(rest+1, halfOpen), ok(closed), ok(closed)),
		},
		"a probe that fails opens it for another rest": {
			steps: sequence(opened, wait(rest+1, halfOpen), call(errCrash, open), refused(open),
				wait(rest, open), wait(time.Nanosecond, halfOpen), ok(closed)),
		},
		"all of several probes must succeed": {
			options: resilience.BreakerOptions{Probes: 3},
			steps:   sequence(opened, wait(rest+1, halfOpen), ok(halfOpen), ok(halfOpen), ok(closed)),
		},
		"the last of several probes fails": {
			options: resilience.BreakerOptions{Probes: 3},
			steps:   sequence(opened, wait(rest+1, halfOpen), ok(halfOpen), ok(halfOpen), call(errCrash, open)),
		},
		"failures before the rest do not count after it": {
			steps: sequence(opened, wait(rest+1, halfOpen), ok(closed), call(errCrash, closed), call(errCrash, closed),
				call(errCrash, open)),
		},
		"a cancelled probe is neutral and leaves its place to the next": {
			steps: sequence(opened, wait(rest+1, halfOpen), repeat(5, call(errStop, halfOpen)), ok(closed)),
		},
		"bad input as probe proves that the other side works": {
			steps: sequence(opened, wait(rest+1, halfOpen), call(errInput, closed)),
		},
		"bad input never opens it":     {steps: repeat(50, call(errInput, closed))},
		"bad input interrupts the row": {steps: sequence(call(errCrash, closed), call(errCrash, closed), call(errInput, closed), call(errCrash, closed))},
		"cancelled calls never open it": {
			steps: repeat(50, call(errStop, closed)),
		},
		"cancelled calls do not interrupt the row": {
			steps: sequence(call(errCrash, closed), call(errStop, closed), call(context.Canceled, closed), call(errCrash, closed), call(errCrash, open)),
		},
		"timeouts count":                   {steps: sequence(repeat(2, call(context.DeadlineExceeded, closed)), call(context.DeadlineExceeded, open))},
		"errors without a code count":      {steps: sequence(repeat(2, call(errBug, closed)), call(errBug, open))},
		"panics count":                     {steps: sequence(repeat(2, step{panics: true, wantState: closed}), step{panics: true, wantState: open}, refused(open))},
		"a probe that panics opens it":     {steps: sequence(opened, wait(rest+1, halfOpen), step{panics: true, wantState: open})},
		"negative options are the default": {options: resilience.BreakerOptions{Consecutive: -1, MinRequests: -1, FailureRatio: -1, Probes: -1}, steps: sequence(opened, wait(rest+1, halfOpen), ok(closed))},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				test.options.Name, test.options.Rest, test.options.Window = "engine", rest, window
				breaker := resilience.NewBreaker(observe.Scope{}, test.options)
				for i, s := range test.steps {
					runStep(t, i, breaker, s)
				}
			})
		})
	}
}

func TestBreakerLetsExactlyItsProbesPass(t *testing.T) {
	t.Parallel()
	for _, probes := range []int{1, 2, 5} {
		synctest.Test(t, func(t *testing.T) {
			breaker := newBreaker(resilience.BreakerOptions{Probes: probes})
			trip(t, breaker)
			time.Sleep(rest + 1)

			const callers = 40
			var running, refusals atomic.Int64
			release := make(chan struct{})
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					err := breaker.Do(t.Context(), func(context.Context) error {
						running.Add(1)
						<-release
						return nil
					})
					if scout.CodeOf(err) == scout.CodeEngineUnavailable {
						refusals.Add(1)
					}
				})
			}
			synctest.Wait()
			if got := running.Load(); got != int64(probes) {
				t.Errorf("%d probes: %d calls run while half-open", probes, got)
			}
			if got := refusals.Load(); got != int64(callers-probes) {
				t.Errorf("%d probes: %d calls refused, want %d", probes, got, callers-probes)
			}
			if got := breaker.State(); got != "half-open" {
				t.Errorf("%d probes: state %s while they run", probes, got)
			}
			close(release)
			all.Wait()
			if got := breaker.State(); got != "closed" {
				t.Errorf("%d probes: state %s after all succeeded", probes, got)
			}
		})
	}
}

func TestBreakerIgnoresResultsOfAnEarlierGeneration(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		late      error
		settle    func(*testing.T, *resilience.Breaker)
		wantState string
	}{
		"a late success does not close an open breaker": {
			late: nil, settle: func(*testing.T, *resilience.Breaker) {}, wantState: "open",
		},
		"a late success is no probe": {
			late:   nil,
			settle: func(*testing.T, *resilience.Breaker) { time.Sleep(rest + 1) }, wantState: "half-open",
		},
		"a late failure is no failed probe": {
			late:   errCrash,
			settle: func(*testing.T, *resilience.Breaker) { time.Sleep(rest + 1) }, wantState: "half-open",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				breaker := newBreaker(resilience.BreakerOptions{})
				old := hold(t.Context(), breaker)
				trip(t, breaker)
				test.settle(t, breaker)
				if err := old.finish(test.late); !errors.Is(err, test.late) {
					t.Errorf("the late call returned %v, want its own result %v", err, test.late)
				}
				if got := breaker.State(); got != test.wantState {
					t.Errorf("state %s, want %s", got, test.wantState)
				}
			})
		})
	}
	t.Run("late failures do not count after it closed again", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			breaker := newBreaker(resilience.BreakerOptions{})
			var old []*held
			for range 3 {
				old = append(old, hold(t.Context(), breaker))
			}
			trip(t, breaker)
			time.Sleep(rest + 1)
			runStep(t, 0, breaker, ok("closed"))
			for _, h := range old {
				if err := h.finish(errCrash); !errors.Is(err, errCrash) {
					t.Errorf("error %v, want %v", err, errCrash)
				}
			}
			if got := breaker.State(); got != "closed" {
				t.Errorf("state %s after three late failures, want closed", got)
			}
		})
	})
}

// An engine that hangs fails only at its deadline, which may be longer than the window.
func TestBreakerCountsFailuresThatTookLongerThanTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		breaker := newBreaker(resilience.BreakerOptions{})
		for i := range 3 {
			if breaker.Open() {
				t.Fatalf("open after %d failures", i)
			}
			err := breaker.Do(t.Context(), func(context.Context) error {
				time.Sleep(3 * window)
				return errCrash
			})
			if !errors.Is(err, errCrash) {
				t.Fatalf("error %v, want %v", err, errCrash)
			}
		}
		if !breaker.Open() {
			t.Error("three hanging calls in a row did not open it")
		}
	})
}

func TestBreakerAndTheContextOfTheCall(t *testing.T) {
	t.Parallel()
	errGone := errors.New("the browser closed the page")
	tests := map[string]struct {
		cause     error // ends the context in the middle of the call
		deadline  bool  // a deadline ends it
		wantOpens bool  // three of these calls in a row open the breaker
	}{
		"a caller that goes away":                      {cause: nil},
		"a caller that goes away for a reason":         {cause: errGone},
		"a caller that goes away with a code":          {cause: errStop},
		"cancelled by a limit that failed the call":    {cause: scout.Errorf(scout.CodeEngineTimeout, "no answer"), wantOpens: true},
		"the deadline of the caller counts as timeout": {deadline: true, wantOpens: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				breaker := newBreaker(resilience.BreakerOptions{})
				for range 3 {
					ctx, cancel := context.WithCancelCause(t.Context())
					stop := func() {}
					if test.deadline {
						ctx, stop = context.WithTimeout(ctx, time.Second)
					}
					h := hold(ctx, breaker)
					if test.deadline {
						time.Sleep(2 * time.Second)
					} else {
						cancel(test.cause)
					}
					// What the call says is only the consequence of its end.
					if err := h.finish(errCrash); !errors.Is(err, errCrash) {
						t.Errorf("error %v, want that of the call", err)
					}
					stop()
					cancel(nil)
				}
				if got := breaker.Open(); got != test.wantOpens {
					t.Errorf("open = %v, want %v", got, test.wantOpens)
				}
			})
		})
	}

	t.Run("a context that has ended already", func(t *testing.T) {
		t.Parallel()
		breaker := newBreaker(resilience.BreakerOptions{})
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errGone)
		err := breaker.Do(ctx, func(context.Context) error {
			t.Error("the call ran")
			return nil
		})
		if !errors.Is(err, errGone) || scout.CodeOf(err) != scout.CodeCancelled {
			t.Errorf("error %v with code %s, want the cause with code %s", err, scout.CodeOf(err), scout.CodeCancelled)
		}
	})

	t.Run("an abandoned probe leaves its place", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			breaker := newBreaker(resilience.BreakerOptions{})
			trip(t, breaker)
			time.Sleep(rest + 1)
			ctx, cancel := context.WithCancel(t.Context())
			probe := hold(ctx, breaker)
			runStep(t, 0, breaker, refused("half-open"))
			cancel()
			if err := probe.finish(errCrash); !errors.Is(err, errCrash) {
				t.Errorf("error %v, want %v", err, errCrash)
			}
			runStep(t, 1, breaker, ok("closed"))
		})
	})
}

func TestBreakerCountsForTheOperator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		registry := prom.NewRegistry()
		scope := observe.NewScope(observe.NewLogger(&lines, observe.LogJSON, slog.LevelInfo), registry, nil)
		errLater := errors.New("later")
		breaker := resilience.NewBreaker(scope, resilience.BreakerOptions{
			Name: "engine", Rest: rest, Window: window, OpenError: func() error { return errLater },
		})
		other := resilience.NewBreaker(scope, resilience.BreakerOptions{Name: "llm"})
		type counts struct{ state, opened, halfOpened, closed, refusals float64 }
		expect := func(when string, c counts) {
			t.Helper()
			want := map[string]float64{
				`scout_breaker_state{name="engine"}`:                            c.state,
				`scout_breaker_state{name="llm"}`:                               0,
				`scout_breaker_transitions_total{name="engine",to="open"}`:      c.opened,
				`scout_breaker_transitions_total{name="engine",to="half-open"}`: c.halfOpened,
				`scout_breaker_transitions_total{name="engine",to="closed"}`:    c.closed,
				`scout_breaker_transitions_total{name="llm",to="open"}`:         0,
				`scout_breaker_refused_total{name="engine"}`:                    c.refusals,
				`scout_breaker_refused_total{name="llm"}`:                       0,
			}
			got := gather(t, registry)
			for series, value := range want {
				if v, found := got[series]; !found || v != value {
					t.Errorf("%s: %s = %v (there: %v), want %v", when, series, v, found, value)
				}
			}
		}
		expect("at first", counts{0, 0, 0, 0, 0})
		trip(t, breaker)
		expect("opened", counts{2, 1, 0, 0, 0})
		if got := other.Rest(); got != 0 {
			t.Errorf("a closed one rests for %v", got)
		}
		for i := range 4 {
			err := breaker.Do(t.Context(), func(context.Context) error { return nil })
			if !errors.Is(err, errLater) {
				t.Errorf("refused with %v, want what OpenError returns", err)
			}
			left := rest - time.Duration(i)*rest/10
			var later interface{ RetryAfter() time.Duration }
			if !errors.As(err, &later) || later.RetryAfter() != left || breaker.Rest() != left {
				t.Errorf("refused with %v, rests for %v, want %v", err, breaker.Rest(), left)
			}
			time.Sleep(rest / 10)
		}
		expect("refused four", counts{2, 1, 0, 0, 4})
		time.Sleep(rest + 1 - 4*rest/10)
		probe := hold(t.Context(), breaker)
		if got := breaker.Rest(); got != 0 {
			t.Errorf("with its probe under way it rests for %v", got)
		}
		expect("half-open", counts{1, 1, 1, 0, 4})
		if err := probe.finish(nil); err != nil {
			t.Errorf("probe: %v", err)
		}
		expect("closed again", counts{0, 1, 1, 1, 4})
		if err := other.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("the other breaker: %v", err)
		}

		var steps []string
		for line := range strings.Lines(lines.String()) {
			var entry struct{ Msg, Name, From, To string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatalf("log line %q: %v", line, err)
			}
			if entry.Msg != "breaker_state_changed" || entry.Name != "engine" {
				t.Errorf("unexpected log line %q", line)
			}
			steps = append(steps, entry.From+">"+entry.To)
		}
		if got, want := strings.Join(steps, " "), "closed>open open>half-open half-open>closed"; got != want {
			t.Errorf("logged %q, want %q", got, want)
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil || len(problems) > 0 {
			t.Errorf("Prometheus' linter: %v %v", problems, err)
		}
	})
}

// gather returns the value of every counter and gauge by its series.
func gather(t *testing.T, registry prom.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	series := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, pair := range metric.GetLabel() {
				labels = append(labels, pair.GetName()+`="`+pair.GetValue()+`"`)
			}
			value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			series[family.GetName()+"{"+strings.Join(labels, ",")+"}"] = value
		}
	}
	return series
}
