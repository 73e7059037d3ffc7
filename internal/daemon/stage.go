package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

// Log events.
const (
	eventStageStarted = "daemon_stage_started"
	eventStageStopped = "daemon_stage_stopped"
	eventStageFailed  = "daemon_stage_failed"
	eventReady        = "daemon_ready"
	eventNotReady     = "daemon_not_ready"
	eventStopping     = "daemon_stopping"
	eventStopped      = "daemon_stopped"
)

// stage is one step of the way up, and back down.
type stage struct {
	name string
	// within bounds start, and budget stop.
	within, budget time.Duration
	start          func(context.Context) error
	stop           func(context.Context) error // nil for nothing
}

// withoutError is why a stage could not do its work, if the daemon can serve without it.
type withoutError struct{ error }

// Unwrap returns what was wrong.
func (e withoutError) Unwrap() error { return e.error }

// stages starts and stops in order.
type stages struct {
	log      *slog.Logger
	failures *observe.Failures
	started  []stage
}

// start runs one stage after the other. If one fails, or is not done in time, the stages before it are stopped again,
// and the error names it. A stage that returns a withoutError counts as started; the log says that it failed.
func (s *stages) start(ctx context.Context, all []stage) error {
	for _, st := range all {
		began := time.Now()
		err := s.bounded(ctx, st.name, st.within, st.start)
		if err != nil {
			s.failed("start", st.name, err, began)
		}
		var without withoutError
		switch {
		case errors.As(err, &without):
			s.started = append(s.started, st)
			continue
		case err != nil:
			return errors.Join(fmt.Errorf("start %s: %w", st.name, err), s.stop(ctx))
		}
		s.started = append(s.started, st)
		s.log.Info(eventStageStarted, slog.String("stage", st.name), slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
	}
	return nil
}

// stop stops what was started, in the reverse order. Each stage has its own budget, and a stage that fails does not
// prevent the others from being stopped.
func (s *stages) stop(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for i := len(s.started) - 1; i >= 0; i-- {
		st := s.started[i]
		if st.stop == nil {
			continue
		}
		began := time.Now()
		if err := s.bounded(ctx, st.name, st.budget, st.stop); err != nil {
			s.failed("stop", st.name, err, began)
			errs = append(errs, fmt.Errorf("stop %s: %w", st.name, err))
			continue
		}
		s.log.Info(eventStageStopped, slog.String("stage", st.name), slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
	}
	s.started = nil
	return errors.Join(errs...)
}

// bounded runs work within that time. A panic in it is an error. Work that continues nevertheless is left behind: it
// ends at the latest with the process.
func (s *stages) bounded(ctx context.Context, name string, within time.Duration, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, scout.Errorf(scout.CodeDeadlineExceeded, "it was not done within %s", within))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.failures.Guard("daemon/"+name, func() error { return work(ctx) }) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select { // what obeys its context ends at this moment, and knows better what was wrong
	case err := <-done:
		return err
	case <-time.After(grace):
		return context.Cause(ctx)
	}
}

// grace is how long work may take to notice that its time has passed.
const grace = 100 * time.Millisecond

func (s *stages) failed(verb, name string, err error, began time.Time) {
	s.log.Error(eventStageFailed, slog.String("stage", name), slog.String("step", verb), slog.String(observe.KeyCode, string(scout.CodeOf(err))),
		slog.String(observe.KeyError, err.Error()), slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
}
