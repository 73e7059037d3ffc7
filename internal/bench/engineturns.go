package bench

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/resilience"
)

// workers sends the pieces to e from n goroutines at once and waits for all answers.
func (r *engineRun) workers(ctx context.Context, e *engine.Engine, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pieces := make(chan []float32)
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			for piece := range pieces {
				if _, err := e.Transcribe(ctx, engine.Request{Samples: piece}); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, piece := range r.Pieces {
		pieces <- piece
	}
	close(pieces)
	group.Wait()
	return context.Cause(ctx)
}

// slots measures the gain of a second slot.
func (r *engineRun) slots(ctx context.Context) error {
	e, _, err := r.open(ctx, Scout, 2, 0)
	if err != nil {
		return err
	}
	defer e.Close()
	var times [2][]time.Duration
	for range 3 {
		for slots := 1; slots <= 2; slots++ {
			took, err := timed(func() error { return r.workers(ctx, e, slots) })
			if err != nil {
				return err
			}
			times[slots-1] = append(times[slots-1], took)
		}
	}
	one, two := median(times[0]), median(times[1])
	f := Figure{ID: "two_lanes", Name: "two slots against one, pieces a second", Unit: UnitTimes, AtLeast: true, Value: one / two, Bound: 1.5}
	if runtime.NumCPU() < 2 {
		f.Bound = 0
	}
	r.report.add(f)
	r.report.memory(Figure{ID: "two_lanes_peak", Name: "  peak of the engine", Bound: 170}, peakOf(e), 0)
	return nil
}

// beside measures an interactive request of 3 s beside batch work, which has one slot, or both until it is
// interrupted.
func (r *engineRun) beside(ctx context.Context) error {
	for _, c := range []struct {
		id, name string
		slots    int
	}{
		{"beside_one", "3 s for somebody who waits, beside a busy slot", 1},
		{"beside_two", "  beside two, one of which it interrupts", 2},
	} {
		e, _, err := r.open(ctx, Scout, c.slots, time.Nanosecond)
		if err != nil {
			return err
		}
		alone, beside, err := r.besideBatch(ctx, e, c.slots)
		e.Close()
		if err != nil {
			return err
		}
		r.report.add(Figure{
			ID: c.id, Name: c.name, Unit: UnitTimes, Value: median(beside) / median(alone), Bound: 1.6,
			Scout: median(beside), Yardstick: median(alone), Against: "alone",
		})
	}
	return nil
}

func (r *engineRun) besideBatch(ctx context.Context, e *engine.Engine, slots int) (alone, beside []time.Duration, err error) {
	request := engine.Request{Samples: r.Clip[:min(len(r.Clip), 3*scout.EngineSampleRateHz)], Class: schedule.Interactive}
	if _, err := e.Transcribe(ctx, request); err != nil {
		return nil, nil, err
	}
	several := func(times *[]time.Duration) error {
		for range r.Rounds {
			if _, err := transcribe(ctx, e, request, times); err != nil {
				return err
			}
			// A person who dictates pauses. Batch work continues meanwhile, on both slots if it may have them.
			if err := resilience.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	}
	for range 3 {
		if err := several(&alone); err != nil {
			return nil, nil, err
		}
		busy, stop := context.WithCancelCause(ctx)
		failed := make(chan error, 1)
		go func() {
			for {
				if err := r.workers(busy, e, slots); err != nil {
					failed <- err
					return
				}
			}
		}()
		err := several(&beside)
		stop(errEnough)
		if ended := <-failed; err == nil && !isEnough(ended) {
			err = ended
		}
		if err != nil {
			return nil, nil, err
		}
		if err := e.Quiet(ctx); err != nil {
			return nil, nil, err
		}
	}
	return alone, beside, nil
}
