package capture

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"github.com/scout-speech/scout/internal/capture/sound"
)

// surroundings is what is known about the sound system while a session runs.
type surroundings struct {
	backend  sound.Backend // the one that served once; another sound system would be another device
	system   sound.System  // as it looked last
	watching <-chan sound.System
	watched  bool // watching was begun; it may have ended since
}

// watch begins to look at the sound system, once.
func (o *owner) watch(ctx context.Context, b sound.Backend) {
	if o.backend == nil {
		o.backend = b
	}
	if !o.watched {
		o.watched, o.watching = true, b.Watch(ctx)
	}
}

// look compares what the sound system says with what should be.
func (o *owner) look(ctx context.Context, now sound.System) {
	was := o.system
	o.system = now
	changed := now.Up && (!was.Up || now.Default != was.Default || !slices.Equal(sortedKeys(now.Sources), sortedKeys(was.Sources)))
	if o.line != nil && o.line.stream.Name() != "" {
		o.lookAtStream(ctx, was, now)
	}
	if changed && o.outage != nil && o.outage.reason != GapSuspended && o.outage.moved == 0 {
		o.reopen(ctx)
	} else if changed && o.line == nil && o.opening != nil && o.session.options.Warm {
		o.opener.abandon(o.opening)
		o.opening = o.opener.open(ctx, o.backend, o.session.options.Device, true)
	}
}

func sortedKeys(m map[string]sound.Source) []string { return slices.Sorted(maps.Keys(m)) }

func (o *owner) lookAtStream(ctx context.Context, was, now sound.System) {
	l := o.line
	on, listed := now.Streams[l.stream.Name()]
	switch {
	case !now.Up:
		if was.Up { // else it cannot be asked, and says nothing
			o.lose(ctx, GapServerLost)
		}
	case !listed && l.seen && (o.outage == nil || o.outage.unexplained()):
		l.seen = false
		o.lose(ctx, GapDeviceLost)
	case listed:
		l.seen = true
		if on != l.device.ID {
			o.moved(now, on)
		}
		o.suspension(ctx, now.Sources[on].Suspended)
	}
}

// moved notes that the system gave the stream another device. What was not heard in between is a gap.
func (o *owner) moved(now sound.System, to string) {
	was := o.line.device
	o.line.device = sound.Device{ID: to, Name: now.Sources[to].Name, Default: now.Default == to, Formats: was.Formats}
	if o.outage == nil {
		o.interrupt(GapDeviceLost)
		o.outage.move(o.now())
	}
	o.publish()
	o.session.log.Warn(eventDeviceChanged, slog.String("device", to), slog.String("was", was.ID))
	o.emit(Event{Kind: KindDeviceChanged, Device: o.line.device})
}

// suspension begins and ends outages of a device that the system put to sleep.
func (o *owner) suspension(ctx context.Context, suspended bool) {
	switch {
	case suspended && o.outage == nil:
		o.lose(ctx, GapSuspended)
	case !suspended && o.outage != nil && o.outage.reason == GapSuspended && o.outage.next == nil && o.opening == nil:
		o.reopen(ctx) // the old stream wakes up sooner, if it does
	}
}
