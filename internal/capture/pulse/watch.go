package pulse

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/fault"
)

// Goroutine is the name of the goroutine that Watch starts, for fault.Points.
const Goroutine = "capture.watch"

// Watch sends the state of the server, now and after each change, until ctx ends.
func Watch(ctx context.Context, server string, faults fault.Points) <-chan sound.System {
	states := make(chan sound.System, 1)
	go func() { // ends with ctx
		defer close(states)
		timer := time.NewTimer(0)
		defer timer.Stop()
		for up := true; ; {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			err := guarded(func() error {
				if err := faults.At(Goroutine); err != nil {
					return err
				}
				return watchOnce(ctx, server, func(s sound.System) { up = true; replace(states, s) })
			})
			if err != nil && up {
				up = false
				replace(states, sound.System{})
			}
			timer.Reset(reconnectEvery)
		}
	}()
	return states
}

// guarded turns a panic into an error: the server then looks gone, and Scout looks for it again.
func guarded(work func() error) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = scout.Errorf(scout.CodeInternal, "%s: panic: %v", Goroutine, panicked)
		}
	}()
	return work()
}

// replace puts s in the place of an unread state. There is only one sender.
func replace(states chan sound.System, s sound.System) {
	select {
	case <-states:
	default:
	}
	states <- s
}

// watchOnce follows one connection until it or ctx ends.
func watchOnce(ctx context.Context, server string, tell func(sound.System)) error {
	connection, err := dial(ctx, server)
	if err != nil {
		return err
	}
	defer connection.close()
	defer context.AfterFunc(ctx, func() { _ = connection.conn.Close() })() // ends a question under way
	const sources, sourceOutputs, servers = 1 << 1, 1 << 3, 1 << 7         // PA_SUBSCRIPTION_MASK_*
	if _, err := connection.ask(commandSubscribe, arguments(nil).number(sources|sourceOutputs|servers)); err != nil {
		return fmt.Errorf("subscribe to the sound server's events: %w", err)
	}
	for {
		state, err := connection.state()
		if err != nil {
			return err
		}
		tell(state)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-connection.dead:
			return io.EOF
		case <-connection.changed:
		}
	}
}
