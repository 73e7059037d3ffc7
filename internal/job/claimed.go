package job

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/store"
)

// Claimed is a job that this process does. Every change that it makes is fenced: it is refused, with ErrLost, if the job was begun
// again, cancelled or forgotten meanwhile.
type Claimed struct {
	// Job is the job as it was begun.
	Job store.Job

	queue *Queue
	began time.Time
	noted time.Time // when the last event of its progress was written; for Save

	held atomic.Bool // a person holds it back

	mu      sync.Mutex
	stop    func(cause error) // of the work; nil before it began
	stopped error             // why the work is to end; nil while it goes on
}

// Claim begins the job whose turn it is; nil if there is none.
//
// The order: class, where each RaisedEvery of waiting counts as a class; then turn, so that a client's n-th unfinished job comes
// after every other client's earlier ones; then length. A job that runs alone is begun when no other job waits or runs.
func (q *Queue) Claim(ctx context.Context) (*Claimed, error) {
	var c *Claimed
	now := q.now()
	err := q.store.Update(ctx, func(tx store.Tx) error {
		c = nil
		paused, err := tx.QueuePaused()
		if err != nil || paused {
			return err
		}
		j, err := next(tx, now)
		if err != nil || j == nil {
			return err
		}
		j.State, j.Attempt, j.Run, j.Fresh, j.StartedAt, j.NextAt = store.JobRunning, j.Attempt+1, j.Run+1, true, now, time.Time{}
		c = &Claimed{Job: *j, queue: q, began: time.Now()}
		q.mu.Lock() // before the commit: from then on it is this process that does it
		q.live[c.Job.ID] = c
		q.mu.Unlock()
		return put(tx, j, store.EventJobStarted)
	})
	if err != nil && c != nil {
		c.left()
	}
	if err != nil || c == nil {
		return nil, err
	}
	q.tell()
	waited := max(0, now.Sub(c.Job.Since))
	q.metrics.waited.WithLabelValues(c.Job.Kind).Observe(waited.Seconds())
	q.log.Info(eventStarted, append(q.attributes(&c.Job), slog.Int64("wait_ms", waited.Milliseconds()))...)
	return c, nil
}

// next is the job whose turn it is; nil if there is none.
func next(tx store.Tx, now time.Time) (*store.Job, error) {
	list, err := tx.RunningJobs()
	if err != nil {
		return nil, err
	}
	running := make(map[string]int)
	for i := range list {
		if list[i].Alone {
			return nil, nil //nolint:nilnil // there is none
		}
		running[list[i].Client]++
	}
	first, err := tx.FirstJobs(now)
	if err != nil {
		return nil, err
	}
	if j := choose(first, running, now); j != nil || len(list) > 0 {
		return j, nil
	}
	lone, found, err := tx.LoneJob(now)
	if err != nil || !found {
		return nil, err
	}
	return &lone, nil
}

// OnStop says how the work is ended. It is called at once where that was asked for already.
func (c *Claimed) OnStop(stop func(cause error)) {
	c.mu.Lock()
	c.stop = stop
	cause := c.stopped
	c.mu.Unlock()
	if cause != nil {
		stop(cause)
	}
}

// end ends the work.
func (c *Claimed) end(cause error) {
	c.mu.Lock()
	stop := c.stop
	if c.stopped == nil {
		c.stopped = cause
	}
	c.mu.Unlock()
	if stop != nil {
		stop(cause)
	}
}

// endWork ends the work on a job, if this process does it.
func (q *Queue) endWork(id string, cause error) {
	q.mu.Lock()
	c := q.live[id]
	q.mu.Unlock()
	if c != nil {
		c.end(cause)
	}
}

// left notes that the work is over.
func (c *Claimed) left() {
	q := c.queue
	q.mu.Lock()
	if q.live[c.Job.ID] == c {
		delete(q.live, c.Job.ID)
	}
	q.mu.Unlock()
	q.tell()
}

// own returns the job in a transaction, if it is still this attempt's and in one of the states.
func (c *Claimed) own(tx store.Tx, states ...store.JobState) (store.Job, error) {
	j, err := tx.Job(c.Job.ID)
	if scout.CodeOf(err) == scout.CodeNotFound {
		return j, ErrLost
	}
	if err != nil {
		return j, err
	}
	for _, state := range states {
		if j.Run == c.Job.Run && j.State == state {
			return j, nil
		}
	}
	return j, ErrLost
}

// Held reports whether a person holds the job back: the work calls Save as soon as it can, and ends.
func (c *Claimed) Held() bool { return c.held.Load() }

// Parts returns the parts of the result that earlier attempts have kept.
func (c *Claimed) Parts(ctx context.Context) ([]json.RawMessage, error) {
	return c.queue.store.JobParts(ctx, c.Job.ID)
}

// notedEvery bounds the events of progress, which stay in the journal for a day.
const notedEvery = 2 * time.Second

