package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/pool"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

// TestDictationTakesTheSlotOfAnotherModel has two models that share one slot and a pool. A dictation for one does not
// wait for a file in the other, which is decoded again.
func TestDictationTakesTheSlotOfAnotherModel(t *testing.T) {
	t.Parallel()
	scheduler := schedule.New(observe.Scope{}, schedule.Options{Slots: 1})
	models := pool.New(observe.Scope{}, pool.Options{})
	t.Cleanup(models.Close)
	share := func(o *engine.Options) { o.Scheduler, o.Pool = scheduler, models }
	fast, accurate := newFaulty(t, share), newFaulty(t, share)
	for _, e := range []*engine.Engine{fast, accurate} {
		if _, err := e.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var file sync.WaitGroup
	file.Go(func() {
		if _, err := accurate.Transcribe(ctx, request(waits)); scout.CodeOf(err) != scout.CodeCancelled {
			t.Errorf("the file: %v", err)
		}
	})
	for range 5 {
		r := request(works)
		r.Class = schedule.Dictation
		if _, err := fast.Transcribe(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	cancel()
	file.Wait()
	if starts := fast.State().Starts + accurate.State().Starts; starts != 2 {
		t.Errorf("%d starts: nothing had to be killed", starts)
	}
}

// TestDictationHasAShortDeadline: a person waits for a dictation.
func TestDictationHasAShortDeadline(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, func(o *engine.Options) { o.RequestBase, o.DictationBase = time.Hour, 200*time.Millisecond })
	r := request(hangs)
	r.Class = schedule.Dictation
	if _, err := e.Transcribe(t.Context(), r); scout.CodeOf(err) != scout.CodeAudioSetAside { // in the time of this test
		t.Error(err)
	}
}

// TestBusyEngineIsNotABrokenOne checks that requests refused because too many wait do not open the breaker or change
// the health.
func TestBusyEngineIsNotABrokenOne(t *testing.T) {
	t.Parallel()
	scheduler := schedule.New(observe.Scope{}, schedule.Options{Slots: 1, MostWaiting: 1})
	e := newFaulty(t, func(o *engine.Options) {
		o.Scheduler, o.Breaker = scheduler, resilience.BreakerOptions{Consecutive: 2}
	})
	if err := e.SelfTest(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	refused := make(chan error, 10)
	for range 10 {
		others.Go(func() {
			if _, err := e.Transcribe(ctx, request(waits)); scout.CodeOf(err) != scout.CodeCancelled {
				refused <- err
			}
		})
	}
	for range 8 { // one is decoded, one waits, the others are refused
		err := <-refused
		var busy *schedule.BusyError
		if !errors.As(err, &busy) || busy.After < time.Second {
			t.Errorf("%v", err)
		}
	}
	if s := e.State(); s.Breaker != "closed" || s.LastError != nil {
		t.Errorf("%+v", s)
	}
	cancel()
	others.Wait()
}

// TestSpanReachesTheProcess checks that a request carries the name of its span.
func TestSpanReachesTheProcess(t *testing.T) {
	t.Parallel()
	e := newFaulty(t, nil)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled})
	for want, ctx := range map[string]context.Context{
		"": t.Context(),
		"00-01020000000000000000000000000000-0300000000000000-01": trace.ContextWithSpanContext(t.Context(), span),
	} {
		if h, err := e.Transcribe(ctx, request(echoes)); err != nil || h.Text != want {
			t.Errorf("%v, %v: want %q", h, err, want)
		}
	}
}
