package capture

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/observe"
)

// Time constants of the owner.
const (
	// stepEvery is how often the owner checks the time while something depends on it: a silent device, a start, an end.
	// Arriving blocks wake it.
	stepEvery = 20 * time.Millisecond
	// restEvery is how often it checks while blocks arrive: never, as long as they come every 20 ms. A timer that is
	// reset for each block still wakes the process once in this time.
	restEvery = 160 * time.Millisecond
	// longestStep is how much of the time between two steps counts as silence of the device. In a longer step this
	// program itself did not run.
	longestStep = restEvery + stepEvery
)

// owner is the part of a session that its one goroutine works on. Nothing in it is shared, except for opener.aside.
type owner struct {
	surroundings
	hearing
	course
	second
	catchUp

	session  *Session
	opener   opener
	opening  *opening // the attempt under way; nil for none
	outage   *outage  // nil while frames come
	timeline timeline
	warmFrom ring.Position // where in the ring unbroken sound begins, for the pre-roll
}

// hearing is the device being heard.
type hearing struct {
	line    *line     // nil for none
	flowing time.Time // since when frames come from it

	heardFrom ring.Position // its first frame, as a position in the ring,
	heardAt   time.Duration // which was not heard before

	lastStep time.Duration
	silent   time.Duration // since its last block, without our own rests
}

// course is what was asked for and how far that is.
type course struct {
	state     State
	starting  *command // waits for the first frames
	stopping  []*command
	stopAt    time.Duration
	from      ring.Position // of the recording
	last      Stopped
	inputOver bool // a virtual device played to its end
}

// second is the second under way, for what is observed once a second.
type second struct {
	loudness loud
	secondAt time.Duration // when it began
}

func newOwner(s *Session) owner {
	return owner{
		session: s, timeline: newTimeline(s.options.Format.SampleRateHz),
		course: course{state: StateIdle}, surroundings: surroundings{backend: s.options.Backend},
		opener: opener{
			attempt: s.guardedAttempt, guard: s.guarded, patience: s.options.StartTimeout,
			now: func() time.Duration { return time.Since(s.epoch) },
		},
	}
}

// stopOpening ends the attempt under way, if there is one.
func (o *owner) stopOpening() {
	o.opener.abandon(o.opening)
	o.opening = nil
}

// recording is true from the first frames to the end.
func (o *owner) recording() bool { return o.state == StateRecording || o.state == StateStopping }

// now is the time since the session's epoch.
func (o *owner) now() time.Duration { return time.Since(o.session.epoch) }

// Run owns the session until ctx ends. It then ends a current recording, closes the device and closes the ring. It is
// called once. It returns nil, or an error in two cases: a sound server that hangs prevented a device from being
// closed, or the session cannot continue. In the second case Err returns the same error, and another session can
// continue the recording.
func (s *Session) Run(ctx context.Context) error {
	o := &s.owner
	devices, stopDevices := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDevices()
	err := s.failures.Guard(GoroutineOwner, func() error { return o.work(ctx, devices) })
	if err != nil {
		s.failure.Store(&err)
	}
	return errors.Join(err, s.failures.Guard(GoroutineOwner, func() error { return o.leave(stopDevices) }))
}

// work is what Run does until the session ends.
func (o *owner) work(ctx, devices context.Context) error {
	s := o.session
	ticker := time.NewTicker(stepEvery)
	defer ticker.Stop()
	readers, end := s.ring.ListenReaders()
	defer end()
	if s.options.Warm {
		o.opening = o.opener.open(devices, o.backend, s.options.Device, true)
	}
	o.lastStep = o.now()
	for done := ctx.Done(); done != nil || o.recording(); {
		var result <-chan opened
		if o.opening != nil {
			result = o.opening.result
		}
		var blocks, over, moved <-chan struct{}
		if o.line != nil {
			blocks = o.line.news
			if !o.line.over {
				over = o.line.stream.Done()
			}
			if !o.line.stream.RealTime() { // it waits for the readers
				moved = readers
			}
		}
		select {
		case <-blocks:
		case <-moved:
		case <-over:
			o.line.over = true
		case <-done:
			done = nil
			o.fail(context.Cause(ctx))
			o.beginStop(nil)
		case c := <-s.commands:
			o.command(devices, c)
		case r := <-result:
			o.opening = nil
			o.openedLine(devices, r)
		case system, ok := <-o.watching:
			if !ok {
				o.watching = nil
				continue
			}
			o.look(devices, system)
		case <-ticker.C:
		}
		if err := s.options.Faults.At(GoroutineOwner); err != nil {
			return err
		}
		s.beat.Store(int64(o.now()))
		if err := o.step(devices); err != nil {
			return err
		}
		if o.idle() {
			ticker.Stop()
		} else {
			ticker.Reset(o.nextLook())
		}
	}
	return nil
}

