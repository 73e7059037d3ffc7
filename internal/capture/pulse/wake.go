package pulse

import (
	"context"
	"fmt"
	"strings"
)

// monitorSuffix ends the names of PulseAudio's monitors: the sources that record what an output plays.
const monitorSuffix = ".monitor"

// IsMonitor reports whether the source with that ID is the monitor of an output.
func IsMonitor(id string) bool { return strings.HasSuffix(id, monitorSuffix) }

// Wake makes an idle output deliver to its monitor at once. PulseAudio lets an output that nobody plays into run two
// seconds ahead (module-null-sink, and hardware scheduled by timer). A monitor opened then delivers nothing until those
// are over: 1.1 to 2.0 s measured, 0.04 s with this. Suspending the output and resuming it makes it start afresh. Both
// requests go out in one write, so that not even kill -9 can come between them. If anybody plays or listens, or the
// output is already suspended, nothing is done.
//
//	stream  the name of our own stream, which does not count
func Wake(ctx context.Context, server, monitor, stream string) error {
	c, err := dial(ctx, server)
	if err != nil {
		return err
	}
	defer c.close()
	defer context.AfterFunc(ctx, func() { _ = c.conn.Close() })() // ends a question under way

	name := strings.TrimSuffix(monitor, monitorSuffix)
	output, err := c.sink(name)
	if err != nil || output.state == suspended {
		return err
	}
	inputs, err := c.playing()
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	for _, input := range inputs {
		if input.at == output.index {
			return nil
		}
	}
	for other, source := range state.Streams {
		if source == monitor && other != stream {
			return nil
		}
	}
	suspend := func(sleep bool) request {
		return request{commandSuspendSink, arguments(nil).number(anyIndex).text(name).truth(sleep)}
	}
	if _, err := c.askAll(suspend(true), suspend(false)); err != nil {
		return fmt.Errorf("wake up %s: %w", name, err)
	}
	return nil
}
