package resilience

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

// Policy says how often and for how long an operation is attempted. The zero value means the
// defaults beside each field.
type Policy struct {
	// Initial is the upper bound of the first pause; default 500 ms. Each further bound doubles.
	Initial time.Duration
	// Max caps the bound of a single pause; default 60 s (S6).
	Max time.Duration
	// Budget is the total time, first attempt to last; default 5 minutes. No attempt starts after it.
	Budget time.Duration
	// Attempts bounds the number of attempts, the first included; 0 leaves it to the budget.
	Attempts int
	// Retryable reports whether an error is worth another attempt; nil means that scout.ClassOf decides (transient).
	Retryable func(error) bool
}

const (
	defaultInitial = 500 * time.Millisecond
	defaultMax     = 60 * time.Second
	defaultBudget  = 5 * time.Minute
)

// Retry calls operation until it succeeds, fails permanently, or the policy or ctx ends it. Between attempts it waits
// for a time drawn uniformly from zero to a bound that doubles ("full jitter", Marc Brooker, "Exponential Backoff And
// Jitter", AWS Architecture Blog, 2015), or exactly as long as a RetryAfter error asks. The error is that of the last
// attempt. If ctx ended, the error carries the code of that end (scout.CodeCancelled, scout.CodeDeadlineExceeded, or
// that of the cause) around the cause of ctx and the last attempt's error. If ctx has already ended, nothing is
// attempted.
func Retry[T any](ctx context.Context, s observe.Scope, policy Policy, operation func(context.Context) (T, error)) (T, error) {
	retryable := policy.Retryable
	if retryable == nil {
		retryable = func(err error) bool { return scout.ClassOf(err) == scout.Transient }
	}
	if ctx.Err() != nil {
		var none T
		return none, ended(ctx, nil)
	}
	var last error
	attempt := 0
	result, err := backoff.Retry(ctx, func() (T, error) {
		attempt++
		result, err := operation(ctx)
		last = err
		if err == nil || retryable(err) {
			return result, asBackoff(err)
		}
		return result, backoff.Permanent(err)
	},
		backoff.WithBackOff(newFullJitter(policy)),
		backoff.WithMaxElapsedTime(orDefault(policy.Budget, defaultBudget)),
		backoff.WithMaxTries(uint(max(policy.Attempts, 0))),
		backoff.WithNotify(func(err error, pause time.Duration) {
			s.Log().Warn(EventRetry, slog.Int(observe.KeyAttempt, attempt),
				slog.String(observe.KeyCode, string(scout.CodeOf(last))), slog.String(observe.KeyError, last.Error()),
				slog.Int64("pause_ms", pause.Milliseconds()))
		}),
	)
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return result, ended(ctx, last)
	}
	return result, last
}

// ended returns the error of an operation that its context ended, with the code of that end. last is the error of the
// previous attempt, nil if there was none.
func ended(ctx context.Context, last error) error {
	code, cause := scout.CodeOf(ctx.Err()), context.Cause(ctx)
	var coded *scout.Error
	if errors.As(cause, &coded) {
		code = coded.Code()
	}
	switch {
	case last == nil:
		return scout.Errorf(code, "not attempted: %w", cause)
	case scout.CodeOf(last) == code && errors.Is(last, cause):
		return last
	}
	return scout.Errorf(code, "%w; the last attempt: %w", cause, last)
}

// RetryAfter wraps err with the pause that the other side asked for, or that it is asked for: errors.As finds it as an
// interface{ RetryAfter() time.Duration }. It does not change the class of err: a permanent
// error is not repeated. A pause beyond the budget ends the attempts.
func RetryAfter(err error, pause time.Duration) error {
	return &retryAfterError{err: err, pause: pause}
}

type retryAfterError struct {
	err   error
	pause time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// RetryAfter is the pause.
func (e *retryAfterError) RetryAfter() time.Duration { return e.pause }

// asBackoff adds the library's own retry-after error if ours is in the chain.
func asBackoff(err error) error {
	var after *retryAfterError
	if errors.As(err, &after) {
		return errors.Join(err, &backoff.RetryAfterError{Duration: after.pause})
	}
	return err
}

// fullJitter draws each pause uniformly from [0, bound) while the bound grows exponentially.
type fullJitter struct {
	bound *backoff.ExponentialBackOff
}

func newFullJitter(policy Policy) *fullJitter {
	bound := backoff.NewExponentialBackOff()
	bound.MaxInterval = orDefault(policy.Max, defaultMax)
	bound.InitialInterval = min(orDefault(policy.Initial, defaultInitial), bound.MaxInterval)
	bound.Multiplier = 2
	bound.RandomizationFactor = 0
	return &fullJitter{bound: bound}
}

// NextBackOff draws the next pause. newFullJitter ensures a bound of at least a nanosecond.
func (j *fullJitter) NextBackOff() time.Duration {
	return rand.N(j.bound.NextBackOff())
}

// Reset sets the bound back to the first one.
func (j *fullJitter) Reset() { j.bound.Reset() }

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// Pause returns how long to wait after so many failed attempts, the last of which ended with err: as Retry does, for work whose
// attempts are remembered elsewhere.
func Pause(policy Policy, failed int, err error) time.Duration {
	var after *retryAfterError
	if errors.As(err, &after) {
		return after.pause
	}
	bound, most := orDefault(policy.Initial, defaultInitial), orDefault(policy.Max, defaultMax)
	for range failed - 1 {
		if bound *= 2; bound >= most {
			break
		}
	}
	return rand.N(min(bound, most))
}
