package job

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/store"
)

// Limits bound the jobs that have not ended.
type Limits struct {
	// All is for all; default 1000. PerClient is for each client but the owner; default 200.
	All, PerClient int
}

// Options configure a Queue.
type Options struct {
	Store store.Store
	// Kinds do the work. Their jobs are the only ones that are taken.
	Kinds map[string]Work
	// AtOnce, default 2, and Ahead, default 0, say how many jobs run at the same time, and whose: see slots.
	AtOnce, Ahead int

	Limits Limits
	// Attempts is how often a job is tried; default 5.
	Attempts int
	// ByItself says that the process before this one ended by itself: see Recover.
	ByItself bool
	// Now is the clock; default time.Now.
	Now      func() time.Time
	Scope    observe.Scope
	Failures *observe.Failures
	// Begin is called when there is work to do, and what it returns when there is none; nil for nobody.
	Begin func() (end func())
}

const (
	defaultAll       = 1000
	defaultPerClient = 200
	defaultAttempts  = 5
	// defaultAtOnce is how many jobs run, so that a long one does not delay a short one. The scheduler shares the slots among them.
	defaultAtOnce = 2
)

// Queue keeps jobs and says which one is next. It is safe for concurrent use. One process at a time has the queue of a store.
type Queue struct {
	options Options
	store   store.Store
	log     *slog.Logger
	metrics *metrics
	// recovered is true when the jobs of the process before were given back.
	recovered atomic.Bool

	mu       sync.Mutex
	most     int                   // see Limit and slots
	live     map[*Claimed]struct{} // those that this process does
	draining bool
	owed     bool // what was running in the store is still to be given back
	resting  rest
	reopened chan struct{} // closed and replaced when another store is open
	changed  chan struct{} // closed and replaced with each change
	shares   *shares
	pace     pace
	returns  resilience.Returns

	placed chan placed // one, which whoever finds places takes out
}

// New returns the queue of a store.
func New(o Options) *Queue {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AtOnce <= 0 {
		o.AtOnce = defaultAtOnce
	}
	if o.Limits.All <= 0 {
		o.Limits.All = defaultAll
	}
	if o.Limits.PerClient <= 0 {
		o.Limits.PerClient = defaultPerClient
	}
	if o.Attempts <= 0 {
		o.Attempts = defaultAttempts
	}
	scope := o.Scope.Component("job")
	if o.Failures == nil {
		o.Failures = observe.NewFailures(o.Scope)
	}
	q := &Queue{options: o, store: o.Store, log: scope.Log(), live: make(map[*Claimed]struct{}), changed: make(chan struct{}), reopened: make(chan struct{}), shares: newShares(), placed: make(chan placed, 1)}
	q.placed <- placed{}
	q.metrics = newMetrics(scope, q)
	return q
}

// now is the time as the store keeps it.
func (q *Queue) now() time.Time { return q.options.Now().Truncate(time.Millisecond).UTC() }

// tell wakes those who wait for a change.
func (q *Queue) tell() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *Queue) change() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changed
}

// update changes jobs, and tells those who wait.
func (q *Queue) update(ctx context.Context, change func(tx store.Tx) error) error {
	if err := q.store.Update(ctx, change); err != nil {
		return err
	}
	q.tell()
	return nil
}

