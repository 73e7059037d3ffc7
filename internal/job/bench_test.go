package job_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/jobtest"
	"github.com/scout-speech/scout/internal/store"
)

func queueOf(st store.Store, limits job.Limits) *job.Queue {
	return job.New(job.Options{
		Store: st, Limits: limits, Kinds: map[string]job.Work{job.KindTranscribe: func(context.Context, *job.Claimed) error { return nil }},
	})
}

// BenchmarkSubmit adds jobs to tables of several sizes.
func BenchmarkSubmit(b *testing.B) {
	for _, n := range []int{0, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			st := open(b, time.Now)
			jobtest.Fill(b, st, n, store.JobSucceeded, 10)
			q := queueOf(st, job.Limits{All: 1 << 30, PerClient: 1 << 30})
			for b.Loop() {
				if _, _, err := q.Submit(b.Context(), job.Order{Kind: job.KindTranscribe}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkClaim begins and ends jobs of lines of several lengths.
func BenchmarkClaim(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			st := open(b, time.Now)
			jobtest.Fill(b, st, n, store.JobQueued, 10)
			q := queueOf(st, job.Limits{})
			for b.Loop() {
				c, err := q.Claim(b.Context())
				if err != nil || c == nil {
					b.Fatalf("claim: %v, %v", c, err)
				}
				if err := c.Release(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStart is the time from a job that is submitted until it is begun by the worker of the same process.
func BenchmarkStart(b *testing.B) {
	st := open(b, time.Now)
	begun := make(chan struct{})
	q := job.New(job.Options{Store: st, Kinds: map[string]job.Work{job.KindTranscribe: func(ctx context.Context, c *job.Claimed) error {
		begun <- struct{}{}
		return st.Update(ctx, func(tx store.Tx) error { return c.Finish(tx, 1) })
	}}})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }() // ended by cancel
	for b.Loop() {
		if _, _, err := q.Submit(ctx, job.Order{Kind: job.KindTranscribe}); err != nil {
			b.Fatal(err)
		}
		<-begun
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPosition finds the place of the last job of lines of several lengths and of several numbers of clients: once more, and after a change.
func BenchmarkPosition(b *testing.B) {
	for _, c := range []struct{ jobs, clients int }{{10, 10}, {1000, 10}, {1000, 1000}, {5000, 50}} {
		for _, changed := range []bool{false, true} {
			b.Run(fmt.Sprintf("jobs=%d/clients=%d/changed=%t", c.jobs, c.clients, changed), func(b *testing.B) {
				st := open(b, time.Now)
				jobtest.Fill(b, st, c.jobs, store.JobQueued, c.clients)
				q := queueOf(st, job.Limits{})
				list, err := q.Jobs(b.Context(), store.JobFilter{}, store.Page{Limit: 1})
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if changed {
						if err := st.Update(b.Context(), func(tx store.Tx) error { return tx.RemoveJob("job_none") }); err != nil {
							b.Fatal(err)
						}
					}
					if place, err := q.Position(b.Context(), &list.Data[0]); err != nil || place == 0 {
						b.Fatalf("place %d, %v", place, err)
					}
				}
			})
		}
	}
}
