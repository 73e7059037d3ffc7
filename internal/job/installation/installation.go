// Package installation does the jobs that install models. What was fetched stays in the folder of models, so that a job that was
// interrupted continues where it was, in this process or in another one.
package installation

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
)

// eventNotSaved is progress that could not be saved. It is in docs/formats/log-events.md.
const eventNotSaved = "job_not_saved"

// Request says what is installed; it is the options of a job.
type Request struct {
	Model string `json:"model"`
	// From is as in model.PullOptions.
	From string `json:"from,omitempty"`
}

// Key names the work: of each model there is one job at a time.
func (r *Request) Key() string { return r.Model }

// Options configure a Worker.
type Options struct {
	Store store.Store
	// Pull installs a model, as recognize.Machine does.
	Pull func(ctx context.Context, id string, options model.PullOptions) (model.Pulled, error)
	// LookEvery is how often a job looks whether it is held back; default a quarter of a second. SavedEvery is how often it saves how far it is;
	// default 1 s.
	LookEvery, SavedEvery time.Duration
	Scope                 observe.Scope
}

const (
	lookEvery  = 250 * time.Millisecond
	savedEvery = time.Second
)

// Worker installs one model after the other. It is safe for concurrent use.
type Worker struct {
	options Options
	log     *slog.Logger
	turn    job.Turn // of installations
}

// New returns a worker.
func New(o Options) *Worker {
	if o.LookEvery <= 0 {
		o.LookEvery = lookEvery
	}
	if o.SavedEvery <= 0 {
		o.SavedEvery = savedEvery
	}
	return &Worker{options: o, log: o.Scope.Component("job").Log(), turn: job.NewTurn()}
}

// Do installs the model of a job. It is a job.Work. A model that is in place is only checked. A job that is held back stops at once, and
// what it has fetched stays.
func (w *Worker) Do(ctx context.Context, c *job.Claimed) error {
	request, err := job.OptionsOf[Request](&c.Job)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	progress, over := &progress{worker: w, claimed: c}, make(chan struct{})
	go func() { // ended by ctx, and waited for
		defer close(over)
		stop(progress.watch(ctx))
	}()
	pulled, err := w.pull(ctx, request, progress)
	stop(nil)
	<-over
	if cause := context.Cause(ctx); errors.Is(cause, job.ErrPaused) || errors.Is(cause, job.ErrLost) {
		return cause // also where the model is in place by now: the next attempt finds it
	}
	if err != nil {
		return err
	}
	if c.Outcome, err = json.Marshal(job.Moved{DoneBytes: pulled.SizeBytes, TotalBytes: pulled.SizeBytes}); err != nil {
		return err
	}
	return w.options.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error { return c.Finish(tx, 0) })
}

// pull waits for its turn, and installs the model.
func (w *Worker) pull(ctx context.Context, request Request, p *progress) (model.Pulled, error) {
	over, err := w.turn.Take(ctx)
	if err != nil {
		return model.Pulled{}, err
	}
	defer over()
	// Whatever ends the attempt, the pull itself was interrupted and has not failed.
	pulling, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(scout.Errorf(scout.CodeCancelled, "%w", context.Cause(ctx))) })()
	return w.options.Pull(pulling, request.Model, model.PullOptions{From: request.From, Progress: func(now model.Progress) {
		p.now.Store(&job.Moved{DoneBytes: now.DoneBytes, TotalBytes: now.TotalBytes})
	}})
}

// progress is how far an attempt is.
type progress struct {
	worker  *Worker
	claimed *job.Claimed
	now     atomic.Pointer[job.Moved]

	saved   json.RawMessage
	at      time.Time // of the last save
	failing bool      // the last save failed
}

// watch saves how far the attempt is, until ctx ends. Its error ends the attempt: the job is held back, or is not this attempt's any more.
func (p *progress) watch(ctx context.Context) error {
	p.saved = p.claimed.Job.Checkpoint
	ticker := time.NewTicker(p.worker.options.LookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := p.look(ctx); err != nil {
			return err
		}
	}
}

// look saves how far the attempt is if that is due.
func (p *progress) look(ctx context.Context) error {
	checkpoint := p.saved
	if now := p.now.Load(); now != nil {
		var err error
		if checkpoint, err = json.Marshal(now); err != nil {
			return err
		}
	}
	due := string(checkpoint) != string(p.saved) && time.Since(p.at) >= p.worker.options.SavedEvery
	if !due && !p.claimed.Held() {
		return nil
	}
	p.at = time.Now()
	err := p.claimed.Save(ctx, checkpoint, 0)
	switch {
	case errors.Is(err, job.ErrPaused), errors.Is(err, job.ErrLost):
		return err
	case err == nil:
		p.saved = checkpoint
	case !p.failing && ctx.Err() == nil: // only the figure is lost
		p.worker.log.Warn(eventNotSaved, slog.String("job", p.claimed.Job.ID), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	p.failing = err != nil
	return nil
}
