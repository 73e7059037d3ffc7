package jobtest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// sequence is a queue on which anything is done in any order, and what must be true of it whatever that was.
type sequence struct {
	*job.Queue
	store store.Store
	clock *storetest.Clock
	ids   []string
	known map[string]store.Job    // as they were after the step before
	rests time.Time               // until when no job is begun
	live  map[string]*job.Claimed // by their jobs
	stale []*job.Claimed          // that have lost theirs
	steps int

	account account
	entries map[*job.Claimed]*entry
}

func newSequence(t testing.TB, open Factory) *sequence {
	clock := new(storetest.Clock)
	clock.Set(epoch())
	s := &sequence{store: open(t, clock.Now), clock: clock, known: make(map[string]store.Job), live: make(map[string]*job.Claimed), entries: make(map[*job.Claimed]*entry)}
	s.Queue = s.process()
	return s
}

// follows are the states that may follow a state within one step.
func follows() map[store.JobState][]store.JobState {
	return map[store.JobState][]store.JobState{
		store.JobQueued:    {store.JobRunning, store.JobPaused, store.JobCancelled},
		store.JobRunning:   {store.JobQueued, store.JobRetrying, store.JobPaused, store.JobSucceeded, store.JobDead, store.JobCancelled},
		store.JobRetrying:  {store.JobRunning, store.JobPaused, store.JobCancelled},
		store.JobPaused:    {store.JobQueued, store.JobCancelled},
		store.JobSucceeded: {},
		store.JobDead:      {store.JobQueued},
		store.JobCancelled: {store.JobQueued},
	}
}

// anySequence does anything in any order.
func anySequence(t *testing.T, open Factory) {
	t.Helper()
	rapid.Check(t, func(r *rapid.T) {
		s := newSequence(t, open)
		defer func() { _ = s.store.Close() }() // the factory's cleanup says what is wrong
		r.Repeat(map[string]func(*rapid.T){
			"":           s.check,
			"submit":     s.submit,
			"claim":      s.claim,
			"claim more": s.claim,
			"claim all":  s.claimAll,
			"finish":     s.finish,
			"fail":       s.fail,
			"save":       s.save,
			"give back":  s.release,
			"stale":      s.disturb,
			"pause":      s.on((*job.Queue).Pause),
			"resume":     s.on((*job.Queue).Resume),
			"cancel":     s.on((*job.Queue).Cancel),
			"retry":      s.on((*job.Queue).Retry),
			"prioritize": s.prioritize,
			"hold":       s.hold,
			"pass":       s.pass,
			"crash":      s.crash,
		})
	})
}

func (s *sequence) process() *job.Queue {
	return job.New(job.Options{Store: s.store, Kinds: kinds(), Limits: job.Limits{All: 30, PerClient: 15}, Now: s.clock.Now})
}

