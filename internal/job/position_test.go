package job_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// counted is a store that counts how often the line is read.
type counted struct {
	store.Store
	lines atomic.Int32
}

// Line implements store.Store.
func (c *counted) Line(ctx context.Context, limit int) ([]store.Job, error) {
	c.lines.Add(1)
	return c.Store.Line(ctx, limit)
}

// However many ask for places, they are found once for each change, and nobody gets one of before a change.
func TestPlacesAreFoundOnceForEachChange(t *testing.T) {
	t.Parallel()
	clock := new(storetest.Clock)
	clock.Set(time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC))
	st := &counted{Store: open(t, clock.Now)}
	q := job.New(job.Options{Store: st, Now: clock.Now, Kinds: map[string]job.Work{job.KindTranscribe: func(context.Context, *job.Claimed) error { return nil }}})
	add(t, q, job.Order{Client: "a", Length: time.Hour})
	add(t, q, job.Order{Client: "a", Length: time.Hour})
	low := add(t, q, job.Order{Client: "b", Length: time.Hour, Priority: job.Low})
	asked := int32(0)
	is := func(want int, what string) {
		t.Helper()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if at, err := q.Position(t.Context(), &low); err != nil || at != want {
					t.Errorf("%s: place %d (%v), want %d", what, at, err, want)
				}
			})
		}
		all.Wait()
		if asked++; st.lines.Load() != asked {
			t.Errorf("%s: the line was read %d times, want %d", what, st.lines.Load(), asked)
		}
	}
	is(3, "at first")
	urgent := add(t, q, job.Order{Client: "c", Priority: job.Interactive, Length: time.Minute})
	is(4, "behind another job")
	if err := st.Update(t.Context(), func(tx store.Tx) error { return tx.RemoveJob(urgent.ID) }); err != nil {
		t.Fatal(err)
	}
	is(3, "after a change that the queue did not make")
	c, err := q.Claim(t.Context())
	if err != nil || c == nil {
		t.Fatalf("claim: %v, %v", c, err)
	}
	is(2, "after one was begun")
	clock.Set(clock.Now().Add(job.RaisedEvery))
	is(2, "after both were raised")
	if err := c.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	is(2, "after one was given back, which has waited less")
	clock.Set(clock.Now().Add(job.RaisedEvery))
	is(2, "raised to the most urgent class, where the first one is")
	if c, err = q.Claim(t.Context()); err != nil || c == nil {
		t.Fatalf("claim: %v, %v", c, err)
	}
	is(1, "while a job of the other client runs")
}

// What is cancelled while it runs is paid for as far as it was done, and no more.
func TestAJobThatIsCancelledIsNotPaidForInFull(t *testing.T) {
	t.Parallel()
	st := open(t, time.Now)
	began := make(chan string)
	q := works(t, job.Options{Store: st, AtOnce: 1}, func(ctx context.Context, c *job.Claimed) error {
		began <- c.Job.ID
		if c.Job.Length == time.Hour {
			<-ctx.Done()
			return ctx.Err()
		}
		return st.Update(ctx, func(tx store.Tx) error { return c.Finish(tx, 1) })
	})
	q.Limit(1) // no other one besides it
	long := add(t, q, job.Order{Client: "a", Length: time.Hour})
	take(t, began, "the long job")
	other := add(t, q, job.Order{Client: "b", Length: time.Minute})
	last := add(t, q, job.Order{Client: "b", Length: time.Minute})
	second := add(t, q, job.Order{Client: "a", Length: 2 * time.Minute})
	if _, err := q.Cancel(t.Context(), long.ID); err != nil {
		t.Fatal(err)
	}
	for i, want := range []store.Job{other, second, last} {
		if got := take(t, began, "the next job"); got != want.ID {
			t.Errorf("job %d is %s, want %s", i, got, want.ID)
		}
	}
}