// nextLook returns how long the owner may wait for a block before it checks the time.
func (o *owner) nextLook() time.Duration {
	if o.line == nil || o.outage != nil || o.starting != nil || o.state == StateStopping || o.silent > 0 || o.wentOn > 0 || o.hole.frames > 0 {
		return stepEvery
	}
	return restEvery
}

// leave ends everything, in any state of the owner. It does not wait for a device.
func (o *owner) leave(stopDevices context.CancelFunc) error {
	s := o.session
	defer close(s.ended)
	defer s.events.Close()
	defer s.ring.Close()
	if c := o.starting; c != nil {
		o.starting = nil
		c.reply <- reply{err: scout.Errorf(scout.CodeDeviceUnavailable, "capture from the device failed")}
	}
	o.opener.abandon(o.opening)
	o.closeLine()
	stopDevices()
	return o.opener.await()
}

// idle reports whether only a command can change anything.
func (o *owner) idle() bool {
	return o.line == nil && o.opening == nil && o.starting == nil && !o.recording()
}

// command carries out Start or begins to carry out Stop.
func (o *owner) command(ctx context.Context, c *command) {
	switch {
	case !c.start:
		if o.starting != nil {
			o.fail(context.Canceled)
		}
		o.beginStop(c)
	case o.inputOver:
		c.reply <- reply{err: scout.Errorf(scout.CodeDeviceUnavailable, "device %s has played to its end", o.session.options.Device)}
	case o.state == StateRecording || o.state == StateStopping || o.starting != nil:
		c.reply <- reply{err: scout.Errorf(scout.CodeAlreadyRecording, "a recording is already %s", o.state)}
	default:
		o.starting = c
		o.from = o.session.ring.Head()
		o.setState(StateStarting, nil)
		if o.line != nil {
			return
		}
		o.opener.abandon(o.opening) // it tries again and again; who starts wants to know what is wrong
		o.opening = o.opener.open(ctx, o.backend, o.session.options.Device, false)
	}
}

// begin starts the waiting recording, at the newest frame of the open device and the pre-roll before it.
func (o *owner) begin() {
	s, c := o.session, o.starting
	o.starting = nil
	head := s.ring.Head()
	preroll := uint64(0)
	if !o.flowing.Before(c.began) {
		o.from = o.warmFrom // the device was opened for this recording: it begins with its first frame
	} else {
		var since uint64 // it was asked for
		if s.options.Preroll > 0 {
			since = s.options.Format.Frames(c.ago + time.Since(c.began))
		}
		before := min(since+s.options.Format.Frames(s.options.Preroll), uint64(head), s.ring.Capacity()/2)
		o.from = max(head-ring.Position(before), o.warmFrom, o.last.End)
		preroll = head.Sub(o.from) - min(since, head.Sub(o.from))
	}
	s.gaps.begin()
	o.second = second{secondAt: o.now()}
	o.setState(StateRecording, nil)
	c.reply <- reply{started: Started{
		From: o.from, PrerollFrames: preroll, FirstAt: o.firstAt(c), Waited: time.Since(c.began),
		Device: o.line.device, DeviceFormat: o.line.stream.Format(),
	}}
}

// firstAt returns when the first frame of a recording was captured. A device that does not play in real time has no such time: then the
// frames end now, and begin no earlier than their start was requested.
func (o *owner) firstAt(c *command) time.Time {
	now := time.Now()
	if at, known := o.timeline.captured(o.from); known {
		return now.Add(min(at-now.Sub(o.session.epoch), 0))
	}
	first := now.Add(-o.session.options.Format.Duration(o.session.ring.Head().Sub(o.from)))
	if first.Before(c.began) {
		return c.began
	}
	return first
}

// fail ends a waiting start with an error. Nothing else fails: a recording continues whatever the device does.
func (o *owner) fail(err error) {
	c := o.starting
	if c == nil {
		return
	}
	o.starting = nil
	if !o.session.options.Warm {
		o.stopOpening()
		o.closeLine()
	}
	defer func() { c.reply <- reply{err: err} }() // after the state has been published
	if scout.ClassOf(err) == scout.Cancelled || c.gaveUp() != nil {
		o.setState(StateIdle, nil)
		return
	}
	o.setState(StateFailed, err)
	o.session.log.Error(eventCaptureFailed, slog.String(observe.KeyCode, string(scout.CodeOf(err))),
		slog.String(observe.KeyError, err.Error()))
	o.emit(Event{Kind: KindFailed, Err: err})
}

