package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// Names of the goroutines of a take, for fault.Points.
const (
	GoroutineTake   = "recorder.take"   // supervises capture and writing
	GoroutineEvents = "recorder.events" // turns events of capture into gaps and events
	GoroutineStream = "recorder.stream" // sends frames to one listener
	GoroutineRules  = "recorder.rules"  // enforces the rules of the recording: length, disk, owners
)

// Events of the supervisor.
const (
	eventRestarted      = "recording_restarted"
	eventGoroutineStuck = "goroutine_stuck"
)

const (
	// lookEvery is how often the supervisor checks capture and writing.
	lookEvery = 250 * time.Millisecond
	// longestLook is the most that counts of the time between two checks: in a longer time the machine paused, not a
	// goroutine.
	longestLook = 2 * lookEvery
	// stuckAfter is how long a goroutine hangs before another one takes its place.
	stuckAfter = 2 * time.Second
	// healthyAfter is how long a stretch runs before earlier failures no longer count.
	healthyAfter = 10 * time.Second
	// mostRestarts is how often capture or writing is started again without such a stretch in between.
	mostRestarts = 8
	// startWithin bounds one attempt to listen to the device again.
	startWithin = 10 * time.Second
	// deviceGone is how long to retry a device that cannot be opened.
	deviceGone = 10 * time.Minute
	// stopWithin bounds how long to wait for the device when the recording ends.
	stopWithin = 5 * time.Second
	// answerGrace is how much longer than FinishWithin an end may take before its caller learns that the disk hangs.
	answerGrace = 3 * time.Second
)

// now is the time since the take's epoch.
func (t *take) now() int64 { return int64(time.Since(t.epoch)) }

// requestStop makes the take end at the frames that the device has delivered by now. Only the first reason counts.
func (t *take) requestStop(ctx context.Context, reason recording.EndReason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping.Load() {
		return
	}
	t.reason = reason
	t.stopping.Store(true)
	close(t.quit)
	s := t.current.Load()
	t.keepEnd(s.pump.Captured())
	limit := stopWithin
	if s.device.session.Silent() > stuckAfter/2 {
		limit = lookEvery // it will not answer
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	t.stopped, t.stopErr = s.device.session.Stop(ctx)
	end := t.stopped.End
	if t.stopErr != nil {
		end = s.device.session.Ring().Head()
	}
	s.pump.Stop(end)
	t.keepEnd(uint64(s.pump.InRecording(s.pump.End())))
}

// keepEnd keeps where and why the recording ends: if this process dies now, the next one only makes it final.
func (t *take) keepEnd(frames uint64) {
	t.recorder.keep(&kept{Order: t.order, StartedAt: t.writer.StartedAt(), Ending: &ending{Reason: t.reason, Frames: frames}})
}

// requestStopSoon is requestStop for callers that must not wait for the device.
func (t *take) requestStopSoon(ctx context.Context, reason recording.EndReason) {
	if t.asked.CompareAndSwap(false, true) {
		go t.requestStop(ctx, reason) // ends by itself: the device has stopWithin to answer
	}
}

// await waits until the file is final, but no longer than an answering disk may take.
func (t *take) await(ctx context.Context) (recording.Manifest, error) {
	limit := t.recorder.options.FinishWithin + answerGrace
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.done:
		return t.manifest, t.err
	case <-ctx.Done():
		return recording.Manifest{}, context.Cause(ctx)
	case <-timer.C:
	}
	trouble := t.current.Load().pump.Trouble()
	return recording.Manifest{}, scout.Errorf(scout.CodeDiskStalled, "end recording %s: %s; %s of audio are still in memory, and the recorder is still writing them",
		t.writer.ID(), trouble.Text(), t.writer.Format().Duration(t.current.Load().pump.Waiting()).Round(time.Millisecond))
}

// errReplaced ends a supervisor that another one replaced.
var errReplaced = errors.New("another goroutine supervises this recording")

