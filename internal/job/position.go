package job

import (
	"context"
	"slices"
	"time"

	"github.com/scout-speech/scout/internal/store"
)

// mostPlaced bounds the line in which a job is looked for.
const mostPlaced = 5000

// placed is the places of all jobs, as they were found for whoever asked first, and of what they were found.
type placed struct {
	placing
	line, shares uint64 // versions
	known        bool
}

// Position is the place of a job in the line, from 1: where it would be if nothing else came. 0 is none: the job does not wait, or the
// line is too long to be looked through.
func (q *Queue) Position(ctx context.Context, j *store.Job) (int, error) {
	if !j.State.Waiting() {
		return 0, nil
	}
	at, err := q.places(ctx)
	return at[j.ID], err
}

// Positions are the places of all jobs that wait, by their ids, if one of those does. They are not to be changed.
func (q *Queue) Positions(ctx context.Context, jobs []store.Job) (map[string]int, error) {
	if !slices.ContainsFunc(jobs, func(j store.Job) bool { return j.State.Waiting() }) {
		return nil, nil //nolint:nilnil // none has a place
	}
	return q.places(ctx)
}

// places are those of all jobs that wait. However many ask, they are found once for each change of the queue. What changes while they are found
// counts as a change after that.
func (q *Queue) places(ctx context.Context) (map[string]int, error) {
	var last placed
	select {
	case last = <-q.placed: // nobody else finds them meanwhile
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { q.placed <- last }()
	line, now := q.store.LineVersion(), q.now()
	s := q.sharesAfter(&last, line, now)
	if s == nil {
		return last.at, nil
	}
	list, err := q.store.Line(ctx, mostPlaced+1)
	if err != nil {
		return nil, err
	}
	found := placed{line: line, shares: s.version, known: true}
	if found.from = now; len(list) <= mostPlaced {
		found.placing = places(list, s, now)
	}
	last = found
	q.metrics.placed.Inc()
	return last.at, nil
}

// sharesAfter returns a copy of the shares, or nil if places are still what they were.
func (q *Queue) sharesAfter(last *placed, line uint64, now time.Time) *shares {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last.known && last.line == line && last.shares == q.shares.version && last.holds(now) {
		return nil
	}
	return q.shares.clone()
}
