package resilience_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

var errNetwork = scout.Errorf(scout.CodeModelDownload, "connection reset")

// attempts runs Retry over an operation that returns the errors one after another, then nil, and
// returns the pauses between the attempts.
func attempts(ctx context.Context, policy resilience.Policy, results func(attempt int) error) (pauses []time.Duration, err error) {
	var ended time.Time
	n := 0
	_, err = resilience.Retry(ctx, observe.Scope{}, policy, func(context.Context) (int, error) {
		if n++; n > 1 {
			pauses = append(pauses, time.Since(ended))
		}
		ended = time.Now()
		return n, results(n)
	})
	return pauses, err
}

func always(err error) func(int) error { return func(int) error { return err } }

func TestRetryReturnsTheFirstSuccess(t *testing.T) {
	t.Parallel()
	for _, failures := range []int{0, 1, 4} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			got, err := resilience.Retry(t.Context(), observe.Scope{}, resilience.Policy{}, func(context.Context) (string, error) {
				if n++; n <= failures {
					return "partial", fmt.Errorf("pull model: %w", errNetwork)
				}
				return "whole", nil
			})
			if got != "whole" || err != nil || n != failures+1 {
				t.Errorf("%d failures: %q, %v after %d attempts", failures, got, err, n)
			}
		})
	}
}

func TestRetryGivesUp(t *testing.T) {
	t.Parallel()
	errLast := scout.Errorf(scout.CodeModelDownload, "the last")
	tests := map[string]struct {
		policy       resilience.Policy
		results      func(int) error
		wantErr      error
		wantAttempts int
	}{
		"a permanent error is not repeated":            {results: always(errInput), wantErr: errInput, wantAttempts: 1},
		"a cancelled attempt is not repeated":          {results: always(errStop), wantErr: errStop, wantAttempts: 1},
		"an error without a code is not repeated":      {results: always(errBug), wantErr: errBug, wantAttempts: 1},
		"transient first, then permanent":              {results: func(n int) error { return []error{errNetwork, errNetwork, errInput}[n-1] }, wantErr: errInput, wantAttempts: 3},
		"the number of attempts":                       {policy: resilience.Policy{Attempts: 4}, results: always(errNetwork), wantErr: errNetwork, wantAttempts: 4},
		"one attempt":                                  {policy: resilience.Policy{Attempts: 1}, results: always(errNetwork), wantErr: errNetwork, wantAttempts: 1},
		"the error is that of the last attempt":        {policy: resilience.Policy{Attempts: 2}, results: func(n int) error { return []error{errNetwork, errLast}[n-1] }, wantErr: errLast, wantAttempts: 2},
		"a rule of its own repeats what it wants":      {policy: resilience.Policy{Attempts: 3, Retryable: func(err error) bool { return errors.Is(err, errBug) }}, results: always(errBug), wantErr: errBug, wantAttempts: 3},
		"a rule of its own stops what it wants":        {policy: resilience.Policy{Retryable: func(error) bool { return false }}, results: always(errNetwork), wantErr: errNetwork, wantAttempts: 1},
		"a pause asked for beyond the budget is final": {policy: resilience.Policy{Budget: time.Minute}, results: always(resilience.RetryAfter(errNetwork, 61*time.Second)), wantErr: errNetwork, wantAttempts: 1},
		"asking for a pause does not make it transient": {
			results: always(resilience.RetryAfter(errInput, time.Second)), wantErr: errInput, wantAttempts: 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pauses, err := attempts(t.Context(), test.policy, test.results)
				if !errors.Is(err, test.wantErr) || scout.CodeOf(err) != scout.CodeOf(test.wantErr) {
					t.Errorf("error %v, want %v", err, test.wantErr)
				}
				if got := len(pauses) + 1; got != test.wantAttempts {
					t.Errorf("%d attempts, want %d", got, test.wantAttempts)
				}
			})
		})
	}
}

