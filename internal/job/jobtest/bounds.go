package jobtest

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

// bounds are tests of what is taken, and how often.
func bounds() map[string]func(*bench) {
	return map[string]func(*bench){
		"beyond the limit of a client nothing is kept": func(b *bench) {
			b.again(job.Limits{All: 10, PerClient: 2})
			b.submit("a1", order("a", job.Normal, short))
			b.submit("a2", order("a", job.Normal, short))
			b.full(order("a", job.Normal, short))
			b.submit("b1", order("b", job.Normal, short))
			b.finish(b.begin("a1"))
			b.submit("a3", order("a", job.Normal, short)) // there is room again
		},
		"the owner has the whole queue, and no more": func(b *bench) {
			b.again(job.Limits{All: 4, PerClient: 2})
			for range 4 {
				b.submit("of the owner", order("", job.Normal, short))
			}
			b.full(order("", job.Normal, short))
			b.full(order("a", job.Normal, short))
		},
		"beyond the limit of all nothing is kept": func(b *bench) {
			b.again(job.Limits{All: 2, PerClient: 2})
			b.submit("a", order("a", job.Normal, short))
			held := b.submit("b", order("b", job.Normal, short))
			if _, err := b.Pause(b.Context(), held.ID); err != nil { // it has not ended
				b.Fatal(err)
			}
			b.full(order("c", job.Interactive, short))
			if _, err := b.Cancel(b.Context(), held.ID); err != nil {
				b.Fatal(err)
			}
			b.submit("c", order("c", job.Normal, short))
		},
		"many at once do not get past the limit": func(b *bench) {
			b.again(job.Limits{All: 20, PerClient: 5})
			var work sync.WaitGroup
			var taken, full atomic.Int32
			for i := range 60 {
				work.Go(func() {
					_, _, err := b.Submit(b.Context(), order(string(rune('a'+i%10)), job.Normal, short))
					switch {
					case err == nil:
						taken.Add(1)
					case scout.CodeOf(err) == scout.CodeQueueFull:
						full.Add(1)
					default:
						b.Errorf("submit: %v", err)
					}
				})
			}
			work.Wait()
			if taken.Load() != 20 || full.Load() != 40 {
				b.Errorf("%d were taken and %d refused, want 20 and 40", taken.Load(), full.Load())
			}
		},
		"what is done in the transaction of a job that is refused is undone": func(b *bench) {
			refuse := scout.Errorf(scout.CodePreconditionFailed, "no")
			o := order("a", job.Normal, short)
			o.Also = func(store.Tx, *store.Job, bool) error { return refuse }
			_, _, err := b.Submit(b.Context(), o)
			if !errors.Is(err, refuse) {
				b.Fatalf("error %v", err)
			}
			b.none()
		},
		"the same work is the same job, whatever its state": func(b *bench) {
			o := order("a", job.Normal, short)
			o.Key = "recording 1"
			first := b.submit("first", o)
			b.same(o, first.ID, store.JobQueued)
			c := b.begin("first")
			b.same(o, first.ID, store.JobRunning)
			b.finish(c)
			b.same(o, first.ID, store.JobSucceeded)
			other := o
			other.Key = "recording 2"
			b.submit("other", other)
			if err := b.Forget(b.Context(), first.ID); err != nil {
				b.Fatal(err)
			}
			b.submit("once more", o) // nobody remembers the first one
		},
		"the same work many times at once is one job": func(b *bench) {
			o := order("a", job.Normal, short)
			o.Key = "recording 1"
			var work sync.WaitGroup
			var made atomic.Int32
			var ids sync.Map
			for range 20 {
				work.Go(func() {
					j, isNew, err := b.Submit(b.Context(), o)
					if err != nil {
						b.Errorf("submit: %v", err)
					}
					if isNew {
						made.Add(1)
					}
					ids.Store(j.ID, nil)
				})
			}
			work.Wait()
			n := 0
			ids.Range(func(any, any) bool { n++; return true })
			if made.Load() != 1 || n != 1 {
				b.Errorf("%d jobs were made with %d ids, want one", made.Load(), n)
			}
		},
		"work that is forced is another job, which has the key from then on": func(b *bench) {
			o := order("a", job.Normal, short)
			o.Key = "recording 1"
			b.submit("first", o)
			forced := o
			forced.Force = true
			second := b.submit("second", forced)
			b.same(o, second.ID, store.JobQueued)
			b.served("first", "second")
		},
		"unknown kinds and priorities are refused": func(b *bench) {
			o := order("a", job.Normal, short)
			o.Kind = "bake"
			_, _, err := b.Submit(b.Context(), o)
			b.refused(err, scout.CodeInvalidArgument)
			_, _, err = b.Submit(b.Context(), order("a", "soon", short))
			b.refused(err, scout.CodeInvalidArgument)
			b.none()
		},
	}
}

// full submits a job that must be refused, and checks that nothing of it was kept.
func (b *bench) full(o job.Order) {
	b.Helper()
	before := b.total()
	_, _, err := b.Submit(b.Context(), o)
	b.refused(err, scout.CodeQueueFull)
	var full *job.FullError
	if !errors.As(err, &full) || full.After < time.Second || full.After > time.Minute {
		b.Errorf("%v asks to wait for %v, want a second to a minute", err, full)
	}
	if after := b.total(); after != before {
		b.Errorf("%d jobs after one was refused, want %d", after, before)
	}
}

// total is how many jobs there are.
func (b *bench) total() int {
	b.Helper()
	state, err := b.State(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for _, count := range state.Counts {
		n += count
	}
	return n
}

// same submits work that has a job.
func (b *bench) same(o job.Order, id string, state store.JobState) {
	b.Helper()
	j, made, err := b.Submit(b.Context(), o)
	if err != nil || made || j.ID != id || j.State != state {
		b.Errorf("the same work: job %s, %s, made %t (%v), want job %s, %s", j.ID, j.State, made, err, id, state)
	}
}
