package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

// retrying repeats a request whose process ended. It distinguishes bad audio from a bad engine and from a bad
// neighbour.
//
// A process that ends takes all its requests with it, and nothing shows which of them ended it. So a request that had
// company is repeated alone, without being counted. A request that ends the process while it is alone is counted. Twice
// is proof, if the engine then passes a self-test. A request that had not been sent yet is not involved.
// docs/adr/0031-innocent-requests.md.
type retrying struct {
	scope observe.Scope
	next  transcriber
	// proven reports whether a request is guilty, if an engine works without it; nil for twiceAlone. A test tries another rule.
	proven func(verdict) bool
}

const (
	// proof is how often a request must end the process alone before it is set aside.
	proof = 2
	// mostUnsent bounds how often a process may end before a request was even sent, or because somebody stopped it.
	mostUnsent = 4
	// mostStarts bounds how often a process may fail to start.
	mostStarts = 2
)

// verdict is what is known about a request after some attempts.
type verdict struct{ alone, shared, unsent, stopped, starts int }

// twiceAlone is the rule of docs/adr/0031-innocent-requests.md.
func twiceAlone(v verdict) bool { return v.alone >= proof }

// again records the end of an attempt and reports whether to try another one.
func (v *verdict) again(err error, a *attempt, proven func(verdict) bool) bool {
	var end *process.EndError
	switch {
	case errors.As(err, &end) && scout.CodeOf(end.Err) == scout.CodeEngineClosed:
		return false // by us
	case process.Stopped(err): // by somebody
		v.stopped++
		return v.stopped < mostUnsent
	case errors.As(err, &end) && !end.Sent:
		v.unsent++
		return v.unsent < mostUnsent
	case errors.As(err, &end) && end.Alone:
		v.alone++
		a.exclusive = true
		return !proven(*v)
	case errors.As(err, &end):
		v.shared++
		a.exclusive = true
		return v.shared < mostUnsent // once, if exclusive turns work
	case scout.CodeOf(err) == scout.CodeEngineStart:
		v.starts++
		return v.starts < mostStarts
	}
	return false
}

func (r *retrying) transcribe(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	var v verdict
	proven := r.proven
	if proven == nil {
		proven = twiceAlone
	}
	// ctx limits how long it may wait for its turn between two attempts.
	policy := resilience.Policy{Initial: 200 * time.Millisecond, Max: time.Second, Budget: 24 * time.Hour, Retryable: func(err error) bool { return v.again(err, a, proven) }}
	h, err := resilience.Retry(ctx, r.scope, policy, func(ctx context.Context) (*scout.Hypothesis, error) {
		return r.next.transcribe(ctx, a)
	})
	if err == nil || ctx.Err() != nil || !proven(v) {
		return h, err
	}
	if testErr := r.selfTest(ctx, a.Class); testErr != nil {
		if scout.CodeOf(testErr) == scout.CodeOf(err) {
			return nil, err // it is complete
		}
		return nil, errors.Join(err, fmt.Errorf("self-test: %w", testErr))
	}
	aside := scout.Errorf(scout.CodeAudioSetAside, "%.1f s of audio ended the engine %d times: %w", a.Audio().Seconds(), v.alone, err)
	return nil, aside
}

// selfTest proves that a fresh process answers an ordinary request.
func (r *retrying) selfTest(ctx context.Context, class schedule.Class) error {
	request := selfTestRequest(class)
	_, err := r.next.transcribe(ctx, &attempt{Request: &request, exclusive: true})
	return err
}