// supervise is the goroutine of the take: it runs until the file is final, whatever fails.
func (t *take) supervise(ctx context.Context) {
	r := t.recorder
	turn := t.turn.Add(1)
	t.beat.Store(t.now())
	for n := 0; ; n++ {
		err := r.failures.Guard(GoroutineTake, func() error { return t.work(ctx, turn) })
		if err == nil || errors.Is(err, errReplaced) {
			return
		}
		if n == mostRestarts {
			t.blame(err)
			t.requestStop(ctx, recording.EndInternal)
			<-t.current.Load().over
			t.end()
			return
		}
		time.Sleep(t.pauseAfter(n)) // it has nothing to wait for: its work begins again
	}
}

func (t *take) pauseAfter(failures int) time.Duration {
	first := t.recorder.options.RestartPause
	return min(first<<min(failures, 10), 100*first)
}

// revive replaces a supervisor that hangs by another goroutine.
func (t *take) revive(ctx context.Context) {
	if time.Duration(t.now()-t.beat.Load()) < 2*stuckAfter || t.ending.Load() {
		return
	}
	if operation, _ := t.writer.Folder().Busy(); operation != "" { // it may wait for the disk
		return
	}
	_ = t.stuck(GoroutineTake) // it is logged there
	go t.supervise(ctx)        // as the one that it replaces
}

// stuck records that a goroutine hangs and is replaced.
func (t *take) stuck(goroutine string) error {
	err := scout.Errorf(scout.CodeInternal, "%s hangs", goroutine)
	t.recorder.metrics.Failed(err)
	t.log.Error(eventGoroutineStuck, slog.String("goroutine", goroutine))
	t.recorder.events.Send(recording.Event{Kind: recording.KindStuck, At: t.recorder.options.Now(), ID: t.writer.ID(), Goroutine: goroutine})
	return err
}

// round begins a round of the supervisor.
func (t *take) round(turn uint64) error {
	if err := t.recorder.options.Faults.At(GoroutineTake); err != nil {
		return err
	}
	if t.turn.Load() != turn {
		return errReplaced
	}
	t.beat.Store(t.now())
	return nil
}

// work supervises until the file is final.
func (t *take) work(ctx context.Context, turn uint64) error {
	watcher := newWatcher(ctx, t)
	defer watcher.end()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	condition := recording.ConditionOK
	last := time.Now()
	for {
		if err := t.round(turn); err != nil {
			return err
		}
		s := t.current.Load()
		watcher.follow(s)
		select {
		case <-s.over:
			done, err := t.next(ctx, s, turn)
			if err != nil {
				return err
			}
			if done {
				watcher.end()
				t.end()
				return nil
			}
		case <-ticker.C:
			rested := time.Since(last)
			condition = t.tell(s, condition)
			if rested < longestLook {
				t.look(s, watcher)
			}
		}
		last = time.Now()
		if time.Since(t.health) > healthyAfter {
			t.restarts = 0
		}
	}
}

// tell reports the condition of writing if it changed.
func (t *take) tell(s *stretch, was recording.Condition) recording.Condition {
	trouble := s.pump.Trouble()
	t.recorder.metrics.Trouble(trouble)
	if trouble.Condition != was {
		t.recorder.events.Send(recording.Event{
			Kind: recording.KindCondition, At: t.recorder.options.Now(), ID: t.writer.ID(),
			Condition: trouble.Condition, Operation: trouble.Operation, For: trouble.For,
		})
		if trouble.Operation != "" {
			t.log.Error(recording.EventDiskSilent, slog.String("operation", string(trouble.Operation)), slog.Int64(observe.KeyDurationMS, trouble.For.Milliseconds()))
		}
	}
	return trouble.Condition
}

// look ends a stretch if one of its goroutines hangs.
func (t *take) look(s *stretch, w *watcher) {
	switch {
	case s.left != nil:
	case s.device.session.Silent() > stuckAfter:
		s.left = t.stuck("capture")
		s.pump.Stop(s.device.session.Ring().Head())
	case s.pump.Silent() > stuckAfter:
		s.left = t.stuck(recording.GoroutinePump)
		t.repump(s)
	case w.silent() > stuckAfter:
		_ = t.stuck(GoroutineEvents)
		w.replace(s)
	}
}

