package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/pool"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/resilience"
)

// recording counts, times and logs the outcomes of requests, and remembers the last one.
type recording struct {
	record *record
	next   transcriber
}

func (r *recording) transcribe(ctx context.Context, a *attempt) (*scout.Hypothesis, error) {
	h, err := r.next.transcribe(ctx, a)
	r.record.note(a.Class, a.spent, err)
	if err != nil {
		return nil, err
	}
	for _, reason := range h.Again {
		r.record.again.WithLabelValues(string(reason)).Inc()
	}
	return h, nil
}

// record has the outcomes of requests.
type record struct {
	scope    observe.Scope
	requests *metric.HistogramVec
	failures *metric.CounterVec
	again    *metric.CounterVec

	mu       sync.Mutex
	lastGood time.Time
	lastErr  error
	failed   func() // told of each failure that is the engine's; nil for nobody
}

func newRecord(s observe.Scope, failed func()) *record {
	r := &record{
		scope: s, failed: failed,
		requests: observe.Register(s, metric.NewHistogramVec(metric.HistogramOpts{
			Name: "scout_engine_request_seconds", Help: "Time of one request to the engine, without the wait for a slot.",
			Buckets: observe.LatencyBuckets(),
		}, []string{"priority", "outcome"})),
		failures: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_engine_failures_total", Help: "Requests that failed in the engine, by error code.",
		}, []string{"code"})),
		again: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_engine_second_decodes_total", Help: "What the engine heard or decoded again within a request, by the reason: length, repeats, doubtful, language (heard with more silence to be sure of it), or silence (nobody speaks, said the model, and was not certain).",
		}, []string{"reason"})),
	}
	for _, reason := range scout.AgainReasons() { // there from the start, so that rates can be computed
		r.again.WithLabelValues(string(reason))
	}
	return r
}

// refused reports whether a request was refused before an engine saw it, because too many wait, no model may be loaded, or loading took too
// long where nobody waited for it.
func refused(err error) bool {
	var busy *schedule.BusyError
	var held *pool.HeldError
	var late *lateError
	return errors.As(err, &busy) || errors.As(err, &held) || errors.As(err, &late)
}

// note records the outcome of a request. A request that was refused, or that was cancelled, says nothing about the engine.
func (r *record) note(class schedule.Class, took time.Duration, err error) {
	outcome := "ok"
	switch {
	case err == nil:
		r.set(nil)
	case refused(err):
		outcome = "busy"
	case scout.ClassOf(err) == scout.Cancelled:
		outcome = "cancelled"
	default:
		outcome = "failed"
		r.set(err)
	}
	r.requests.WithLabelValues(class.String(), outcome).Observe(took.Seconds())
	if outcome == "failed" {
		code := string(scout.CodeOf(err))
		r.failures.WithLabelValues(code).Inc()
		r.scope.Log().Warn(pool.EventEngineFailed, slog.String(observe.KeyCode, code),
			slog.String(observe.KeyError, err.Error()), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
	}
}

// set remembers the last outcome. An input that no engine could take proves that this one works. What the breaker refused never reached
// the engine: why it failed before is what counts.
func (r *record) set(err error) {
	if scout.CodeOf(err) == scout.CodeEngineUnavailable {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.lastGood = time.Now()
	}
	if scout.ClassOf(err) == scout.Permanent && scout.CodeOf(err) != scout.CodeInternal && !engineCode(scout.CodeOf(err)) {
		err = nil
	}
	r.lastErr = err
	if err != nil && r.failed != nil {
		r.failed()
	}
}

// engineCode reports whether a permanent failure is the engine's and not that of its input.
func engineCode(code scout.Code) bool {
	switch code {
	case scout.CodeEngineMissing, scout.CodeEngineFailed, scout.CodeModelCorrupt, scout.CodeModelUnsupported, scout.CodeModelNotInstalled:
		return true
	}
	return false
}

// last returns when a request last succeeded, and why the last one failed.
func (r *record) last() (good time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastGood, r.lastErr
}

// breaking refuses requests to an engine that keeps failing.
type breaking struct {
	breaker *resilience.Breaker
	next    transcriber
}

// errNeutral does not count for the breaker.
var errNeutral = scout.Errorf(scout.CodeCancelled, "refused before the engine saw it")

func (b *breaking) transcribe(ctx context.Context, a *attempt) (h *scout.Hypothesis, err error) {
	var before error
	err = b.breaker.Do(ctx, func(ctx context.Context) error {
		var err error
		h, err = b.next.transcribe(ctx, a)
		if refused(err) {
			before = err
			return errNeutral
		}
		return err
	})
	if before != nil {
		return nil, before
	}
	return h, err
}
