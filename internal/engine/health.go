package engine

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/health"
)

// States of an engine in the metadata of its health.
const (
	StateUnloaded = "unloaded"
	StateLoading  = "loading"
	StateLoaded   = "loaded"
	StateStalled  = "stalled"
	StateFailed   = "failed"
	StateResting  = "resting"
)

// Check returns the health check of this engine. It has no side effects: it loads no model, changes no clock, writes no
// log. SelfTest is the active test of the engine.
func (e *Engine) Check() health.Check {
	return health.Check{Name: "engine", Critical: true, Probe: func(context.Context) health.Result { return e.Health() }}
}

// Health is the result of the check.
func (e *Engine) Health() health.Result {
	s := e.State()
	result := health.Result{Status: health.Healthy, Metadata: map[string]string{
		"model": e.options.Model.ID, "model_size": strconv.FormatInt(e.options.Model.SizeBytes, 10),
		"breaker": s.Breaker, "starts": strconv.Itoa(s.Starts),
		"resident_bytes": strconv.FormatUint(s.ResidentBytes, 10),
	}}
	age := "no request yet"
	if !s.LastGood.IsZero() {
		age, result.Metadata["last_success_seconds"] = LastSuccess(s.LastGood)
	}
	state, reason := StateUnloaded, age
	switch {
	case e.breaker.Open():
		state, reason = StateResting, "the engine failed several times in a row"
		if s.LastError != nil {
			reason += ": " + scout.Plain(s.LastError)
		}
	case s.Stalled >= e.options.SuspectAfter:
		state, reason = StateStalled, fmt.Sprintf("a request has made no progress for %s", s.Stalled.Round(time.Second))
	case e.suspended():
		state, reason = StateStalled, fmt.Sprintf("the engine (process %d) was stopped from outside (SIGSTOP)", s.PID)
	case s.LastError != nil:
		state, reason = StateFailed, scout.Plain(s.LastError)
	case s.Running:
		state = StateLoaded
	case !s.Loading.IsZero():
		state, reason = StateLoading, fmt.Sprintf("loading the model for %s; %s", time.Since(s.Loading).Round(time.Second), age)
	}
	result.Metadata["state"], result.Reason = state, reason
	switch state {
	case StateResting, StateStalled, StateFailed:
		result.Status = health.Unhealthy
	}
	return result
}

// LastSuccess describes when a request last succeeded, for the reason and the metadata of health.
func LastSuccess(at time.Time) (reason, seconds string) {
	since := time.Since(at).Round(time.Second)
	return fmt.Sprintf("last success %s ago", since), strconv.FormatFloat(since.Seconds(), 'f', 0, 64)
}

// suspended reports whether the process that has the model loaded does not run at all. An idle one says nothing, so the system is
// asked.
func (e *Engine) suspended() bool {
	p := e.model.State().Process
	return p != nil && p.Suspended()
}

// SelfTest decodes one second of a quiet tone. It loads the model if necessary, and records the outcome like that of a
// request.
func (e *Engine) SelfTest(ctx context.Context) error {
	request := selfTestRequest(schedule.Interactive)
	return e.test(ctx, &request, e.turns)
}

// Prove decodes a request whose text is known, and judges what was heard; it records the outcome like that of a request. While the
// breaker is half-open, this is its probe; while it is open, Prove fails with scout.CodeEngineUnavailable.
func (e *Engine) Prove(ctx context.Context, request Request, judge func(*scout.Hypothesis) error) error {
	return e.test(ctx, &request, &breaking{breaker: e.breaker, next: &judging{judge: judge, next: e.turns}})
}

// test runs a request without the decorators that repeat it.
func (e *Engine) test(ctx context.Context, request *Request, next transcriber) error {
	ctx, leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = (&recording{record: e.record, next: next}).transcribe(ctx, &attempt{Request: request})
	return err
}

// Unload ends the process if nobody uses it, and does not wait for its end.
func (e *Engine) Unload() { e.model.Unload() }

// judging fails a request whose text is wrong.
type judging struct {
	judge func(*scout.Hypothesis) error
	next  transcriber
}

func (j *judging) transcribe(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	h, err := j.next.transcribe(ctx, a)
	if err != nil {
		return nil, err
	}
	if err := j.judge(h); err != nil {
		return nil, err
	}
	return h, nil
}

// selfTestRequest returns one second of a quiet tone, which every model can decode and none takes for speech.
func selfTestRequest(class schedule.Class) Request {
	samples := make([]float32, scout.EngineSampleRateHz)
	for i := range samples {
		samples[i] = float32(0.01 * math.Sin(2*math.Pi*440*float64(i)/scout.EngineSampleRateHz))
	}
	return Request{Samples: samples, Class: class}
}