// next decides what comes after a stretch: nothing if the recording is over, else another one.
func (t *take) next(ctx context.Context, s *stretch, turn uint64) (done bool, err error) {
	for _, g := range s.device.session.Gaps() {
		s.addGap(g)
	}
	session := s.device.session.Err()
	switch {
	case s.why == "": // the pump failed
		t.failed(fmt.Errorf("write: %w", s.err))
		if t.restarts > mostRestarts {
			t.giveUp(ctx, recording.EndWriting, s.err)
			return true, nil
		}
		if err := t.pause(turn); err != nil {
			return false, err
		}
		t.repump(s)
		return false, nil
	case t.stopping.Load():
		if s.err != nil {
			t.blame(s.err)
		}
		return true, nil
	case session == nil && s.left == nil:
		if s.err != nil {
			t.blame(s.err)
		}
		t.requestStop(ctx, s.why)
		return true, nil
	}
	if session == nil {
		session = s.left
	}
	return t.relisten(ctx, session, turn)
}

// failed counts a failure of capture or writing.
func (t *take) failed(err error) {
	t.restarts++
	t.recorder.metrics.Failed(err)
	t.log.Error(eventRestarted, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()), slog.Int("restarts", t.restarts))
}

// giveUp ends the recording for that reason.
func (t *take) giveUp(ctx context.Context, reason recording.EndReason, cause error) {
	t.blame(cause)
	t.requestStop(ctx, reason)
}

// pause waits before something is started again.
func (t *take) pause(turn uint64) error {
	timer := time.NewTimer(t.pauseAfter(t.restarts - 1))
	defer timer.Stop()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-timer.C:
			return nil
		case <-t.quit:
			return nil
		case <-ticker.C:
			if err := t.round(turn); err != nil {
				return err
			}
		}
	}
}

// repump makes another pump continue with the same ring, if the last one failed or hangs.
func (t *take) repump(s *stretch) {
	s.pump.Retire()
	t.mu.Lock()
	defer t.mu.Unlock()
	next := scout.Position(t.writer.Frames())
	t.fill(s.device, s.pump.InRing(next), min(s.first, next))
	if t.stopping.Load() {
		t.current.Load().pump.Stop(s.pump.End())
	}
}

// relisten makes another capture session continue the recording; true if the recording is over.
func (t *take) relisten(ctx context.Context, cause error, turn uint64) (done bool, err error) {
	r := t.recorder
	trying := time.Now()
	for {
		t.failed(fmt.Errorf("capture from the device: %w", cause))
		device := scout.ClassOf(cause) == scout.Transient && time.Since(trying) < deviceGone // it may be plugged in again
		if file := strings.HasPrefix(t.order.Device, "file:"); file || t.restarts > mostRestarts && !device {
			t.giveUp(ctx, recording.EndCapture, cause)
			return true, nil
		}
		r.events.Send(recording.Event{Kind: recording.KindDeviceLost, At: r.options.Now(), ID: t.writer.ID(), Reason: recording.GapCapture})
		if err := t.pause(turn); err != nil {
			return false, err
		}
		if t.stopping.Load() {
			t.trail()
			return true, nil
		}
		if cause, err = t.listen(ctx, turn); err != nil || cause == nil {
			return false, err
		}
		if t.stopping.Load() {
			t.trail()
			return true, nil
		}
	}
}

// listened is a device that has been opened again.
type listened struct {
	device *device
	heard  capture.Started
	err    error
}

// listen opens the device again and lets its frames flow into the file. cause is why that failed, err why this
// goroutine must end.
func (t *take) listen(ctx context.Context, turn uint64) (cause, err error) {
	r := t.recorder
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	opened := make(chan listened, 1)
	go func() { // ends with ctx
		var l listened
		l.err = r.failures.Guard("capture", func() (err error) {
			if l.device, err = r.renewDevice(ctx, t.order); err == nil {
				l.heard, err = l.device.session.Start(ctx)
				if failed := l.device.session.Err(); err != nil && failed != nil {
					err = failed // this is why there was no start
				}
			}
			return err
		})
		opened <- l
	}()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	quit := t.quit
	for {
		select {
		case l := <-opened:
			if l.err != nil {
				return l.err, nil
			}
			from, err := r.bridge(t.writer, t.order, l.heard, recording.GapCapture)
			if err != nil {
				return err, nil
			}
			t.takeUp(l.device, from)
			return nil, nil
		case <-quit:
			quit = nil
			cancel()
		case <-ticker.C:
			if err := t.round(turn); err != nil {
				return nil, err
			}
		}
	}
}

