package capture

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/observe"
)

// lose notes that the device delivers no more, or why it does not. The old device is kept: it may
// come back by itself, and then nothing it has is thrown away.
func (o *owner) lose(ctx context.Context, reason scout.GapReason) {
	switch {
	case o.outage == nil:
		o.interrupt(reason)
		o.session.log.Warn(eventDeviceLost, slog.String("device", o.line.device.ID), slog.String(observe.KeyReason, string(reason)))
		o.emit(Event{Kind: KindDeviceLost, Device: o.line.device, Reason: reason})
	case reason != GapStalled:
		o.outage.because(reason)
		o.publish()
	}
	if reason != GapSuspended {
		o.reopen(ctx)
	}
}

// interrupt begins an outage after the newest block.
func (o *owner) interrupt(reason scout.GapReason) {
	o.caughtUp()
	for o.take() && o.hole.frames > 0 {
		continue // with the rest of the hole
	}
	o.line.converter.flush()
	o.timeline.endStretch()
	o.outage = newOutage(reason, o.session.ring.Head(), time.Duration(max(o.session.lastFrame.Load(), 0)))
	o.session.meter.Reset()
	o.session.metrics.outages.WithLabelValues(string(reason)).Inc()
	o.publish()
}

// reopen begins to open the device again. An attempt that waits for its turn begins at once.
func (o *owner) reopen(ctx context.Context) {
	if o.outage == nil || o.outage.next != nil {
		return
	}
	o.opener.abandon(o.opening)
	device := o.session.options.Device
	switch {
	case o.session.options.OnLoss == LossDefault:
		device = ""
	case o.session.follow:
		device = o.line.device.ID // what a part of a name fitted then may fit another device now
	}
	o.opening = o.opener.open(ctx, o.backend, device, true)
}

// outageStep watches for the end of an outage and keeps time true until then.
func (o *owner) outageStep(ctx context.Context, now time.Duration) {
	a := o.outage
	if a.next != nil || !o.line.intake.Empty() {
		a.resume(now)
	}
	if a.settled(now) {
		o.endOutage(ctx)
	}
	if a.back() {
		return
	}
	if a.wakes(now) {
		device, stream := o.line.device.ID, o.line.stream
		o.opener.aside(func() { wakeUp(ctx, stream, device) }) // ends with the answer of the server, or some seconds later
	}
	if o.opening != nil && o.opening.late(now) || o.opening == nil && a.opensAgain(now, o.session.options.StallAfter) {
		o.reopen(ctx)
	}
	if until, due := a.silence(now); due && o.recording() {
		o.fillOutage(o.timeline.expected(until))
	}
}

// fillOutage writes silence up to the position.
func (o *owner) fillOutage(until ring.Position) {
	s, a := o.session, o.outage
	head := s.ring.Head()
	if until <= head || !o.timeline.known() {
		return
	}
	missing, first := a.fill(head, until)
	if first {
		o.emit(Event{Kind: KindGapBegan, Gap: Gap{Start: a.start, Reason: a.reason}, Reason: a.reason})
	}
	s.ring.WriteSilence(missing)
	s.gaps.note(a.gap())
}

// endOutage continues with the device that is back: the old one if it has frames, else the new one. Frames that are missing by time
// become silence. Frames that come so late that silence has taken their place are dropped.
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
	o.stopOpening()
	if o.recording() {
		o.place(l)
		o.gap(o.outage.gap())
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
	s := o.session
	rate := float64(s.options.Format.SampleRateHz)
	var frames sound.Frames
	best := math.Inf(-1) // the zero by the promptest waiting block, if the first frame were frame 0
	l.intake.Span(func(n sound.Frames, at time.Duration) {
		frames += n
		best = max(best, float64(l.converter.frames(frames))-rate*at.Seconds())
	})
	if frames == 0 {
		return
	}
	best = min(best, -rate*l.opened.Seconds())
	silence, late := o.outage.place(zero-best-float64(s.ring.Head()), rate*leastGap.Seconds())
	if silence > 0 {
		o.fillOutage(s.ring.Head().Add(silence))
	}
	if late > 0 {
		l.intake.Skip(l.converter.deviceFrames(late))
	}
}
