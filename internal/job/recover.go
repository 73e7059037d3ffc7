package job

import (
	"context"
	"log/slog"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
)

const (
	// aloneAfter is after how many ends of the process a job that was running at each of them, without its checkpoint having moved,
	// runs alone.
	aloneAfter = 3
	// deadAfter is after how many it is dead: the last three were its own.
	deadAfter = aloneAfter + 3
)

// Recover gives back the jobs that the process before was doing when it ended. That uses up no attempt. byItself says that the
// process ended by itself, so that what it was doing may have been the cause; an end in the first moments of a job counts in any case.
// It is called before the first job is begun.
func (q *Queue) Recover(ctx context.Context, byItself bool) error {
	var dead []store.Job
	var again int
	err := q.update(ctx, func(tx store.Tx) error {
		list, err := tx.RunningJobs()
		if err != nil {
			return err
		}
		dead = nil
		again = 0
		for i := range list {
			j := &list[i]
			if q.doing(j) {
				continue
			}
			again++
			if byItself || j.Fresh {
				j.Ends++
			}
			event := store.EventJobQueued
			j.State, j.Attempt, j.Fresh, j.Alone = store.JobQueued, max(0, j.Attempt-1), false, j.Ends >= aloneAfter
			if j.Ends >= deadAfter {
				event = store.EventJobDead
				j.State, j.FinishedAt, j.Alone = store.JobDead, q.now(), false
				j.Error = store.JobErrorOf(scout.Errorf(scout.CodeCrashLoop, "the daemon ended %d times while it did this job, the last %d times with no other job", j.Ends, deadAfter-aloneAfter))
				dead = append(dead, *j)
			}
			if err := put(tx, j, event); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if again > 0 {
		q.log.Info(eventRecovered, slog.Int("jobs", again), slog.Bool("by_itself", byItself))
	}
	for i := range dead {
		q.gaveUp(&dead[i])
	}
	return nil
}

// gaveUp tells that a job is dead, not for a failure of its own.
func (q *Queue) gaveUp(j *store.Job) {
	_ = q.options.Failures.Count(j.Error.Err()) // it returns its argument
	q.metrics.outcomes.WithLabelValues(j.Kind, string(store.JobDead)).Inc()
	q.log.Error(eventDead, append(q.attributes(j), slog.String(observe.KeyCode, string(j.Error.Code)), slog.String(observe.KeyError, j.Error.Message))...)
}

// doing reports whether this process does the job.
func (q *Queue) doing(j *store.Job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.live[j.ID]
	return c != nil && c.Job.Run == j.Run
}
