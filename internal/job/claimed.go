package job

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
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
	// Outcome is what stays as the checkpoint of the job once it has succeeded; nil for nothing. It is set before Finish.
	Outcome json.RawMessage

	queue *Queue
	began time.Time
	noted time.Time // when the last event of its progress was written; for Save

	kept json.RawMessage // the checkpoint as this attempt has left it in the store; for Save

	charge *charge // guarded by the queue

	held atomic.Bool // a person holds it back
	lost atomic.Bool // the store that has the job is no longer the one that is open

	mu      sync.Mutex
	stop    func(cause error) // of the work; nil before it began
	stopped error             // why the work is to end; nil while it goes on
}

// Claim begins the job whose turn it is; nil if there is none.
//
// The order: class, where each RaisedEvery of waiting counts as a class; then what each client was served in that class, least first; then length. So
// clients that have work get the same length of audio done, and one that comes late waits for no other one's line. A job that runs alone is begun when
// no other job waits or runs.
func (q *Queue) Claim(ctx context.Context) (*Claimed, error) { return q.claim(ctx, anybodys) }

// claim is Claim for a job of anybody, or of a client that has none running.
func (q *Queue) claim(ctx context.Context, of whose) (*Claimed, error) {
	var c *Claimed
	now := q.now()
	if q.rests(now) > 0 {
		return nil, nil //nolint:nilnil // there is none
	}
	err := q.store.Update(ctx, func(tx store.Tx) error {
		c = nil
		paused, err := tx.QueuePaused()
		if err != nil || paused {
			return err
		}
		j, charge, err := q.choose(tx, of, now)
		if err != nil || j == nil {
			return err
		}
		j.State, j.Attempt, j.Run, j.Fresh, j.StartedAt, j.NextAt, j.Error = store.JobRunning, j.Attempt+1, j.Run+1, true, now, time.Time{}, nil
		c = &Claimed{Job: *j, queue: q, began: time.Now(), kept: j.Checkpoint, charge: charge}
		q.mu.Lock() // before the commit: from then on it is this process that does it
		q.live[c] = struct{}{}
		q.mu.Unlock()
		return put(tx, j, store.EventJobStarted)
	})
	if err != nil && c != nil {
		c.settle(true)
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

// choose is the job whose turn it is, and what it is charged; nil if there is none.
func (q *Queue) choose(tx store.Tx, of whose, now time.Time) (*store.Job, *charge, error) {
	list, err := tx.RunningJobs()
	if err != nil {
		return nil, nil, err
	}
	if slices.ContainsFunc(list, func(j store.Job) bool { return j.Alone }) {
		return nil, nil, nil
	}
	first, err := tx.FirstJobs(due(now))
	if err != nil {
		return nil, nil, err
	}
	waiting := make([]*store.Job, len(first))
	for i := range first {
		waiting[i] = &first[i]
	}
	if j, c := q.take(waiting, of, now); j != nil || len(list) > 0 {
		return j, c, nil
	}
	lone, found, err := tx.LoneJob(due(now))
	if err != nil || !found {
		return nil, nil, err
	}
	j, c := q.take([]*store.Job{&lone}, anybodys, now)
	return j, c, nil
}

// take begins the job that goes first, and charges its client; nil if there is none. Of each client and class, waiting has the first job at least:
// no other one can go before it.
func (q *Queue) take(waiting []*store.Job, of whose, now time.Time) (*store.Job, *charge) {
	q.mu.Lock()
	defer q.mu.Unlock()
	line := q.shares.line(waiting, now)
	if of == idles {
		busy := make(map[string]bool)
		for c := range q.live {
			busy[c.Job.Client] = busy[c.Job.Client] || !besides(&c.Job)
		}
		line.flows = slices.DeleteFunc(line.flows, func(f *flow) bool { return busy[f.share.client] })
	}
	j, class := line.next()
	if j == nil {
		return nil, nil
	}
	return j, q.shares.take(j, class, now)
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

// attempt returns what this process does of a job; nil if that is nothing. It is told by its run: another attempt may have begun.
func (q *Queue) attempt(j *store.Job) *Claimed {
	q.mu.Lock()
	defer q.mu.Unlock()
	for c := range q.live {
		if c.Job.ID == j.ID && c.Job.Run == j.Run && !c.lost.Load() {
			return c
		}
	}
	return nil
}

// left notes that the work is over. What it was charged and did not get is given back.
func (c *Claimed) left() {
	q := c.queue
	q.mu.Lock()
	q.shares.end(c.charge, c.charge.got, false)
	delete(q.live, c)
	q.mu.Unlock()
	q.tell()
}

// settle notes that the attempt is over, by itself or because the job is given back: its client pays for the audio that it got through.
func (c *Claimed) settle(returned bool) {
	q := c.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	price := c.charge.got
	if !returned {
		price = max(price, leastPrice)
	}
	q.shares.end(c.charge, price, returned)
}

// moved notes how far in the audio the attempt is.
func (c *Claimed) moved(at time.Duration) {
	q := c.queue
	q.mu.Lock()
	changed := q.shares.moved(c.charge, at)
	q.mu.Unlock()
	if changed {
		q.tell()
	}
}

// Heard says how long the audio is, once all of it was heard; the length of the job is an estimate. It is called before Finish.
func (c *Claimed) Heard(length time.Duration) {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	c.charge.total = length
}

// own returns the job in a transaction, if it is still this attempt's and in one of the states.
func (c *Claimed) own(tx store.Tx, states ...store.JobState) (store.Job, error) {
	if c.lost.Load() {
		return store.Job{}, ErrLost
	}
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

// Parts returns the parts of the result that earlier attempts have kept; ErrCleared if they and the checkpoint were removed since the job
// was begun.
func (c *Claimed) Parts(ctx context.Context) ([]json.RawMessage, error) {
	parts, err := c.queue.store.JobParts(ctx, c.Job.ID)
	if err != nil {
		return nil, err
	}
	j, err := c.queue.store.Job(ctx, c.Job.ID) // after the parts: as long as the checkpoint is there, so were they
	switch {
	case scout.CodeOf(err) == scout.CodeNotFound, err == nil && j.Run != c.Job.Run:
		return nil, ErrLost
	case err == nil && !bytes.Equal(j.Checkpoint, c.kept):
		return nil, ErrCleared
	}
	return parts, err
}

// notedEvery bounds the events of progress, which stay in the journal for a day.
const notedEvery = 2 * time.Second

// Save keeps where the work continues, and further parts of its result. It returns ErrPaused, after keeping them, where a person
// holds the job back, and ErrCleared, without keeping anything, where the earlier parts are gone: after Restart all of them are saved
// again. It is called by one goroutine at a time.
func (c *Claimed) Save(ctx context.Context, checkpoint json.RawMessage, done time.Duration, parts ...json.RawMessage) error {
	var paused bool
	noted := time.Now()
	err := c.queue.update(ctx, func(tx store.Tx) error {
		j, err := c.own(tx, store.JobRunning, store.JobPaused)
		if err != nil {
			return err
		}
		if !bytes.Equal(j.Checkpoint, c.kept) {
			return ErrCleared
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
	if err != nil {
		return err
	}
	c.kept = checkpoint
	c.moved(done)
	if noted.Sub(c.noted) >= notedEvery {
		c.noted = noted
	}
	if paused {
		return ErrPaused
	}
	return nil
}

// Note keeps where the work continues in the transaction of the part of the result that it speaks of, so that no end of the process can part the
// two. Its error undoes both: the result of an attempt that has lost its job is not kept. paused says that a person holds the job back, and
// the work ends with ErrPaused after the commit. Who has committed calls Noted.
func (c *Claimed) Note(tx store.Tx, checkpoint json.RawMessage) (paused bool, err error) {
	j, err := c.own(tx, store.JobRunning, store.JobPaused)
	if err != nil {
		return false, err
	}
	if !bytes.Equal(j.Checkpoint, checkpoint) { // as in Save
		j.Ends, j.Alone = 0, false
	}
	j.Checkpoint, j.Fresh = checkpoint, false
	if time.Since(c.noted) >= notedEvery {
		return j.State == store.JobPaused, put(tx, &j, store.EventJobProgress)
	}
	return j.State == store.JobPaused, tx.PutJob(&j)
}

// Noted is called when the transaction of Note was committed.
func (c *Claimed) Noted(checkpoint json.RawMessage) {
	c.kept = checkpoint
	if now := time.Now(); now.Sub(c.noted) >= notedEvery {
		c.noted = now
	}
	c.queue.tell()
}

// Restart forgets where the work continues, because it is of no use: the work begins anew.
func (c *Claimed) Restart(ctx context.Context) error {
	err := c.queue.update(ctx, func(tx store.Tx) error {
		j, err := c.own(tx, store.JobRunning, store.JobPaused)
		if err != nil {
			return err
		}
		j.Checkpoint, j.Done = nil, 0
		if err := tx.DropJobParts(j.ID); err != nil {
			return err
		}
		return tx.PutJob(&j)
	})
	if err == nil {
		c.kept = nil
		c.moved(0) // what is done once more is paid for once more
	}
	return err
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
	j.Checkpoint, j.Fresh, j.Alone, j.Ends = c.Outcome, false, false, 0
	if err := tx.DropJobParts(j.ID); err != nil {
		return err
	}
	return put(tx, &j, store.EventJobSucceeded)
}

// Committed is called when the transaction of Finish was committed.
func (c *Claimed) Committed() {
	q := c.queue
	took := time.Since(c.began)
	if !besides(&c.Job) {
		q.pace.done(c.Job.Length-c.Job.Done, took)
	}
	q.goOn()
	q.paid(c.charge)
	q.metrics.outcomes.WithLabelValues(c.Job.Kind, string(store.JobSucceeded)).Inc()
	q.log.Info(eventFinished, append(q.attributes(&c.Job), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))...)
	q.tell()
}

// paid settles the charge of a job that is done: for all of its audio. Where nobody said how long that is, the estimate stands.
func (q *Queue) paid(c *charge) {
	q.mu.Lock()
	defer q.mu.Unlock()
	price := max(c.price, leastPrice)
	if c.total > 0 {
		price = max(c.got+max(0, c.total-c.at), leastPrice)
	}
	q.shares.end(c, price, false)
}

const (
	// firstRetry bounds the pause after the first failure; each further bound is twice that, up to the minute of S6.
	firstRetry = 2 * time.Second
	// longestPause bounds the time that a job waits for, also one that an engine asks for.
	longestPause = 10 * time.Minute
)

// due are the jobs that may be begun at a time.
func due(now time.Time) store.DueJobs {
	return store.DueJobs{Now: now, Latest: now.Add(longestPause)}
}

// isDue reports whether a waiting job may be begun.
func isDue(j *store.Job, now time.Time) bool {
	return !j.NextAt.After(now) || j.NextAt.After(due(now).Latest)
}

// Fail ends the attempt with an error: the job is tried again after a pause, or is dead if the error is permanent or the attempts are
// used up. An engine that is paused, and a failure of the store itself, use up no attempt: the job goes back, and the queue rests. A job
// whose recording is gone is cancelled: nobody can want it any more.
func (c *Claimed) Fail(ctx context.Context, cause error) error {
	q := c.queue
	if scout.CodeOf(cause) == scout.CodeEngineUnavailable || store.IsAway(cause) {
		q.rest() // before the job is there for others to begin
		err := c.back(ctx, q.pauseOfRest(), cause)
		if err == nil {
			q.rested()
		}
		return err
	}
	c.settle(false)
	var failed store.Job
	err := q.update(ctx, func(tx store.Tx) error {
		j, err := c.own(tx, store.JobRunning)
		if err != nil {
			return err
		}
		j.Error, j.Fresh = store.JobErrorOf(cause), false
		event := store.EventJobRetrying
		switch {
		case scout.CodeOf(cause) == scout.CodeRecordingNotFound:
			event = store.EventJobCancelled
			j.State, j.FinishedAt, j.Checkpoint, j.Done = store.JobCancelled, q.now(), nil, 0
			if err := tx.DropJobParts(j.ID); err != nil {
				return err
			}
		case scout.ClassOf(cause) != scout.Transient, j.Attempt >= j.MaxAttempts:
			event = store.EventJobDead
			j.State, j.FinishedAt = store.JobDead, q.now()
		default:
			pause := min(longestPause, resilience.Pause(resilience.Policy{Initial: firstRetry}, j.Attempt, cause))
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
	switch failed.State {
	case store.JobDead:
		q.log.Error(eventDead, attributes...)
	case store.JobCancelled:
		q.log.Info(eventCancelled, attributes...)
	default:
		q.log.Warn(eventRetrying, attributes...)
	}
	return nil
}

// Release gives the job back as if it had not been begun, for the next process.
func (c *Claimed) Release(ctx context.Context) error { return c.back(ctx, 0, nil) }

// again lets a job that was running wait for its turn once more. The attempt is not counted, and the time that it ran is not time that it
// waited.
func (q *Queue) again(j *store.Job) {
	now := q.now()
	j.State, j.Attempt, j.Fresh = store.JobQueued, max(0, j.Attempt-1), false
	if ran := max(0, now.Sub(j.StartedAt)); !j.Since.Add(ran).After(now) {
		j.Since = j.Since.Add(ran)
	}
}

// back puts the job into the queue again, and takes the attempt back.
func (c *Claimed) back(ctx context.Context, pause time.Duration, cause error) error {
	c.settle(true)
	return c.queue.update(ctx, func(tx store.Tx) error {
		j, err := c.own(tx, store.JobRunning)
		if err != nil {
			return err
		}
		c.queue.again(&j)
		if pause > 0 {
			j.NextAt = c.queue.now().Add(pause)
		}
		if cause != nil {
			j.Error = store.JobErrorOf(cause)
		}
		return put(tx, &j, store.EventJobQueued)
	})
}
