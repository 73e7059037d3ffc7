package capture

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/observe"
)

// Time constants of outages; docs/adr/0022-gap-policy.md says why.
const (
	// settleFor is how long blocks of a device that is back are collected before they are placed: the
	// promptest of them says when they were heard.
	settleFor = 120 * time.Millisecond
	// holdStalled is how long silence is held back while a device merely keeps quiet: a machine or a
	// server that stood still delivers late what it has.
	holdStalled = 5 * time.Second
	// holdLost is the same for a device that is known to be gone.
	holdLost = 300 * time.Millisecond
	// fillMargin is how far behind time silence is written while an outage lasts.
	fillMargin = 300 * time.Millisecond
	// wakeAgain is how long a device that may be asleep is given between two attempts to wake it.
	wakeAgain = 100 * time.Millisecond
	// leastGap is a loss below what the measuring of time can tell.
	leastGap = 10 * time.Millisecond
)

// outage is a time without frames from the device.
type outage struct {
	reason  scout.GapReason
	start   ring.Position // where frames are missing
	since   time.Duration // when the last block came
	hold    time.Duration
	filled  uint64        // silence written so far
	next    *line         // the device that goes on, where it is not the old one
	resumed time.Duration // when frames were seen again; 0 for not yet
	moved   time.Duration // when the system gave the stream another device, or that was woken up again
}

// lose notes that the device delivers no more, or why it does not. The old device is kept: it may
// come back by itself, and then nothing it has is thrown away.
func (o *owner) lose(ctx context.Context, reason scout.GapReason) {
	hold := holdLost
	if reason == GapStalled {
		hold = holdStalled
	}
	switch {
	case o.outage == nil:
		o.interrupt(reason, hold)
		o.session.log.Warn(eventDeviceLost, slog.String("device", o.line.device.ID), slog.String(observe.KeyReason, string(reason)))
		o.emit(Event{Kind: KindDeviceLost, Device: o.line.device, Reason: reason})
	case reason != GapStalled:
		o.outage.reason, o.outage.hold = reason, hold
		o.publish()
	}
	if reason != GapSuspended {
		o.reopen(ctx)
	}
}

// interrupt begins an outage after the newest block.
func (o *owner) interrupt(reason scout.GapReason, hold time.Duration) {
	o.take()
	o.line.converter.flush()
	o.timeline.endStretch()
	o.outage = &outage{reason: reason, start: o.session.ring.Head(), since: time.Duration(max(o.session.lastFrame.Load(), 0)), hold: hold}
	o.session.meter.Reset()
	o.session.metrics.outages.WithLabelValues(string(reason)).Inc()
	o.publish()
}

// reopen begins to open the device again, or at once anew where an attempt waits for its turn.
func (o *owner) reopen(ctx context.Context) {
	if o.outage == nil || o.outage.next != nil {
		return
	}
	if o.opening != nil {
		o.abandon(o.opening)
	}
	device := o.session.options.Device
	switch {
	case o.session.options.OnLoss == LossDefault:
		device = ""
	case o.session.follow:
		device = o.line.device.ID // what a part of a name fitted then may fit another device now
	}
	o.opening = o.open(ctx, device, true)
}

// outageStep watches for the end of an outage and keeps time true until then.
func (o *owner) outageStep(ctx context.Context, now time.Duration) {
	a := o.outage
	if a.resumed == 0 && (a.next != nil || !o.line.intake.Empty()) {
		a.resumed = now
	}
	if a.resumed != 0 && now-a.resumed >= settleFor {
		o.endOutage(ctx)
		return
	}
	if a.resumed != 0 {
		return
	}
	if a.moved != 0 && now-a.moved >= wakeAgain {
		a.moved = now
		device := o.line.device.ID
		stream := o.line.stream
		o.session.inBackground(func() { wakeUp(ctx, stream, device) }) // ends with the answer of the server, or pulseRequest later
	}
	if o.opening != nil && o.opening.late(now) {
		o.reopen(ctx)
	}
	if o.opening == nil && a.reason != GapSuspended && now-a.since > o.session.options.StallAfter {
		o.reopen(ctx) // the system gave the stream another device, which keeps quiet too
	}
	if o.recording() && now-a.since > a.hold {
		o.fillOutage(o.timeline.expected(now - fillMargin))
	}
}

// fillOutage writes silence up to the position.
func (o *owner) fillOutage(until ring.Position) {
	s, a := o.session, o.outage
	head := s.ring.Head()
	if until <= head || !o.timeline.known() {
		return
	}
	if a.filled == 0 {
		o.emit(Event{Kind: KindGapBegan, Gap: Gap{Start: a.start, Reason: a.reason}, Reason: a.reason})
	}
	missing := until.Sub(head)
	s.ring.WriteSilence(missing)
	a.filled += missing
	s.gaps.note(Gap{Start: a.start, Frames: a.filled, Reason: a.reason})
}

// endGap notes the outage's gap as over.
func (o *owner) endGap() {
	a := o.outage
	o.gap(Gap{Start: a.start, Frames: a.filled, Reason: a.reason})
}

// endOutage goes on with the device that is back, the old one where it has frames. What is missing
// by time becomes silence; of frames that come too late, those whose time silence has taken already
// are left out.
func (o *owner) endOutage(ctx context.Context) {
	a, old := o.outage, o.line
	l := old
	if old.intake.Empty() {
		l = a.next
	} else {
		old.opened = a.since // what it delivers now was heard after what it delivered then
	}
	if l == old && a.next != nil {
		o.session.closeLater(a.next)
	}
	if o.opening != nil {
		o.abandon(o.opening)
		o.opening = nil
	}
	if o.recording() {
		o.place(l)
		o.endGap()
	} else {
		o.timeline = newTimeline(o.session.options.Format.SampleRateHz)
		o.warmFrom = o.session.ring.Head()
	}
	o.outage = nil
	o.adopt(ctx, l)
	if l != old {
		o.session.closeLater(old)
	}
}

// place makes the ring's head the place of l's first waiting frame.
func (o *owner) place(l *line) {
	zero, known := o.timeline.zero()
	if !known || !l.stream.RealTime() {
		return
	}
	s, a := o.session, o.outage
	rate := float64(s.options.Format.SampleRateHz)
	var frames sound.Frames
	best := math.Inf(-1) // the zero by the promptest waiting block, if the first frame were frame 0
	l.intake.Span(func(n sound.Frames, at time.Duration) {
		frames += n
		best = max(best, float64(l.converter.frames(frames))-rate*at.Seconds())
	})
	best = min(best, -rate*l.opened.Seconds())
	missing := zero - best - float64(s.ring.Head())
	switch {
	case frames == 0:
	case missing > 0 && (a.filled > 0 || missing >= rate*leastGap.Seconds()):
		o.fillOutage(s.ring.Head().Add(uint64(missing)))
	case missing < 0 && a.filled > 0:
		late := min(uint64(-missing), a.filled)
		l.intake.Skip(l.converter.deviceFrames(late))
	}
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
		o.abandon(o.opening)
		o.opening = o.open(ctx, o.session.options.Device, true)
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
	case !listed && l.seen && (o.outage == nil || o.outage.reason == GapStalled || o.outage.reason == GapSuspended):
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
		o.interrupt(GapDeviceLost, holdStalled)
		o.outage.moved = o.now() - wakeAgain
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