// Submit adds a job. Where its key has a job already, that one is returned and made is false, whatever its state. Beyond the limits
// it returns a *FullError, and nothing is kept.
func (q *Queue) Submit(ctx context.Context, o Order) (job store.Job, made bool, err error) {
	if o.Priority == "" {
		o.Priority = Normal
	}
	class, err := o.Priority.class()
	if err != nil {
		return job, false, err
	}
	if q.options.Kinds[o.Kind] == nil {
		return job, false, scout.Errorf(scout.CodeInvalidArgument, "there are no jobs of kind %q", o.Kind)
	}
	now := q.now()
	err = q.update(ctx, func(tx store.Tx) error {
		made = false
		if o.Key != "" {
			earlier, err := tx.JobWithKey(o.Kind, o.Key)
			switch {
			case err == nil && !o.Force && (!o.Renew || !earlier.State.Ended()):
				job = earlier
				return o.also(tx, &job, false)
			case err == nil:
				earlier.Key = ""
				err = tx.PutJob(&earlier)
			case scout.CodeOf(err) == scout.CodeNotFound:
				err = nil
			}
			if err != nil {
				return err
			}
		}
		all, own, err := tx.UnfinishedJobs(o.Client)
		if err != nil {
			return err
		}
		if err := q.room(o.Client, all, own); err != nil {
			return err
		}
		last, err := tx.LastPlace()
		if err != nil {
			return err
		}
		made = true
		job = store.Job{
			ID: newID(), Kind: o.Kind, State: store.JobQueued, Class: class, Client: o.Client, Recording: o.Recording, Key: o.Key, Options: o.Options, Length: o.Length,
			Traceparent: o.Traceparent, MaxAttempts: q.options.Attempts, Place: last + 1, Since: now, CreatedAt: now,
		}
		if err := put(tx, &job, store.EventJobQueued); err != nil {
			return err
		}
		return o.also(tx, &job, true)
	})
	if err != nil {
		return store.Job{}, false, q.turnedAway(err)
	}
	if made {
		q.log.Info(eventQueued, q.attributes(&job)...)
	}
	return job, made, nil
}

func (o *Order) also(tx store.Tx, job *store.Job, made bool) error {
	if o.Also == nil {
		return nil
	}
	return o.Also(tx, job, made)
}

// Job returns a job.
func (q *Queue) Job(ctx context.Context, id string) (store.Job, error) { return q.store.Job(ctx, id) }

// Jobs returns one page of jobs.
func (q *Queue) Jobs(ctx context.Context, filter store.JobFilter, page store.Page) (store.Listing[store.Job], error) {
	return q.store.Jobs(ctx, filter, page)
}

// Wait returns a job when its state is another one than when Wait was called, or when ctx ends. One that has ended is returned at
// once.
func (q *Queue) Wait(ctx context.Context, id string) (store.Job, error) {
	settled := settledContext(ctx)
	changed := q.change()
	first, err := q.store.Job(settled, id)
	now := first
	for err == nil && now.State == first.State && now.Run == first.Run && !now.State.Ended() && ctx.Err() == nil {
		select {
		case <-changed:
			changed = q.change()
			now, err = q.store.Job(settled, id)
		case <-ctx.Done():
		}
	}
	return now, err
}

// Watch yields a job as it is, and again after changes in the queue, which may be of other jobs: at most once in every, and until it has
// ended or ctx does. An error ends it.
func (q *Queue) Watch(ctx context.Context, id string, every time.Duration) iter.Seq2[store.Job, error] {
	return func(yield func(store.Job, error) bool) {
		timer := time.NewTimer(every)
		defer timer.Stop()
		for {
			changed := q.change()
			j, err := q.store.Job(ctx, id)
			if !yield(j, err) || err != nil || j.State.Ended() {
				return
			}
			timer.Reset(every)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// Kinds are the kinds of work that this queue does, sorted.
func (q *Queue) Kinds() []string { return slices.Sorted(maps.Keys(q.options.Kinds)) }

// State is the queue as a whole.
type State struct {
	Paused bool
	Counts map[store.JobState]int
	// Oldest is since when the job has waited that waits longest; zero if none waits.
	Oldest time.Time
	// Wait is how long a new job may have to wait; Known is false before a job was done.
	Wait   time.Duration
	Known  bool
	AtOnce int
}

// State returns the queue as a whole.
func (q *Queue) State(ctx context.Context) (State, error) {
	state := State{Counts: make(map[store.JobState]int), AtOnce: q.atOnce()}
	counts, err := q.store.JobCounts(ctx, true)
	if err != nil {
		return state, err
	}
	var left time.Duration
	for _, c := range counts {
		state.Counts[c.State] += c.N
		if c.State.Waiting() && (state.Oldest.IsZero() || c.Oldest.Before(state.Oldest)) {
			state.Oldest = c.Oldest
		}
		if c.State.Waiting() || c.State == store.JobRunning {
			left += c.Length
		}
	}
	state.Wait, state.Known = q.pace.wait(left, state.AtOnce)
	state.Paused, err = q.store.QueuePaused(ctx)
	return state, err
}

// Remaining is how long the rest of a job takes once it runs, as an estimate; 0 where that is not known.
func (q *Queue) Remaining(j *store.Job) time.Duration { return q.pace.remaining(j.Length - j.Done) }
