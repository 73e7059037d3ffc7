package job_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

// still is a store with one job, in which changes change nothing.
type still struct{ store.Store }

// Job implements store.Store.
func (still) Job(context.Context, string) (store.Job, error) {
	return store.Job{ID: "job_a", State: store.JobQueued}, nil
}

// Update implements store.Store.
func (still) Update(context.Context, func(store.Tx) error) error { return nil }

// However often the queue changes, who watches reads a job no oftener than was asked for, and behind a pause at once.
func TestWhoWatchesReadsNoOftenerThanAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const every, busy = 500 * time.Millisecond, 10 * time.Second
		q := queueOf(still{}, job.Limits{})
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*busy)
		defer cancel()
		go func() { // ended by its last change
			for time.Since(began) < busy {
				time.Sleep(10 * time.Millisecond)
				_ = q.Hold(ctx, false) // nothing fails
			}
			time.Sleep(busy / 2)
			_ = q.Hold(ctx, false)
		}()
		var at []time.Duration
		for _, err := range q.Watch(ctx, "job_a", every) {
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(began))
		}
		for i, later := range at {
			if i > 0 && later-at[i-1] < every {
				t.Errorf("read after %v and after %v, want %v between them", at[i-1], later, every)
			}
		}
		if len(at) < 20 {
			t.Errorf("read %d times in %v of changes", len(at), busy)
		}
		if last := at[len(at)-1]; last != busy+busy/2 {
			t.Errorf("a change %v after the beginning was read at %v", busy+busy/2, last)
		}
		if took := time.Since(began); took != 2*busy {
			t.Errorf("it ended after %v, and its context after %v", took, 2*busy)
		}
	})
}
