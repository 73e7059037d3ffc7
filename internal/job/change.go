package job

import (
	"context"
	"errors"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// Cancel ends a job that nobody wants any more. One that runs is stopped. Repeating it does no harm.
func (q *Queue) Cancel(ctx context.Context, id string) (store.Job, error) {
	changed := false
	j, err := q.edit(ctx, id, func(tx store.Tx, j *store.Job) (event string, err error) {
		changed = false
		switch {
		case j.State == store.JobCancelled:
			return "", nil
		case j.State.Ended():
			return "", forbidden(j, "cancelled")
		}
		changed = true
		j.State, j.FinishedAt, j.Checkpoint, j.Done, j.Fresh, j.NextAt = store.JobCancelled, q.now(), nil, 0, false, time.Time{}
		j.Error = nil // of an attempt that nobody asks about any more
		return store.EventJobCancelled, tx.DropJobParts(j.ID)
	})
	if err == nil && changed {
		q.metrics.outcomes.WithLabelValues(j.Kind, string(store.JobCancelled)).Inc()
		if c := q.attempt(&j); c != nil {
			c.end(errCancelled)
		}
	}
	return j, err
}

// Pause holds a job back. One that runs stops after the piece that it is at, and continues from there. Repeating it does no harm.
func (q *Queue) Pause(ctx context.Context, id string) (store.Job, error) {
	j, err := q.edit(ctx, id, func(_ store.Tx, j *store.Job) (string, error) {
		switch {
		case j.State == store.JobPaused:
			return "", nil
		case j.State.Ended():
			return "", forbidden(j, "paused")
		case j.State == store.JobRunning:
			j.Attempt = max(0, j.Attempt-1)
		}
		j.State, j.Fresh, j.NextAt = store.JobPaused, false, time.Time{}
		return store.EventJobPaused, nil
	})
	if err == nil {
		if c := q.attempt(&j); c != nil {
			c.held.Store(true)
		}
	}
	return j, err
}

// Resume lets a job that was paused wait for its turn again. An attempt that has not come to its end yet is ended: the next one begins
// where the last checkpoint was. Repeating it does no harm.
func (q *Queue) Resume(ctx context.Context, id string) (store.Job, error) {
	changed := false
	j, err := q.edit(ctx, id, func(_ store.Tx, j *store.Job) (string, error) {
		changed = false
		switch {
		case j.State.Ended():
			return "", forbidden(j, "resumed")
		case j.State != store.JobPaused:
			return "", nil
		}
		changed = true
		j.State, j.Since = store.JobQueued, q.now()
		return store.EventJobQueued, nil
	})
	if err == nil && changed {
		if c := q.attempt(&j); c != nil {
			c.end(ErrLost)
		}
	}
	return j, err
}

// Retry lets a job that is dead or cancelled begin again, at the end of the line and with all its attempts. Repeating it does no harm.
func (q *Queue) Retry(ctx context.Context, id string) (store.Job, error) {
	j, err := q.edit(ctx, id, q.retry)
	return j, q.turnedAway(err)
}

func (q *Queue) retry(tx store.Tx, j *store.Job) (string, error) {
	switch j.State {
	case store.JobSucceeded:
		return "", forbidden(j, "tried again")
	case store.JobDead, store.JobCancelled:
	default:
		return "", nil
	}
	all, own, err := tx.UnfinishedJobs(j.Client)
	if err != nil {
		return "", err
	}
	if err := q.room(j.Client, all, own); err != nil {
		return "", err
	}
	last, err := tx.LastPlace()
	if err != nil {
		return "", err
	}
	j.State, j.Attempt, j.Ends, j.Alone, j.Error, j.FinishedAt, j.Place, j.Since = store.JobQueued, 0, 0, false, nil, time.Time{}, last+1, q.now()
	return store.EventJobQueued, nil
}

// RetryAll does the same with all jobs in a state, dead or cancelled, whose error has that code; empty for any, in the order in which they were
// submitted. It returns how many begin again, and how many are left because the queue, or the part of it that their client may have, is full.
func (q *Queue) RetryAll(ctx context.Context, state store.JobState, code scout.Code) (n, left int, err error) {
	if state != store.JobDead && state != store.JobCancelled {
		return 0, 0, scout.Errorf(scout.CodeInvalidArgument, "jobs that are %s cannot be tried again: want dead or cancelled", state)
	}
	err = q.update(ctx, func(tx store.Tx) error {
		n, left = 0, 0
		ids, err := tx.JobsWithState(state, code)
		if err != nil {
			return err
		}
		for i, id := range ids {
			var full *FullError
			switch _, err := changeOne(tx, id, q.retry); {
			case errors.As(err, &full) && full.All:
				left += len(ids) - i
				return nil
			case full != nil: // there is room for those of others
				left++
			case err != nil:
				return err
			default:
				n++
			}
		}
		return nil
	})
	return n, left, err
}

// Prioritize gives a job that has not ended another priority.
func (q *Queue) Prioritize(ctx context.Context, id string, p Priority) (store.Job, error) {
	class, err := p.class()
	if err != nil {
		return store.Job{}, err
	}
	return q.edit(ctx, id, func(tx store.Tx, j *store.Job) (string, error) {
		if j.State.Ended() {
			return "", forbidden(j, "given another priority")
		}
		j.Class = class
		return "", tx.PutJob(j)
	})
}

// Forget removes a job that has ended. Its work, submitted again, is a new job.
func (q *Queue) Forget(ctx context.Context, id string) error {
	_, err := q.edit(ctx, id, func(tx store.Tx, j *store.Job) (string, error) {
		if !j.State.Ended() {
			return "", forbidden(j, "forgotten")
		}
		return "", tx.RemoveJob(j.ID)
	})
	return err
}

// Hold keeps all jobs from being begun, or lets them go on. Those that run go on in any case.
func (q *Queue) Hold(ctx context.Context, hold bool) error {
	return q.update(ctx, func(tx store.Tx) error { return tx.PauseQueue(hold) })
}

// edit changes one job. The event tells what happened; empty for nothing, or for what was kept already.
func (q *Queue) edit(ctx context.Context, id string, change func(tx store.Tx, j *store.Job) (event string, err error)) (j store.Job, err error) {
	err = q.update(ctx, func(tx store.Tx) error {
		j, err = changeOne(tx, id, change)
		return err
	})
	return j, err
}

func changeOne(tx store.Tx, id string, change func(tx store.Tx, j *store.Job) (event string, err error)) (store.Job, error) {
	j, err := tx.Job(id)
	if err != nil {
		return j, err
	}
	event, err := change(tx, &j)
	if err == nil && event != "" {
		err = put(tx, &j, event)
	}
	return j, err
}
