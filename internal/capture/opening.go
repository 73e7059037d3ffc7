package capture

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/intake"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/observe"
)

// line is an open device that delivers frames.
type line struct {
	backend   sound.Backend
	stream    sound.Stream
	intake    *intake.Queue
	converter *converter
	device    sound.Device
	opened    time.Duration   // since the session's epoch: no frame is older
	seen      bool            // by the system's list of streams
	news      <-chan struct{} // has a token after blocks came
	over      bool            // no frame will follow; the frames in the intake must still be taken
}

// guardedAttempt is attempt with its panics made errors.
func (s *Session) guardedAttempt(ctx context.Context, backend sound.Backend, device string) (l *line, err error) {
	err = s.failures.Guard(GoroutineOpening, func() error {
		if err := s.options.Faults.At(GoroutineOpening); err != nil {
			return err
		}
		l, err = s.attempt(ctx, backend, device)
		return err
	})
	return l, err
}

// guarded runs what closes or wakes a device. Nobody waits for its result.
func (s *Session) guarded(work func()) {
	_ = s.failures.Guard(GoroutineClosing, func() error { // logged there
		err := s.options.Faults.At(GoroutineClosing)
		work()
		return err
	})
}

// attempt opens the device and returns when its first frames are there. Without a backend it finds one.
func (s *Session) attempt(ctx context.Context, backend sound.Backend, device string) (*line, error) {
	s.metrics.attempts.Inc()
	// Not a named result: an abandoned opening may still call back, and then finds its line.
	l := &line{backend: backend}
	var err error
	ready := false
	defer func() {
		if l.stream != nil && !ready { // after any failure no device stays open
			s.closeLater(l)
		}
	}()
	if l.backend == nil {
		if l.backend, device, err = Open(ctx, device, s.options.System); err != nil {
			return nil, s.openFailure(ctx, device, err)
		}
	}
	stream, err := l.backend.Open(ctx, device, func(f sound.Format) (sink sound.Sink, err error) {
		if l.intake, err = intake.New(f, s.epoch); err != nil {
			return nil, err
		}
		l.news, _ = l.intake.Listen() // until the line is gone
		l.converter, err = newConverter(f, s.options.Format, s.ring)
		return l.intake, err
	}, sound.OpenOptions{Follow: s.follow, Faults: s.options.Faults, Pace: func(ctx context.Context, frames sound.Frames) error { return s.pace(ctx, l.intake, frames) }})
	if err != nil {
		return nil, s.openFailure(ctx, device, err)
	}
	l.stream = stream
	l.device, l.opened = l.stream.Device(), time.Since(s.epoch)
	if err = l.stream.Start(ctx); err == nil {
		err = l.awaitFrames(ctx)
	}
	if err != nil {
		return nil, s.openFailure(ctx, l.device.ID, err)
	}
	ready = true
	return l, nil
}

// openFailure names the deadline if that was the reason.
func (s *Session) openFailure(ctx context.Context, device string, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		if device == "" {
			device = "(default)"
		}
		return scout.Errorf(scout.CodeDeviceTimeout, "no audio from device %s in time: %w", device, err)
	}
	return err
}

// awaitFrames returns when a block waits in the intake, or the stream ended. A device that may be asleep is woken
// repeatedly: the first time may have been before the stream was in its place.
func (l *line) awaitFrames(ctx context.Context) error {
	news, end := l.intake.Listen()
	defer end()
	ticker := time.NewTicker(wakeAgain)
	defer ticker.Stop()
	for woken := time.Now(); l.intake.Empty(); {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.stream.Done():
			return nil
		case <-news:
		case <-ticker.C:
		}
		if time.Since(woken) >= wakeAgain {
			wakeUp(ctx, l.stream, l.device.ID)
			woken = time.Now()
		}
	}
	return nil
}

// wakeUp makes a sleeping device deliver, if the stream can. If it fails the frames come later; callers have a
// deadline.
func wakeUp(ctx context.Context, stream sound.Stream, device string) {
	if waker, ok := stream.(sound.Waker); ok {
		_ = waker.Wake(ctx, device)
	}
}

// closeLater closes a line aside, since a sound server that hangs keeps Close from returning.
func (s *Session) closeLater(l *line) {
	s.owner.opener.aside(func() {
		if err := l.stream.Close(); err != nil {
			s.log.Debug(eventStreamLeft, slog.String("device", l.device.ID), slog.String(observe.KeyError, err.Error()))
		}
	})
}

// pace blocks a stream that is not in real time while it is half a ring ahead of the slowest reader, or of the
// recording's beginning if there is no reader yet.
func (s *Session) pace(ctx context.Context, q *intake.Queue, frames sound.Frames) error {
	if q.Room() >= frames && s.ahead() <= s.ring.Capacity()/2 {
		return nil
	}
	taken, endTaken := q.ListenRoom()
	defer endTaken()
	moved, endMoved := s.ring.ListenReaders()
	defer endMoved()
	changed, endChanged := s.changes.Listen()
	defer endChanged()
	for q.Room() < frames || s.ahead() > s.ring.Capacity()/2 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-taken:
		case <-moved:
		case <-changed: // the recording may begin later than expected
		}
	}
	return nil
}

// ahead returns how many frames the slowest reader has not read yet.
func (s *Session) ahead() uint64 {
	if len(s.ring.Readers()) > 0 {
		return s.ring.Lag()
	}
	return s.ring.Head().Sub(s.status.Load().From)
}
