package jobtest

import (
	"context"
	"fmt"
	"time"

	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

// many is how many jobs are in the table: enough for an index to matter. BenchmarkClaim has more.
const many = 10_000

// sizes are tests of many jobs.
func sizes() map[string]func(*bench) {
	return map[string]func(*bench){
		"ten thousand jobs that have ended are not in the way": func(b *bench) {
			Fill(b, b.store, many, store.JobSucceeded, 50)
			b.submit("a", order("a", job.Normal, long))
			b.submit("b", order("b", job.Normal, short))
			b.served("b", "a")
			if state, err := b.State(b.Context()); err != nil || state.Counts[store.JobSucceeded] != many+2 {
				b.Errorf("state %+v (%v)", state, err)
			}
		},
		"ten thousand jobs that wait are served in their order": func(b *bench) {
			Fill(b, b.store, many, store.JobQueued, 50)
			seen := make(map[string]int)
			for range 100 { // twice each client
				c := b.claim()
				seen[c.Job.Client]++
				b.finish(c)
			}
			if len(seen) != 50 {
				b.Errorf("%d clients were served, want 50: %v", len(seen), seen)
			}
		},
	}
}

// filler is a test, or a benchmark.
type filler interface {
	Context() context.Context
	Helper()
	Fatal(args ...any)
}

// Fill puts n jobs of so many clients into a store, without any rule.
func Fill(t filler, st store.Store, n int, state store.JobState, clients int) {
	t.Helper()
	err := st.Update(t.Context(), func(tx store.Tx) error {
		for i := range n {
			j := store.Job{
				ID: fmt.Sprintf("job_%026d", i), Kind: job.KindTranscribe, State: state, Class: 1, Client: fmt.Sprint("client ", i%clients), Length: time.Duration(i%97) * time.Second,
				MaxAttempts: 5, Place: int64(i + 1), Since: epoch(), CreatedAt: epoch(),
			}
			if state.Ended() {
				j.FinishedAt = epoch()
			}
			if err := tx.PutJob(&j); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
