package rig

import (
	"context"
	"os"
	"time"
)

// killing is something to kill, and when.
type killing struct {
	after  time.Duration
	client bool
	kill   func(ctx context.Context) error
}

// killings lists what is killed before the stop, in the order of time.
func (c *conversation) killings(k *Kills, stop time.Duration) (list []killing) {
	if k == nil {
		return nil
	}
	process := func(name string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			s, err := c.status(ctx)
			if err != nil {
				return err
			}
			if pid := s.of(name); pid > 0 {
				if p, err := os.FindProcess(pid); err == nil {
					_ = p.Kill() // it may have ended
				}
			}
			return nil
		}
	}
	engines, daemon, client := k.Engine, k.Daemon, k.Client
	for {
		next, what := stop, killing{}
		if engines > 0 && engines < next {
			next, what = engines, killing{engines, false, process("scout-engine")}
		}
		if daemon > 0 && daemon < next {
			next, what = daemon, killing{daemon, false, process("scout")}
		}
		if client > 0 && client < next {
			next, what = client, killing{client, true, func(context.Context) error {
				_ = c.cmd.Process.Kill() // it runs
				for range c.events {     // until its output ends
				}
				return nil
			}}
		}
		switch next {
		case stop:
			return list
		case engines:
			engines += k.Engine
		case daemon:
			daemon = 0
		case client:
			client = 0
		}
		list = append(list, what)
	}
}