// Save keeps where the work continues, and further parts of its result. It returns ErrPaused, after keeping them, where a person
// holds the job back. It is called by one goroutine at a time.
func (c *Claimed) Save(ctx context.Context, checkpoint json.RawMessage, done time.Duration, parts ...json.RawMessage) error {
	var paused bool
	noted := time.Now()
	err := c.queue.update(ctx, func(tx store.Tx) error {
		j, err := c.own(tx, store.JobRunning, store.JobPaused)
		if err != nil {
			return err
		}
		paused = j.State == store.JobPaused
		if !bytes.Equal(j.Checkpoint, checkpoint) { // it moves: whatever ended the process before, this is not it
			j.Ends, j.Alone = 0, false
		}
		j.Checkpoint, j.Done, j.Fresh = checkpoint, done, false
		keep := func() error { return tx.PutJob(&j) }
		if noted.Sub(c.noted) >= notedEvery {
			keep = func() error { return put(tx, &j, store.EventJobProgress) }
		}
		if err := keep(); err != nil {
			return err
		}
		return tx.AddJobParts(j.ID, parts...)
	})
	if err == nil && noted.Sub(c.noted) >= notedEvery {
		c.noted = noted
	}
	if err == nil && paused {
		return ErrPaused
	}
	return err
}

// Restart forgets where the work continues, because it is of no use: the work begins anew.
func (c *Claimed) Restart(ctx context.Context) error {
	return c.queue.update(ctx, func(tx store.Tx) error {
		j, err := c.own(tx, store.JobRunning)
		if err != nil {
			return err
		}
		j.Checkpoint, j.Done = nil, 0
		if err := tx.DropJobParts(j.ID); err != nil {
			return err
		}
		return tx.PutJob(&j)
	})
}

// Survived notes that the process has not ended in the first moments of the work: what ends it later is not blamed on the job unless
// the process ended by itself.
func (c *Claimed) Survived(ctx context.Context) error {
	return c.queue.store.Update(ctx, func(tx store.Tx) error {
		j, err := c.own(tx, store.JobRunning)
		if err != nil || !j.Fresh {
			return err
		}
		j.Fresh = false
		return tx.PutJob(&j)
	})
}

// Finish ends the job in the transaction of its result. The transaction must not be committed where it returns an error: the result
// of an attempt that has lost its job is not kept.
func (c *Claimed) Finish(tx store.Tx, version int) error {
	j, err := c.own(tx, store.JobRunning)
	if err != nil {
		return err
	}
	j.State, j.FinishedAt, j.Version, j.Done, j.Error = store.JobSucceeded, c.queue.now(), version, j.Length, nil
	j.Checkpoint, j.Fresh, j.Alone, j.Ends = nil, false, false, 0
	if err := tx.DropJobParts(j.ID); err != nil {
		return err
	}
	return put(tx, &j, store.EventJobSucceeded)
}

// Committed is called when the transaction of Finish was committed.
func (c *Claimed) Committed() {
	q := c.queue
	took := time.Since(c.began)
	q.pace.done(c.Job.Length-c.Job.Done, took)
	q.metrics.outcomes.WithLabelValues(c.Job.Kind, string(store.JobSucceeded)).Inc()
	q.log.Info(eventFinished, append(q.attributes(&c.Job), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))...)
	q.tell()
}

const (
	// firstRetry bounds the pause after the first failure; each further bound is twice that, up to the minute of S6.
	firstRetry = 2 * time.Second
	// restFor is how long a job waits for an engine that is paused. That uses up no attempt.
	restFor = 10 * time.Second
)

// Fail ends the attempt with an error: the job is tried again after a pause, or is dead if the error is permanent or the attempts are
// used up. An engine that is paused uses up no attempt.
func (c *Claimed) Fail(ctx context.Context, cause error) error {
	q := c.queue
	if scout.CodeOf(cause) == scout.CodeEngineUnavailable {
		return c.back(ctx, restFor, cause)
	}
	var failed store.Job
	err := q.update(ctx, func(tx store.Tx) error {
		j, err := c.own(tx, store.JobRunning)
		if err != nil {
			return err
		}
		j.Error, j.Fresh = store.JobErrorOf(cause), false
		event := store.EventJobRetrying
		if scout.ClassOf(cause) != scout.Transient || j.Attempt >= j.MaxAttempts {
			event = store.EventJobDead
			j.State, j.FinishedAt = store.JobDead, q.now()
		} else {
			pause := resilience.Pause(resilience.Policy{Initial: firstRetry}, j.Attempt, cause)
			j.State, j.NextAt = store.JobRetrying, q.now().Add(pause)
			j.Since = j.NextAt
		}
		failed = j
		return put(tx, &j, event)
	})
	if err != nil {
		return err
	}
	attributes := append(q.attributes(&failed), slog.String(observe.KeyCode, string(failed.Error.Code)), slog.String(observe.KeyError, cause.Error()), slog.Int64(observe.KeyDurationMS, time.Since(c.began).Milliseconds()))
	q.metrics.outcomes.WithLabelValues(failed.Kind, string(failed.State)).Inc()
	if failed.State == store.JobDead {
		q.log.Error(eventDead, attributes...)
	} else {
		q.log.Warn(eventRetrying, attributes...)
	}
	return nil
}

// Release gives the job back as if it had not been begun, for the next process.
func (c *Claimed) Release(ctx context.Context) error { return c.back(ctx, 0, nil) }

// back puts the job into the queue again, and takes the attempt back.
func (c *Claimed) back(ctx context.Context, pause time.Duration, cause error) error {
	return c.queue.update(ctx, func(tx store.Tx) error {
		j, err := c.own(tx, store.JobRunning)
		if err != nil {
			return err
		}
		j.State, j.Attempt, j.Fresh = store.JobQueued, max(0, j.Attempt-1), false
		if pause > 0 {
			j.NextAt = c.queue.now().Add(pause)
		}
		if cause != nil {
			j.Error = store.JobErrorOf(cause)
		}
		return put(tx, &j, store.EventJobQueued)
	})
}
