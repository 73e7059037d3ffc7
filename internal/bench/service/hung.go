package service

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/resilience"
)

const (
	// hungWithin is how long the daemon may take to notice, and wellWithin how long until it is well again, before the tool gives up.
	hungWithin = 30 * time.Second
	wellWithin = 2 * time.Minute
	// healthEvery is how often somebody asks how it is.
	healthEvery = 50 * time.Millisecond
)

// hung stops the process of the engine, which then takes work and never answers.
func hung(ctx context.Context, o Options, into *bench.Service) error {
	return in(ctx, o, func(h *house) error {
		found := &bench.ServiceHung{}
		cuts := newClips(o.Speech)
		h.tell("hung: a file makes the engine load its model")
		if _, err := h.owner.whole(ctx, cuts.cut(clipLength)); err != nil {
			return err
		}
		if well, err := h.until(ctx, hungWithin, "Unhealthy", false); err != nil || well == 0 {
			return errors.Join(err, scout.Errorf(scout.CodeInternal, "the daemon is Unhealthy before the engine is stopped"))
		}
		all, err := h.processes(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(all, func(p process) bool { return p.Name == "scout-engine" })
		if at < 0 {
			return scout.Errorf(scout.CodeNotFound, "no engine runs")
		}
		stopped := time.Now()
		if err := syscall.Kill(all[at].PID, syscall.SIGSTOP); err != nil {
			return scout.Errorf(scout.CodeInternal, "stop the engine: %w", err)
		}
		defer func() { _ = syscall.Kill(all[at].PID, syscall.SIGCONT) }() // the daemon has killed it, as a rule
		made, _, err := h.owner.insist(ctx, cuts.cut(clipLength))
		if err != nil {
			return err
		}
		h.tell("hung: the engine has work and does not answer")
		if found.Noticed, err = h.until(ctx, hungWithin, "Unhealthy", true); err == nil && found.Noticed > 0 {
			found.Noticed = time.Since(stopped)
			found.Well, err = h.until(ctx, wellWithin, "Unhealthy", false)
		}
		if err != nil {
			return err
		}
		within, cancel := context.WithTimeout(ctx, wellWithin)
		defer cancel()
		done, err := h.owner.follow(within, made.ID)
		if found.JobState = done.State; err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		into.Hung = found
		return nil
	})
}

// until waits until the state of health is a certain one, or another one, and returns how long that took; 0 if it did not come.
func (h *house) until(ctx context.Context, most time.Duration, state string, same bool) (time.Duration, error) {
	for began := time.Now(); time.Since(began) < most; {
		a, err := h.owner.get(ctx, "/healthz")
		var health struct {
			Status string `json:"status"`
		}
		if err == nil && (a.status == http.StatusOK || a.status == http.StatusServiceUnavailable) {
			_ = json.Unmarshal(a.body, &health) // of the daemon
		}
		if health.Status != "" && (health.Status == state) == same {
			return time.Since(began), nil
		}
		if err := resilience.Sleep(ctx, healthEvery); err != nil {
			return 0, err
		}
	}
	return 0, nil
}
