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
	return q.giveBack(ctx, byItself, false)
}

// giveBack gives back the jobs that run and that nobody does. With replaced, another store is open than the one that has the jobs of this
// process: its attempts have lost them, although the jobs of the other store may look the same.
func (q *Queue) giveBack(ctx context.Context, byItself, replaced bool) error {
	var lost []*Claimed
	var dead []store.Job
	var again int
	err := q.update(ctx, func(tx store.Tx) error {
		list, err := tx.RunningJobs()
		if err != nil {
			return err
		}
		dead = nil
		again = 0
		if replaced { // here, because no job is begun meanwhile
			lost = append(lost, q.loseAll()...)
		}
		for i := range list {
			j := &list[i]
			if q.attempt(j) != nil {
				continue
			}
			again++
			if byItself || j.Fresh {
				j.Ends++
			}
			event := store.EventJobQueued
			q.again(j)
			j.Alone = j.Ends >= aloneAfter
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
	for _, c := range lost {
		c.end(ErrLost)
	}
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

// loseAll notes that all attempts of this process have lost their jobs.
func (q *Queue) loseAll() (lost []*Claimed) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for c := range q.live {
		if !c.lost.Swap(true) {
			lost = append(lost, c)
		}
	}
	return lost
}
