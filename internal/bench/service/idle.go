package service

import (
	"context"
	"time"

	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/resilience"
)

const (
	// readyTakes is how often the daemon is started.
	readyTakes = 20
	// idleAfter is when a daemon that nobody uses has done what it does at its start.
	idleAfter = 5 * time.Second
)

// idle measures a daemon that nobody uses.
func idle(ctx context.Context, o Options, into *bench.Service) error {
	found := &bench.ServiceIdle{}
	err := in(ctx, o, func(h *house) error {
		for n := range readyTakes {
			h.stop()
			h.tell("idle: start %d of %d", n+1, readyTakes)
			ready, err := h.start(ctx)
			if err != nil {
				return err
			}
			found.Ready = append(found.Ready, ready)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// The self-test at the start would load a model.
	err = in(ctx, o, func(h *house) (err error) {
		h.tell("idle: %s without a model", idleAfter)
		if err := resilience.Sleep(ctx, idleAfter); err != nil {
			return err
		}
		found.PSS, err = h.pss(ctx)
		return err
	}, "SCOUT_HEALTH__START_SELFTEST=off")
	if err == nil {
		into.Idle = found
	}
	return err
}