// must ends the test with an error of the queue that nothing explains.
func must(r *rapid.T, err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (s *sequence) submit(r *rapid.T) {
	o := order(rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(r, "client"), rapid.SampledFrom(job.Priorities()).Draw(r, "priority"), time.Duration(rapid.IntRange(0, 3).Draw(r, "length"))*time.Minute)
	if rapid.Bool().Draw(r, "named") {
		o.Key = fmt.Sprint(rapid.IntRange(1, 6).Draw(r, "work"))
		o.Force = rapid.IntRange(0, 3).Draw(r, "force") == 0
	}
	j, made, err := s.Submit(context.Background(), o)
	if scout.CodeOf(err) == scout.CodeQueueFull {
		return
	}
	must(r, err)
	if made == slices.Contains(s.ids, j.ID) {
		r.Fatalf("job %s: made %t", j.ID, made)
	}
	if made {
		s.ids = append(s.ids, j.ID)
	}
}

func (s *sequence) claim(r *rapid.T) { _ = s.begin(r) }

// claimAll begins whatever may be begun, which must go in the order of the places.
func (s *sequence) claimAll(r *rapid.T) {
	list, err := s.Jobs(context.Background(), store.JobFilter{}, store.Page{Limit: 200})
	must(r, err)
	at, err := s.Positions(context.Background(), list.Data)
	must(r, err)
	for n := 1; ; n++ {
		c := s.begin(r)
		if c == nil || c.Job.Alone {
			return
		}
		if at[c.Job.ID] != n {
			r.Fatalf("job %s was begun as number %d, and its place was %d, in %s", c.Job.ID, n, at[c.Job.ID], s.describe())
		}
	}
}

// begin begins a job, which must be the one that the rules name; nil if there is none.
func (s *sequence) begin(r *rapid.T) *job.Claimed {
	paused, err := s.store.QueuePaused(context.Background())
	must(r, err)
	want, class := store.Job{}, 0
	if !paused && !s.clock.Now().Before(s.rests) {
		want, class = s.first(r)
	}
	if want.ID != "" {
		if at, err := s.Position(context.Background(), &want); err != nil || at != 1 && !want.Alone {
			r.Fatalf("job %s is first, and its place is %d (%v)", want.ID, at, err)
		}
	}
	c, err := s.Claim(context.Background())
	must(r, err)
	got := ""
	if c != nil {
		got = c.Job.ID
		if earlier := s.live[got]; earlier != nil {
			s.stale = append(s.stale, earlier)
		}
		s.live[got] = c
	}
	if got != want.ID {
		r.Fatalf("job %q was begun, want %q of %s", got, want.ID, s.describe())
	}
	if c != nil {
		s.entries[c] = s.account.begin(want, class, s.clock.Now())
	}
	return c
}

// first is the job that goes first, and the class in which it waits.
func (s *sequence) first(r *rapid.T) (first store.Job, class int) {
	line, lone, running, aloneRuns, later := s.due(r)
	switch {
	case aloneRuns:
		return first, 0
	case len(line) > 0:
		return s.account.first(line, s.clock.Now())
	case running || later || len(lone) == 0:
		s.account.idle()
		return first, 0
	}
	s.account.idle()
	one := slices.MinFunc(lone, func(x, y store.Job) int { return cmp.Or(cmp.Compare(x.Ends, y.Ends), cmp.Compare(x.Place, y.Place)) })
	return s.account.first([]store.Job{one}, s.clock.Now())
}

// one is an attempt that is under way; nil for none.
func (s *sequence) one(r *rapid.T) *job.Claimed {
	if len(s.live) == 0 {
		return nil
	}
	var ids []string
	for _, id := range s.ids { // in an order that is the same each time
		if s.live[id] != nil {
			ids = append(ids, id)
		}
	}
	return s.live[rapid.SampledFrom(ids).Draw(r, "attempt")]
}

// over notes what an attempt got: nil where its job was still its own.
func (s *sequence) over(r *rapid.T, c *job.Claimed, err error) {
	mine := s.known[c.Job.ID].State == store.JobRunning && s.known[c.Job.ID].Run == c.Job.Run
	if mine != (err == nil) || err != nil && !errors.Is(err, job.ErrLost) {
		r.Fatalf("attempt at %s: %v, with the job being its own: %t", c.Job.ID, err, mine)
	}
	delete(s.live, c.Job.ID)
	s.stale = append(s.stale, c)
}

func (s *sequence) finish(r *rapid.T) {
	if c := s.one(r); c != nil {
		err := s.store.Update(context.Background(), func(tx store.Tx) error { return c.Finish(tx, 1) })
		s.over(r, c, err)
		if err == nil {
			c.Committed()
			s.entries[c].finished()
			s.rests = time.Time{}
		}
	}
}

func (s *sequence) fail(r *rapid.T) {
	if c := s.one(r); c != nil {
		code := rapid.SampledFrom([]scout.Code{scout.CodeEngineCrashed, scout.CodeEngineCrashed, scout.CodeEngineUnavailable, scout.CodeAudioCorrupt}).Draw(r, "code")
		if code == scout.CodeEngineUnavailable {
			s.rests = s.clock.Now().Truncate(time.Millisecond).Add(10 * time.Second)
			s.entries[c].returned()
		}
		s.entries[c].failed()
		s.over(r, c, c.Fail(context.Background(), scout.Errorf(code, "no")))
	}
}

func (s *sequence) release(r *rapid.T) {
	if c := s.one(r); c != nil {
		s.entries[c].returned()
		s.over(r, c, c.Release(context.Background()))
	}
}

func (s *sequence) save(r *rapid.T) {
	c := s.one(r)
	if c == nil {
		return
	}
	s.steps++
	at := time.Duration(rapid.IntRange(0, 200).Draw(r, "seconds")) * time.Second
	err := c.Save(context.Background(), json.RawMessage(fmt.Sprintf(`{"at":%d}`, s.steps)), at, json.RawMessage(`[]`))
	if err == nil || errors.Is(err, job.ErrPaused) {
		s.entries[c].save(at)
	}
	state, run := s.known[c.Job.ID].State, s.known[c.Job.ID].Run
	switch {
	case run != c.Job.Run || state != store.JobRunning && state != store.JobPaused:
		if !errors.Is(err, job.ErrLost) {
			r.Fatalf("save of an attempt that has lost its job: %v", err)
		}
	case state == store.JobPaused && !errors.Is(err, job.ErrPaused), state == store.JobRunning && err != nil:
		r.Fatalf("save of a job that is %s: %v", state, err)
	}
}

// disturb lets an attempt that has lost its job try to change it.
func (s *sequence) disturb(r *rapid.T) {
	if len(s.stale) == 0 {
		return
	}
	c := rapid.SampledFrom(s.stale).Draw(r, "stale")
	s.entries[c].failed() // unless it is over already
	errs := []error{
		s.store.Update(context.Background(), func(tx store.Tx) error { return c.Finish(tx, 7) }),
		c.Fail(context.Background(), scout.Errorf(scout.CodeAudioCorrupt, "stale")), c.Release(context.Background()), c.Survived(context.Background()),
	}
	for _, err := range errs {
		if !errors.Is(err, job.ErrLost) {
			r.Fatalf("an attempt that has lost its job: %v", err)
		}
	}
}

// on does something that a person asks for with any job.
func (s *sequence) on(change func(*job.Queue, context.Context, string) (store.Job, error)) func(*rapid.T) {
	return func(r *rapid.T) {
		if len(s.ids) == 0 {
			return
		}
		_, err := change(s.Queue, context.Background(), rapid.SampledFrom(s.ids).Draw(r, "job"))
		if code := scout.CodeOf(err); err != nil && code != scout.CodeConflict && code != scout.CodeQueueFull {
			r.Fatal(err)
		}
	}
}

func (s *sequence) prioritize(r *rapid.T) {
	p := rapid.SampledFrom(job.Priorities()).Draw(r, "priority")
	s.on(func(q *job.Queue, ctx context.Context, id string) (store.Job, error) { return q.Prioritize(ctx, id, p) })(r)
}

func (s *sequence) hold(r *rapid.T) {
	must(r, s.Hold(context.Background(), rapid.IntRange(0, 3).Draw(r, "hold") == 0))
}

func (s *sequence) pass(r *rapid.T) {
	s.clock.Set(s.clock.Now().Add(time.Duration(rapid.IntRange(0, 1500).Draw(r, "seconds")) * time.Second))
}

func (s *sequence) crash(r *rapid.T) {
	s.Queue, s.rests, s.account = s.process(), time.Time{}, account{} // which is in memory
	must(r, s.Recover(context.Background(), rapid.Bool().Draw(r, "by itself")))
	for _, c := range s.live {
		s.stale = append(s.stale, c)
	}
	clear(s.live)
	for _, id := range s.ids {
		if j := s.get(r, id); j.State == store.JobRunning {
			r.Fatalf("job %s runs, and nobody does it", id)
		}
	}
}

func (s *sequence) get(r *rapid.T, id string) store.Job {
	j, err := s.store.Job(context.Background(), id)
	must(r, err)
	return j
}

// check looks at every job after every step.
func (s *sequence) check(r *rapid.T) {
	unfinished := make(map[string]int)
	all := 0
	for _, id := range s.ids {
		j := s.get(r, id)
		if before, known := s.known[id]; known {
			if before.State != j.State && !slices.Contains(follows()[before.State], j.State) {
				r.Fatalf("job %s was %s and is %s", id, before.State, j.State)
			}
			if j.Run < before.Run {
				r.Fatalf("job %s was begun %d times, and before that %d times", id, j.Run, before.Run)
			}
			if before.State == store.JobSucceeded && (j.Version != before.Version || !j.FinishedAt.Equal(before.FinishedAt)) {
				r.Fatalf("job %s succeeded twice", id)
			}
		}
		if j.Attempt < 0 || j.Attempt > j.MaxAttempts || j.State.Ended() != !j.FinishedAt.IsZero() || (j.State == store.JobDead) && j.Error == nil {
			r.Fatalf("job %+v", j)
		}
		if !j.State.Ended() {
			all++
			unfinished[j.Client]++
		}
		s.known[id] = j
	}
	for client, n := range unfinished {
		if n > 15 || all > 30 {
			r.Fatalf("%d jobs of %q and %d in all have not ended", n, client, all)
		}
	}
}

// describe is for messages.
func (s *sequence) describe() string {
	var all string
	for _, id := range s.ids {
		j := s.known[id]
		all += fmt.Sprintf("\n%s %s client %q class %d length %s place %d since %s alone %t", id, j.State, j.Client, j.Class, j.Length, j.Place, j.Since.Sub(epoch()), j.Alone)
	}
	return all
}