// takeUp continues the recording with the frames of another device.
func (t *take) takeUp(d *device, from ring.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fill(d, from, scout.Position(t.writer.Frames()))
	if s := t.current.Load(); t.stopping.Load() { // the end was requested while the device was being opened
		s.pump.Stop(s.device.session.Ring().Head())
	}
}

// trail fills the time since capture failed with silence and a gap: the recording has its requested length.
func (t *take) trail() {
	have, now := t.writer.Frames(), upTo(t.order, t.writer.Format().Frames(time.Since(t.writer.StartedAt())))
	if now <= have {
		return
	}
	gap := scout.Gap{Start: scout.Position(have), Frames: now - have, Reason: recording.GapCapture}
	t.writer.AddGap(gap)
	if err := t.writer.Silence(gap.Frames); err != nil {
		t.blame(err)
	}
}

// end makes the file final and releases the device.
func (t *take) end() {
	t.endOnce.Do(func() {
		r := t.recorder
		t.ending.Store(true)
		if err := r.failures.Guard(GoroutineTake, func() error { t.finish(); return nil }); err != nil {
			t.err = errors.Join(t.err, err)
		}
		r.metrics.Settle(t.writer)
		r.keep(nil) // not earlier: if this process dies before the file is final, the next one makes it final
		close(t.done)
		r.touch()
		d := t.current.Load().device
		if d.key.warm && !d.over() {
			r.releaseDevice(d)
		} else {
			r.releaseDevice(nil)
		}
		r.mu.Lock()
		r.take, r.last = nil, t
		r.mu.Unlock()
		close(t.gone)
		r.touch()
	})
}

// finish makes the file final.
func (t *take) finish() {
	r := t.recorder
	t.mu.Lock()
	reason, stopped, stopErr, causes := t.reason, t.stopped, t.stopErr, t.causes
	t.mu.Unlock()
	s := t.current.Load()
	for _, g := range stopped.Gaps {
		s.addGap(g)
	}
	if stopErr != nil && scout.CodeOf(stopErr) != scout.CodeNotRecording && s.device.session.Err() == nil {
		t.warn(stopErr)
	}
	length := t.writer.Format().Duration(t.writer.Frames())
	end := recording.End{At: t.writer.StartedAt().Add(length), Reason: reason, DriftPPM: stopped.DriftPPM}
	manifest, err := t.writer.Finish(end)
	manifest.Path = t.writer.Folder().AudioPath(manifest.ID)
	t.manifest, t.err = manifest, errors.Join(append(append([]error{reason.Err()}, causes...), err)...)
	r.metrics.Ended(length, reason)
	if t.err != nil {
		r.metrics.Failed(t.err)
		_ = r.failures.Count(t.err) // Stop returns it
		t.log.Error(recording.EventRecordingFailed, slog.String(observe.KeyCode, string(scout.CodeOf(t.err))), slog.String(observe.KeyError, t.err.Error()))
	}
	t.log.Info(recording.EventRecordingStopped, slog.Int(recording.KeySampleRate, manifest.Format.SampleRateHz), slog.Int(recording.KeyChannels, manifest.Format.Channels),
		slog.Int64(observe.KeyDurationMS, length.Milliseconds()), slog.Uint64(recording.KeyFrames, manifest.Frames),
		slog.Int("gaps", len(manifest.Gaps)), slog.Uint64("lost_frames", manifest.LostFrames()),
		slog.String(observe.KeyReason, string(manifest.EndReason)))
	event := recording.Event{Kind: recording.KindStopped, At: r.options.Now(), ID: manifest.ID, Manifest: &manifest, Path: manifest.Path}
	if t.err != nil {
		event.Failure = scout.Plain(t.err)
	}
	r.events.Send(event)
}