func TestRetryHandsBackTheResultOfTheLastAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got, err := resilience.Retry(t.Context(), observe.Scope{}, resilience.Policy{Attempts: 3},
			func(context.Context) (string, error) { return "so far", errNetwork })
		if got != "so far" || !errors.Is(err, errNetwork) {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// Full jitter: every pause is drawn uniformly from zero to its bound. The mean of 1,000 uniform draws has a standard
// deviation of 1.8 % of its value, so 15 % is eight of them, and no quarter of the range is ever missed.
func TestRetryPausesHaveFullJitter(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy resilience.Policy
		bounds []time.Duration
	}{
		"the defaults: half a second, doubled, at most a minute": {
			policy: resilience.Policy{Budget: 24 * time.Hour, Attempts: 12},
			bounds: []time.Duration{
				500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
				32 * time.Second, time.Minute, time.Minute, time.Minute, time.Minute,
			},
		},
		"a first bound and a cap of its own": {
			policy: resilience.Policy{Initial: 10 * time.Millisecond, Max: 30 * time.Millisecond, Attempts: 5},
			bounds: []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 30 * time.Millisecond, 30 * time.Millisecond},
		},
		"a first bound beyond the cap": {
			policy: resilience.Policy{Initial: time.Hour, Max: time.Second, Attempts: 3},
			bounds: []time.Duration{time.Second, time.Second},
		},
	}
	const runs = 1000
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drawn := make([][]time.Duration, len(test.bounds))
			synctest.Test(t, func(t *testing.T) {
				for range runs {
					pauses, err := attempts(t.Context(), test.policy, always(errNetwork))
					if len(pauses) != len(test.bounds) || !errors.Is(err, errNetwork) {
						t.Fatalf("%d pauses with %v, want %d", len(pauses), err, len(test.bounds))
					}
					for i, pause := range pauses {
						drawn[i] = append(drawn[i], pause)
					}
				}
			})
			for i, bound := range test.bounds {
				var sum time.Duration
				var quarters [4]int
				for _, pause := range drawn[i] {
					if pause < 0 || pause >= bound {
						t.Fatalf("pause %d is %v, outside [0, %v)", i+1, pause, bound)
					}
					sum += pause
					quarters[4*pause/bound]++
				}
				if mean, half := sum/runs, bound/2; mean < half*85/100 || mean > half*115/100 {
					t.Errorf("pause %d: mean %v of %d, want about %v", i+1, mean, runs, half)
				}
				if slices.Contains(quarters[:], 0) {
					t.Errorf("pause %d: a quarter of [0, %v) was never drawn: %v", i+1, bound, quarters)
				}
			}
		})
	}
}

func TestRetryKeepsItsBudget(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy resilience.Policy
		budget time.Duration
		takes  time.Duration // each attempt
	}{
		"five minutes by default":           {budget: 5 * time.Minute},
		"a budget of its own":               {policy: resilience.Policy{Budget: 10 * time.Second}, budget: 10 * time.Second},
		"the attempts themselves use it up": {policy: resilience.Policy{Budget: 10 * time.Second}, budget: 10 * time.Second, takes: 3 * time.Second},
		"a single attempt may use it up":    {policy: resilience.Policy{Budget: time.Second}, budget: time.Second, takes: time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				n := 0
				_, err := attempts(t.Context(), test.policy, func(attempt int) error {
					n = attempt
					if at := time.Since(began); at > test.budget {
						t.Errorf("attempt %d began %v after the first, beyond %v", attempt, at, test.budget)
					}
					time.Sleep(test.takes)
					return errNetwork
				})
				if !errors.Is(err, errNetwork) {
					t.Errorf("error %v, want that of the last attempt", err)
				}
				if test.takes == 0 && n < 3 {
					t.Errorf("only %d attempts in %v", n, test.budget)
				}
				if spent := time.Since(began); spent > test.budget+test.takes {
					t.Errorf("took %v, more than %v and one attempt", spent, test.budget)
				}
			})
		})
	}
}

func TestRetryObeysRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := []time.Duration{7 * time.Second, 90 * time.Second, 0}
		pauses, err := attempts(t.Context(), resilience.Policy{}, func(n int) error {
			if n > len(asked) {
				return nil
			}
			return fmt.Errorf("get: %w", resilience.RetryAfter(errNetwork, asked[n-1]))
		})
		if err != nil || !slices.Equal(pauses, asked) {
			t.Errorf("pauses %v with %v, want exactly %v", pauses, err, asked)
		}
	})
	wrapped := resilience.RetryAfter(errNetwork, time.Second)
	if wrapped.Error() != errNetwork.Error() || scout.CodeOf(wrapped) != scout.CodeModelDownload || !errors.Is(wrapped, errNetwork) {
		t.Errorf("RetryAfter changed the error: %v", wrapped)
	}
}

func TestRetryStopsWithItsContext(t *testing.T) {
	t.Parallel()
	errGone := errors.New("the user pressed ^C")
	errLimit := scout.Errorf(scout.CodeEngineTimeout, "load took too long")
	tests := map[string]struct {
		cause    error // nil means plain cancellation
		deadline bool
		want     error // in the chain, beside the last attempt's error
		wantCode scout.Code
	}{
		"cancelled":                      {want: context.Canceled, wantCode: scout.CodeCancelled},
		"cancelled for a reason":         {cause: errGone, want: errGone, wantCode: scout.CodeCancelled},
		"ended by something with a code": {cause: errLimit, want: errLimit, wantCode: scout.CodeEngineTimeout},
		"deadline":                       {deadline: true, want: context.DeadlineExceeded, wantCode: scout.CodeDeadlineExceeded},
	}
	// start returns a context that ends after a second in the way the test wants.
	start := func(t *testing.T, cause error, deadline bool) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		t.Cleanup(func() { cancel(nil) })
		if deadline {
			ctx, stop := context.WithTimeout(ctx, time.Second)
			t.Cleanup(stop)
			return ctx
		}
		timer := time.AfterFunc(time.Second, func() { cancel(cause) })
		t.Cleanup(func() { timer.Stop() })
		return ctx
	}
	for name, test := range tests {
		t.Run(name+" while it waits", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx := start(t, test.cause, test.deadline)
				pauses, err := attempts(ctx, resilience.Policy{}, always(resilience.RetryAfter(errNetwork, time.Minute)))
				if !errors.Is(err, test.want) || !errors.Is(err, errNetwork) || scout.CodeOf(err) != test.wantCode {
					t.Errorf("error %v (code %s), want %v and %v (code %s)", err, scout.CodeOf(err), test.want, errNetwork, test.wantCode)
				}
				if len(pauses) != 0 || time.Since(began) != time.Second {
					t.Errorf("%d more attempts, ended after %v, want none after 1s", len(pauses), time.Since(began))
				}
			})
		})
		t.Run(name+" during an attempt", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := start(t, test.cause, test.deadline)
				pauses, err := attempts(ctx, resilience.Policy{}, func(int) error {
					<-ctx.Done()
					return errNetwork
				})
				if !errors.Is(err, test.want) || !errors.Is(err, errNetwork) || scout.CodeOf(err) != test.wantCode || len(pauses) != 0 {
					t.Errorf("error %v (code %s) after %d pauses, want %v (code %s)", err, scout.CodeOf(err), len(pauses), test.want, test.wantCode)
				}
			})
		})
		t.Run(name+" during an attempt that says so itself", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := start(t, test.cause, test.deadline)
				_, err := attempts(ctx, resilience.Policy{}, func(int) error {
					<-ctx.Done()
					return fmt.Errorf("read: %w", context.Cause(ctx))
				})
				if !errors.Is(err, test.want) || scout.CodeOf(err) != test.wantCode {
					t.Errorf("error %v (code %s), want %v (code %s)", err, scout.CodeOf(err), test.want, test.wantCode)
				}
			})
		})
		t.Run(name+" before the first attempt", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := start(t, test.cause, test.deadline)
				<-ctx.Done()
				_, err := attempts(ctx, resilience.Policy{}, func(int) error {
					t.Error("attempted")
					return nil
				})
				if !errors.Is(err, test.want) || scout.CodeOf(err) != test.wantCode {
					t.Errorf("error %v (code %s), want %v (code %s)", err, scout.CodeOf(err), test.want, test.wantCode)
				}
			})
		})
	}
	t.Run("an attempt that succeeds in spite of it is a success", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx := start(t, nil, false)
			_, err := attempts(ctx, resilience.Policy{}, func(int) error {
				<-ctx.Done()
				return nil
			})
			if err != nil {
				t.Errorf("error %v", err)
			}
		})
	})
}

func TestRetryLogsEachPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		scope := observe.NewScope(observe.NewLogger(&lines, observe.LogJSON, slog.LevelInfo), nil, nil)
		n := 0
		_, err := resilience.Retry(t.Context(), scope.Component("model"), resilience.Policy{}, func(context.Context) (struct{}, error) {
			if n++; n <= 2 {
				return struct{}{}, resilience.RetryAfter(errNetwork, time.Duration(n)*time.Second)
			}
			return struct{}{}, nil
		})
		if err != nil {
			t.Fatalf("error %v", err)
		}
		type entry struct {
			Msg       string `json:"msg"`
			Level     string `json:"level"`
			Component string `json:"component"`
			Attempt   int    `json:"attempt"`
			Code      string `json:"code"`
			Error     string `json:"error"`
			PauseMS   int    `json:"pause_ms"`
		}
		var got []entry
		for line := range strings.Lines(lines.String()) {
			var e entry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("log line %q: %v", line, err)
			}
			got = append(got, e)
		}
		want := []entry{
			{resilience.EventRetry, "WARN", "model", 1, "model_download_failed", "connection reset", 1000},
			{resilience.EventRetry, "WARN", "model", 2, "model_download_failed", "connection reset", 2000},
		}
		if !slices.Equal(got, want) {
			t.Errorf("logged %+v, want %+v", got, want)
		}
	})
}

// Both together: an engine that stays broken is called three times and then left alone. A refusal of the breaker means
// "later" and counts as transient.
func TestRetryAroundABreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		breaker := newBreaker(resilience.BreakerOptions{})
		asked, broken := 0, true
		n := 0
		_, err := resilience.Retry(t.Context(), observe.Scope{}, resilience.Policy{Budget: time.Hour}, func(ctx context.Context) (struct{}, error) {
			n++
			return struct{}{}, breaker.Do(ctx, func(context.Context) error {
				if asked++; asked == 3 {
					broken = false // the fault disappears while the breaker is open
				} else if !broken {
					return nil
				}
				return errCrash
			})
		})
		if err != nil || asked != 4 || n <= 4 {
			t.Errorf("error %v, asked %d times in %d attempts, want success at the fourth, refusals between", err, asked, n)
		}
	})
}

func TestPausesOfAttemptsThatAreRememberedElsewhere(t *testing.T) {
	t.Parallel()
	failed := scout.Errorf(scout.CodeEngineCrashed, "crashed")
	policy := resilience.Policy{Initial: time.Second, Max: 10 * time.Second}
	for attempts, bound := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 1000: 10 * time.Second} {
		longest := time.Duration(0)
		for range 2000 {
			pause := resilience.Pause(policy, attempts, failed)
			if pause < 0 || pause >= bound {
				t.Fatalf("%s after %d attempts, want less than %s", pause, attempts, bound)
			}
			longest = max(longest, pause)
		}
		if longest < bound/2 {
			t.Errorf("at most %s after %d attempts, want up to %s", longest, attempts, bound)
		}
	}
	if pause := resilience.Pause(policy, 1, resilience.RetryAfter(failed, time.Minute)); pause != time.Minute {
		t.Errorf("%s, want what the other side asked for", pause)
	}
}
