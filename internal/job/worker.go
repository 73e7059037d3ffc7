package job

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/store"
)

// Work does a job. It commits the result in the transaction of Claimed.Finish, and returns nil only after that. It ends when ctx does.
type Work func(ctx context.Context, c *Claimed) error

const (
	// freshFor is how long the first moments of a job are: an end of the process within them counts against it.
	freshFor = 2 * time.Second
	// readAgain is when a queue that could not be read is read again.
	readAgain = 5 * time.Second
	// keptFirst and keptLast bound the pauses before a change is written again that could not be.
	keptFirst = 100 * time.Millisecond
	keptLast  = 10 * time.Second
)

// Run does the jobs in their order until ctx ends. What is under way then goes back into the queue. It waits for all that it
// started.
func (q *Queue) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	var keep keeper
	defer keep.release()
	q.mu.Lock()
	q.owed = true
	q.mu.Unlock()
	listening := make(chan struct{})
	go func() { // ended by ctx, and waited for
		defer close(listening)
		q.listen(ctx)
	}()
	defer func() { <-listening }()
	for ctx.Err() == nil {
		q.recoverFirst(ctx)
		changed := q.change()
		c, wake := q.next(ctx)
		if c != nil {
			work.Go(func() { q.do(ctx, c) })
			continue
		}
		q.hold(ctx, &keep)
		timer := time.NewTimer(wake)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// recoverFirst gives back what is running and nobody does, before a job is begun. A store that cannot be written is tried again.
func (q *Queue) recoverFirst(ctx context.Context) {
	for ctx.Err() == nil {
		changed := q.change()
		q.mu.Lock()
		again := q.owed
		q.owed = false
		q.mu.Unlock()
		if !again {
			return
		}
		err := q.Recover(ctx, q.options.ByItself && !q.recovered.Load())
		if err == nil {
			q.recovered.Store(true)
			continue
		}
		q.mu.Lock()
		q.owed = true
		q.mu.Unlock()
		q.unread(ctx, err)
		timer := time.NewTimer(readAgain)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// unread logs that the queue could not be read.
func (q *Queue) unread(ctx context.Context, err error) {
	if ctx.Err() == nil {
		q.log.Warn(eventNotRead, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}

// Reopened is called when another database has taken the place of the store, or the first one is there: what was running in it is given
// back, and what this process does is ended. It belongs to a job of the database before.
func (q *Queue) Reopened(ctx context.Context) {
	err := q.giveBack(ctx, q.options.ByItself && !q.recovered.Load(), true)
	if err != nil {
		q.unread(ctx, err)
		for _, c := range q.loseAll() {
			c.end(ErrLost)
		}
	} else {
		q.recovered.Store(true)
	}
	q.mu.Lock()
	q.owed = q.owed || err != nil // Run tries it again
	close(q.reopened)
	q.reopened = make(chan struct{})
	q.mu.Unlock()
	q.tell()
}

// listen hears of jobs that were removed together with their recordings, until ctx ends.
func (q *Queue) listen(ctx context.Context) {
	for ctx.Err() == nil {
		q.mu.Lock()
		reopened := q.reopened
		q.mu.Unlock()
		rung, end := q.store.Listen(store.QueueStream)
		for another := false; !another && ctx.Err() == nil; {
			select {
			case <-rung:
				q.removed(ctx)
			case <-reopened:
				another = true
			case <-ctx.Done():
			}
		}
		end()
	}
}

// removed ends the work on jobs that are gone, and wakes who waits.
func (q *Queue) removed(ctx context.Context) {
	q.mu.Lock()
	live := slices.Collect(maps.Keys(q.live))
	q.mu.Unlock()
	for _, c := range live {
		if _, err := q.store.Job(ctx, c.Job.ID); scout.CodeOf(err) == scout.CodeNotFound {
			c.end(ErrLost)
		}
	}
	q.tell()
}

// next begins the job whose turn it is, if there is room. Without one, wake is when to look again in any case.
func (q *Queue) next(ctx context.Context) (c *Claimed, wake time.Duration) {
	const never = 24 * time.Hour // a change wakes
	q.mu.Lock()
	of := q.slotsLocked().next(q.takenLocked())
	if q.draining {
		of = nobodys
	}
	q.mu.Unlock()
	if of == nobodys {
		return nil, never
	}
	if pause := q.rests(q.now()); pause > 0 {
		return nil, pause
	}
	c, err := q.claim(ctx, of)
	if c != nil {
		return c, 0
	}
	var at time.Time
	if err == nil {
		at, err = q.store.NextJob(ctx, due(q.now()))
	}
	switch {
	case err != nil:
		q.unread(ctx, err)
		return nil, readAgain
	case at.IsZero():
		return nil, never
	}
	return nil, max(time.Millisecond, at.Sub(q.now()))
}

// keeper holds what Options.Begin returned while there is work.
type keeper struct{ end func() }

func (k *keeper) release() {
	if k.end != nil {
		k.end()
		k.end = nil
	}
}

// hold tells whether there is work to do: jobs that run or wait, unless a person holds them back.
func (q *Queue) hold(ctx context.Context, keep *keeper) {
	if q.options.Begin == nil {
		return
	}
	counts, err := q.store.JobCounts(ctx, false)
	paused, pausedErr := q.store.QueuePaused(ctx)
	if err != nil || pausedErr != nil {
		return // as before
	}
	work := false
	for _, c := range counts {
		work = work || c.State == store.JobRunning || c.State.Waiting() && !paused
	}
	switch {
	case !work:
		keep.release()
	case keep.end == nil:
		keep.end = q.options.Begin()
	}
}

// do does one job.
func (q *Queue) do(ctx context.Context, c *Claimed) {
	defer c.left()
	working, cancel := context.WithCancelCause(observe.WithTraceparent(ctx, c.Job.Traceparent))
	defer cancel(nil)
	c.OnStop(cancel)
	working, span := q.options.Scope.Component("job").Tracer().Start(working, "job."+c.Job.Kind)
	survived := time.AfterFunc(freshFor, func() {
		_ = c.Survived(settledContext(ctx)) // at worst an end of the process counts that should not
	})
	err := q.options.Failures.Guard("job", func() error { // a defect costs this job and no other one
		return q.options.Kinds[c.Job.Kind](working, c)
	})
	survived.Stop()
	observe.EndSpan(span, err)
	cause := context.Cause(working) // of an interruption; nil where there was none
	switch {
	case err == nil:
		c.Committed()
	case errors.Is(err, ErrLost), errors.Is(err, ErrPaused), errors.Is(cause, errCancelled), errors.Is(cause, ErrLost): // the state of the job says so already
	case cause != nil, scout.ClassOf(err) == scout.Cancelled:
		q.keep(ctx, c, func(ctx context.Context) error { return c.Release(ctx) })
	default:
		_ = q.options.Failures.Count(err) // it returns its argument
		q.keep(ctx, c, func(ctx context.Context) error { return c.Fail(ctx, err) })
	}
}

// keep writes what became of a job. A store that cannot be written is tried again until ctx ends: then the next process finds the
// job as one that was interrupted.
func (q *Queue) keep(ctx context.Context, c *Claimed, write func(ctx context.Context) error) {
	pause := keptFirst
	for {
		err := write(settledContext(ctx))
		if err == nil || errors.Is(err, ErrLost) {
			return
		}
		q.log.Warn(eventNotKept, slog.String("job", c.Job.ID), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		if resilience.Sleep(ctx, pause) != nil {
			return
		}
		pause = min(2*pause, keptLast)
	}
}

// Drain begins no more jobs and gives those under way until patience is over; then they are interrupted, and go back into the queue.
// It returns when none is under way, or when ctx ends.
func (q *Queue) Drain(ctx context.Context, patience time.Duration) error {
	q.mu.Lock()
	q.draining = true
	q.mu.Unlock()
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for {
		changed := q.change()
		q.mu.Lock()
		live := slices.Collect(maps.Keys(q.live))
		q.mu.Unlock()
		if len(live) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-enough.C:
			for _, c := range live {
				c.end(errStopping)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
