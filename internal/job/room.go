package job

import (
	"context"
	"errors"
	"time"

	"github.com/scout-speech/scout"
)

// Room returns a *FullError if a job of the client would be refused now. What is large is asked for before it is received; Submit decides.
func (q *Queue) Room(ctx context.Context, client string) error {
	all, own, err := q.store.UnfinishedJobs(ctx, client)
	if err != nil {
		return err
	}
	return q.turnedAway(q.room(client, all, own))
}

// room refuses a job where there are too many: all that have not ended, and those of the client.
func (q *Queue) room(client string, all, own int) error {
	limits := q.options.Limits
	everybody := all >= limits.All
	switch {
	case client != "" && own >= limits.PerClient: // the owner has the whole queue
		return &FullError{All: everybody, client: client, jobs: all, err: scout.Errorf(scout.CodeQueueFull, "the queue is full: %d jobs of yours have not ended", own)}
	case everybody:
		return &FullError{All: true, jobs: all, err: scout.Errorf(scout.CodeQueueFull, "the queue is full: %d jobs have not ended", all)}
	}
	return nil
}

// turnedAway tells a client whose job was refused when to come back. Other errors it returns as they are.
func (q *Queue) turnedAway(err error) error {
	var full *FullError
	if !errors.As(err, &full) {
		return err
	}
	q.metrics.refused.Inc()
	whose := full.client
	if full.All {
		whose = "" // it waits for the jobs of anybody
	}
	every := q.pace.ends(full.jobs, q.atOnce())
	full.After = q.returns.After(whose, q.now(), every, every)
	full.err = full.err.WithHint("try again in %s, or cancel jobs: scout jobs cancel", full.After.Round(time.Second))
	return err
}
