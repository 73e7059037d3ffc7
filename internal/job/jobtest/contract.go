// Package jobtest holds the tests that the queue must pass on each store. It is for tests only.
package jobtest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// Factory opens an empty store with that clock, and closes it when the test ends.
type Factory func(t testing.TB, now func() time.Time) store.Store

// bench is a queue on an empty store.
type bench struct {
	*testing.T
	*job.Queue
	store store.Store
	clock *storetest.Clock
	names map[string]string // ids of jobs by the name of the test for them
}

// epoch is the time at which the tests begin.
func epoch() time.Time { return time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC) }

// kinds are those of the tests. Nothing is done by them: the tests claim the jobs themselves.
func kinds() map[string]job.Work {
	return map[string]job.Work{job.KindTranscribe: func(context.Context, *job.Claimed) error { return nil }}
}

// Run runs all tests against queues on the stores of the factory.
func Run(t *testing.T, open Factory) {
	for _, group := range []map[string]func(*bench){orders(), shares(), bounds(), attempts(), rests(), crashes(), changes(), races(), purges(), healths(), sizes()} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(newBench(t, open, job.Limits{}))
			})
		}
	}
	t.Run("any sequence of calls keeps what the queue promises", func(t *testing.T) {
		t.Parallel()
		anySequence(t, open)
	})
	t.Run("of two clients that have jobs all the time none gets ahead of the other by more than the longest job of each", func(t *testing.T) {
		t.Parallel()
		anyShares(t, open)
	})
}

func newBench(t *testing.T, open Factory, limits job.Limits) *bench {
	t.Helper()
	clock := new(storetest.Clock)
	clock.Set(epoch())
	b := &bench{T: t, store: open(t, clock.Now), clock: clock, names: make(map[string]string)}
	b.again(limits)
	return b
}

// again begins another process on the same store.
func (b *bench) again(limits job.Limits) {
	b.Queue = job.New(job.Options{Store: b.store, Kinds: kinds(), Limits: limits, Now: b.clock.Now})
}

// pass lets time pass.
func (b *bench) pass(d time.Duration) { b.clock.Set(b.clock.Now().Add(d)) }

// order is a job of a client; length is that of its audio.
func order(client string, p job.Priority, length time.Duration) job.Order {
	return job.Order{Kind: job.KindTranscribe, Client: client, Priority: p, Length: length}
}

// submit adds a job under a name.
func (b *bench) submit(name string, o job.Order) store.Job {
	b.Helper()
	j, made, err := b.Submit(b.Context(), o)
	if err != nil || !made {
		b.Fatalf("submit %s: made %t, %v", name, made, err)
	}
	b.names[j.ID] = name
	return j
}

// claim begins the next job; nil if there is none.
func (b *bench) claim() *job.Claimed {
	b.Helper()
	c, err := b.Claim(b.Context())
	if err != nil {
		b.Fatalf("claim: %v", err)
	}
	return c
}

// begin begins the next job, which must have that name.
func (b *bench) begin(name string) *job.Claimed {
	b.Helper()
	c := b.claim()
	if c == nil {
		b.Fatalf("no job is next, want %s", name)
	}
	if got := b.names[c.Job.ID]; got != name {
		b.Fatalf("job %s is next, want %s", got, name)
	}
	return c
}

// none checks that no job is begun.
func (b *bench) none() {
	b.Helper()
	if c := b.claim(); c != nil {
		b.Fatalf("job %s was begun, want none", b.names[c.Job.ID])
	}
}

// finish ends a job with a result.
func (b *bench) finish(c *job.Claimed) {
	b.Helper()
	if err := b.store.Update(b.Context(), func(tx store.Tx) error { return c.Finish(tx, 1) }); err != nil {
		b.Fatalf("finish: %v", err)
	}
	c.Committed()
}

// served begins and ends all jobs, one after the other, and compares their names.
func (b *bench) served(names ...string) {
	b.Helper()
	for _, name := range names {
		b.finish(b.begin(name))
	}
	b.none()
}

// get returns a job.
func (b *bench) get(id string) store.Job {
	b.Helper()
	j, err := b.Job(b.Context(), id)
	if err != nil {
		b.Fatalf("job: %v", err)
	}
	return j
}

// want compares state and attempt of a job.
func (b *bench) want(id string, state store.JobState, attempt int) store.Job {
	b.Helper()
	j := b.get(id)
	if j.State != state || j.Attempt != attempt {
		b.Fatalf("job %s is %s at attempt %d, want %s at %d", b.names[id], j.State, j.Attempt, state, attempt)
	}
	return j
}

// refused checks the code of an error.
func (b *bench) refused(err error, code scout.Code) {
	b.Helper()
	if scout.CodeOf(err) != code {
		b.Fatalf("error %v (%s), want %s", err, scout.CodeOf(err), code)
	}
}

// crash ends the process and begins the next one.
func (b *bench) crash(byItself bool) {
	b.Helper()
	b.again(job.Limits{})
	if err := b.Recover(b.Context(), byItself); err != nil {
		b.Fatalf("recover: %v", err)
	}
}

// survive is what happens some seconds after the beginning of a job.
func (b *bench) survive(c *job.Claimed) {
	b.Helper()
	if err := c.Survived(b.Context()); err != nil {
		b.Fatalf("survive: %v", err)
	}
}

// save keeps a checkpoint and parts.
func (b *bench) save(c *job.Claimed, checkpoint string, parts ...string) error {
	list := make([]json.RawMessage, len(parts))
	for i, p := range parts {
		list[i] = json.RawMessage(p)
	}
	return c.Save(b.Context(), json.RawMessage(checkpoint), time.Second, list...)
}

// recording adds the first recording of the store's tests.
func (b *bench) recording() string {
	b.Helper()
	err := b.store.Update(b.Context(), func(tx store.Tx) error {
		_, err := tx.PutRecording(storetest.Recording(1))
		return err
	})
	if err != nil {
		b.Fatalf("put recording: %v", err)
	}
	return storetest.ID(1)
}

// events returns the types of the events about a job.
func (b *bench) events(id string) []string {
	b.Helper()
	replay, err := b.store.Events(b.Context(), store.EventStream, 0, 10_000)
	if err != nil {
		b.Fatalf("events: %v", err)
	}
	var list []string
	for _, e := range replay.Events {
		var about store.JobEvent
		if json.Unmarshal(e.Data, &about) == nil && about.ID == id {
			list = append(list, e.Type)
		}
	}
	return list
}

// wantEvents compares the types of the events about a job.
func (b *bench) wantEvents(id string, want ...string) {
	b.Helper()
	if got := b.events(id); fmt.Sprint(got) != fmt.Sprint(want) {
		b.Errorf("events %v, want %v", got, want)
	}
}
