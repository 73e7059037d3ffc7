package jobtest

import (
	"context"
	"errors"

	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

// interposed is a store in which something happens right after a change was committed.
type interposed struct {
	store.Store
	after func()
}

// Update implements store.Store.
func (i *interposed) Update(ctx context.Context, change func(tx store.Tx) error) error {
	err := i.Store.Update(ctx, change)
	if after := i.after; after != nil {
		i.after = nil
		after()
	}
	return err
}

// interpose has something done after the next change. The queue is another process from then on.
func (b *bench) interpose() *interposed {
	i := &interposed{Store: b.store}
	b.store = i
	b.again(job.Limits{})
	return i
}

// stopping notes why the work of an attempt is ended; the cause is nil as long as it is not.
func stopping(c *job.Claimed) *error {
	cause := new(error)
	c.OnStop(func(err error) { *cause = err })
	return cause
}

// races are tests of what happens to a job at the same moment.
func races() map[string]func(*bench) {
	return map[string]func(*bench){
		"cancelling ends the attempt that ran, and not the one after it": func(b *bench) {
			between := b.interpose()
			j := b.submit("a", order("a", job.Normal, short))
			before := stopping(b.begin("a"))
			var next *job.Claimed
			var after *error
			between.after = func() {
				if _, err := b.Retry(b.Context(), j.ID); err != nil {
					b.Fatal(err)
				}
				next = b.begin("a")
				after = stopping(next)
			}
			if _, err := b.Cancel(b.Context(), j.ID); err != nil {
				b.Fatal(err)
			}
			if *before == nil || *after != nil {
				b.Errorf("the attempt that was cancelled was ended with %v, and the next one with %v", *before, *after)
			}
			b.finish(next)
		},
		"holding back reaches the attempt that ran, and not the one after it": func(b *bench) {
			between := b.interpose()
			j := b.submit("a", order("a", job.Normal, short))
			before := b.begin("a")
			var next *job.Claimed
			between.after = func() {
				if _, err := b.Resume(b.Context(), j.ID); err != nil {
					b.Fatal(err)
				}
				next = b.begin("a")
			}
			b.pause(j.ID)
			if !before.Held() || next.Held() {
				b.Errorf("the attempt that was held back knows of it: %t; the next one: %t", before.Held(), next.Held())
			}
			b.finish(next)
		},
		"an attempt that was held back is ended when the job goes on": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			before := stopping(b.begin("a"))
			b.pause(j.ID)
			if *before != nil {
				b.Errorf("it was ended with %v: what it is at is lost", *before)
			}
			for range 2 { // a job that waits goes on anyway
				if _, err := b.Resume(b.Context(), j.ID); err != nil {
					b.Fatal(err)
				}
			}
			if !errors.Is(*before, job.ErrLost) {
				b.Errorf("it was ended with %v, want %v", *before, job.ErrLost)
			}
			next := b.begin("a")
			after := stopping(next)
			if _, err := b.Resume(b.Context(), j.ID); err != nil || *after != nil {
				b.Errorf("a job that runs was ended with %v (%v) by letting it go on", *after, err)
			}
			b.finish(next)
		},
		"attempts have lost their jobs when another store is open, whatever it says of them": func(b *bench) {
			id := b.recording()
			o := order("a", job.Normal, short)
			o.Recording = id
			older := b.submit("a", o) // as the older database has it
			c := b.begin("a")
			stopped := stopping(c)
			if err := b.store.Update(b.Context(), func(tx store.Tx) error { return tx.PutJob(&older) }); err != nil {
				b.Fatal(err)
			}
			b.Reopened(b.Context())
			if !errors.Is(*stopped, job.ErrLost) {
				b.Errorf("the work was ended with %v, want %v", *stopped, job.ErrLost)
			}
			next := b.begin("a")
			if next.Job.Run != c.Job.Run {
				b.Fatalf("run %d, want %d again: the test does not show what it is for", next.Job.Run, c.Job.Run)
			}
			b.lost(c, id)
			after := stopping(next)
			b.Reopened(b.Context()) // the next one is no exception
			if !errors.Is(*after, job.ErrLost) {
				b.Errorf("the work was ended with %v, want %v", *after, job.ErrLost)
			}
			b.want(next.Job.ID, store.JobQueued, 0)
			if err := b.commit(b.begin("a"), id, nil); err != nil {
				b.Fatal(err)
			}
			b.texts(id, 1)
		},
	}
}
