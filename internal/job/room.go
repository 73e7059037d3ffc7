package job

import (
	"context"
	"errors"
	"sync"
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
	full.After = q.returns.after(whose, q.now(), q.pace.ends(full.jobs, q.atOnce()))
	full.err = full.err.WithHint("try again in %s, or cancel jobs: scout jobs cancel", full.After.Round(time.Second))
	return err
}

// Bounds of a pause. Source: the clients of OpenAI obey one of up to 60 s.
const (
	leastPause = time.Second
	mostPause  = time.Minute
)

// returns spaces the times at which clients that were refused come back. Places get free one after the other: of all that came back at the
// same time, one would find a place, and the others would have sent their files for nothing.
//
// It is the virtual scheduling algorithm of ITU-T I.371 for a single rate, with refusals in the place of cells.
type returns struct {
	mu   sync.Mutex
	last map[string]time.Time // when the one comes back that was refused last, by client; "" for everybody
}

// after is how long the next one waits, where a place gets free every so often.
func (r *returns) after(client string, now time.Time, every time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	for of, at := range r.last {
		if !at.After(now) {
			delete(r.last, of)
		}
	}
	if r.last == nil {
		r.last = make(map[string]time.Time)
	}
	from := now
	if last, ok := r.last[client]; ok && last.Sub(now) <= mostPause { // one further away is of a clock that was set back
		from = last
	}
	at := from.Add(min(every, mostPause))
	if most := now.Add(mostPause); at.After(most) {
		at = most
	}
	r.last[client] = at
	return max(at.Sub(now), leastPause)
}