// step does what is due: it takes blocks, watches the device, fills gaps, ends the recording. An error ends the
// session.
func (o *owner) step(ctx context.Context) error {
	now := o.now()
	passed := now - o.lastStep
	rested := min(passed, longestStep)
	o.lastStep = now
	if c := o.starting; c != nil {
		switch {
		case c.gaveUp() != nil:
			o.fail(c.gaveUp())
		case time.Since(c.began) > o.session.options.StartTimeout+time.Second:
			o.fail(scout.Errorf(scout.CodeDeviceTimeout, "no audio from device %s in time", o.session.options.Device))
		}
	}
	if o.line == nil {
		return nil
	}
	if o.outage != nil {
		o.outageStep(ctx, now)
	}
	if o.outage == nil && !o.catchesUp(now, passed) {
		over := isDone(o.line.stream.Done()) // checked before the blocks, so that none is missed
		if o.take() {
			o.silent = 0
		} else if o.line.stream.RealTime() && !o.ahead(now) {
			if o.silent += rested; o.silent > o.session.options.StallAfter && !over {
				o.lose(ctx, GapStalled)
			}
		}
		if o.starting != nil && o.outage == nil {
			o.begin()
		}
		if over && o.line.intake.Empty() {
			if err := broken(o.line.stream); err != nil {
				return err
			}
			o.endInput()
			return nil
		}
		o.fillDeficit()
	}
	if o.recording() && now-o.secondAt >= time.Second {
		o.everySecond(now)
	}
	if o.state == StateStopping {
		o.tryStop()
	}
	return nil
}

// broken returns why a stream that is done broke; nil if it ended normally.
func broken(stream sound.Stream) error {
	if s, ok := stream.(sound.Breaker); ok {
		return s.Err()
	}
	return nil
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// adopt makes l the current device, from the ring's head on.
func (o *owner) adopt(ctx context.Context, l *line) {
	s := o.session
	o.line, o.silent, o.catchUp = l, 0, catchUp{}
	l.converter.begin()
	o.hears(l.opened)
	s.intake.Store(l.intake)
	s.metrics.opened.Inc()
	o.flowing = time.Now()
	o.watch(ctx, l.backend)
	o.publish()
	s.log.Info(eventDeviceOpened, slog.String("device", l.device.ID), slog.Int("sample_rate", l.stream.Format().SampleRateHz),
		slog.Int("channels", l.stream.Format().Channels), slog.String("encoding", l.stream.Format().Sample))
	o.emit(Event{Kind: KindDeviceOpened, Device: l.device})
}

// hears records that frames from now on were not captured before at.
func (o *owner) hears(at time.Duration) {
	o.heardFrom, o.heardAt = o.line.converter.position(), at
	o.timeline.heardSince(o.heardFrom, at)
}

// ahead reports whether the device has delivered more than the time since it was adopted: it renders ahead and will
// pause for that long.
func (o *owner) ahead(now time.Duration) bool {
	return o.session.options.Format.Duration(o.line.converter.position().Sub(o.heardFrom)) > now-o.heardAt
}

// closeLine leaves the open device, if any.
func (o *owner) closeLine() {
	if o.line == nil {
		return
	}
	o.session.closeLater(o.line)
	if o.outage != nil && o.outage.next != nil {
		o.session.closeLater(o.outage.next)
	}
	o.line, o.outage, o.catchUp = nil, nil, catchUp{}
	o.timeline = newTimeline(o.session.options.Format.SampleRateHz)
	o.session.meter.Reset()
	o.publish()
}

// openedLine deals with the outcome of an opening.
func (o *owner) openedLine(ctx context.Context, r opened) {
	switch {
	case r.err == nil && o.outage != nil:
		o.outage.next = r.line
	case r.err == nil:
		o.warmFrom = o.session.ring.Head()
		o.adopt(ctx, r.line)
	default:
		o.fail(r.err)
		if o.session.options.Warm && o.line == nil && ctx.Err() == nil {
			o.opening = o.opener.open(ctx, o.backend, o.session.options.Device, true)
		}
	}
}

// setState changes the state and publishes it.
func (o *owner) setState(state State, err error) {
	if o.state == state && err == nil {
		return
	}
	o.state = state
	o.publishWith(err)
	o.emit(Event{Kind: KindStateChanged, State: state, Err: err})
}

func (o *owner) publish() { o.publishWith(o.session.status.Load().Err) }

// publishWith stores what Status returns.
func (o *owner) publishWith(err error) {
	status := &Status{State: o.state, From: o.from, Err: err}
	if was := o.session.status.Load(); was != nil {
		status.Device, status.DeviceFormat = was.Device, was.DeviceFormat
	}
	if o.line != nil {
		status.Device, status.DeviceFormat = o.line.device, o.line.stream.Format()
		native, ok := o.line.stream.(sound.NativeStream)
		status.NativeCallback = ok && native.NativeCallback()
	}
	if o.outage != nil {
		status.Outage = o.outage.reason
	}
	o.session.status.Store(status)
	o.session.changes.Ring()
}

func (o *owner) emit(e Event) {
	e.At, e.Frame = time.Now(), o.session.ring.Head()
	o.session.events.Send(e)
}
