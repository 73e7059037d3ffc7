package capture

import (
	"log/slog"
	"math"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/copies"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/observe"
)

// take moves all waiting blocks into the ring; false if there was none. It is the per-block path: nothing in it
// allocates, unless frames were dropped.
func (o *owner) take() bool {
	l, s := o.line, o.session
	for taken := false; ; taken = true {
		if !l.stream.RealTime() && s.ahead() > s.ring.Capacity()/2 {
			return taken // it waits for the readers; a real-time source cannot
		}
		if l.intake.Empty() {
			return taken
		}
		if !o.passHole() {
			return true
		}
		o.takeBlock()
	}
}

// takeBlock moves a waiting block into the ring.
func (o *owner) takeBlock() {
	l, s := o.line, o.session
	b, first, second, ok := l.intake.Next()
	if !ok {
		return
	}
	if b.Dropped > 0 {
		o.dropped(b.Dropped)
	}
	s.options.Copies.Tell(copies.Queued, "", first)
	loudness := l.converter.write(first)
	sum := loud{}
	sum.add(loudness, len(first))
	if len(second) > 0 {
		s.options.Copies.Tell(copies.Queued, "", second)
		sum.add(l.converter.write(second), len(second))
	}
	l.intake.Pop()
	frames := l.intake.FramesIn(b.Bytes)
	o.measured(sum, frames, l.intake.Format())
	if l.stream.RealTime() {
		o.timeline.observe(l.converter.position(), b.At)
	}
	s.lastFrame.Store(int64(b.At))
	s.metrics.samples.Add(float64(frames))
}

// measured passes the level of a block to the meter and to the current second.
func (o *owner) measured(sum loud, frames sound.Frames, format sound.Format) {
	block := sum.level()
	if block.NonFinite > 0 {
		o.session.metrics.invalid.Add(float64(block.NonFinite))
	}
	o.session.meter.Update(block, time.Duration(frames)*time.Second/time.Duration(format.SampleRateHz))
	if o.recording() {
		o.loudness.add(block, int(frames))
	}
}

// everySecond observes what is sampled once a second.
func (o *owner) everySecond(now time.Duration) {
	m := o.session.metrics
	m.level.Observe(o.loudness.level().RMS)
	o.second = second{secondAt: now}
	if last := o.session.lastFrame.Load(); last >= 0 {
		m.age.Set((now - time.Duration(last)).Seconds())
	}
	if ppm, ok := o.timeline.drift(); ok {
		m.drift.Set(ppm)
		o.session.driftPPM.Store(math.Float64bits(ppm))
	}
}

// dropped puts silence in the place of device frames that did not fit into the intake.
func (o *owner) dropped(frames sound.Frames) {
	o.session.metrics.evicted(overrunCallback, uint64(frames))
	o.lack(o.line.converter.frames(frames), GapOverrun)
}

// fillDeficit puts silence in the place of frames that the device or the server silently dropped, as the time shows.
func (o *owner) fillDeficit() {
	missing := o.timeline.deficit()
	if missing == 0 || !o.line.stream.RealTime() {
		return
	}
	o.lack(missing, GapMissing)
	o.timeline.filled(missing)
}

// lack puts silence at the ring's head, in the place of frames that are missing there.
func (o *owner) lack(frames uint64, reason scout.GapReason) {
	s := o.session
	o.line.converter.flush()
	start := s.ring.Head()
	s.ring.WriteSilence(frames)
	o.line.converter.begin()
	o.gap(Gap{Start: start, Frames: frames, Reason: reason})
}

// gap records a gap that is over. While nothing is recorded it only ends the pre-roll.
func (o *owner) gap(g Gap) {
	if g.Frames == 0 {
		return
	}
	s := o.session
	if !o.recording() {
		o.warmFrom = s.ring.Head()
		return
	}
	s.gaps.note(g)
	s.log.Warn(eventCaptureGap, slog.Uint64("start_frame", g.Start.Sub(o.from)), slog.Uint64("frames", g.Frames),
		slog.Int64(observe.KeyDurationMS, s.options.Format.Duration(g.Frames).Milliseconds()),
		slog.String(observe.KeyReason, string(g.Reason)))
	o.emit(Event{Kind: KindGapEnded, Gap: g, Reason: g.Reason})
}
