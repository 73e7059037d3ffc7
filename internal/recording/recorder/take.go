package recorder

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// take is a recording under way: a device, a pump, a writer, and what ends it.
type take struct {
	recorder *Recorder
	log      *slog.Logger
	device   *device
	writer   *recording.Writer
	pump     *recording.Pump
	order    recording.Order
	started  recording.Started
	began    time.Time // on the recorder's clock, when the take began in this process
	first    uint64    // position of the first frame that came through this process's ring

	stopping atomic.Bool
	stopOnce sync.Once
	reason   recording.EndReason // set by the first requestStop, read after the pump ended
	stopped  capture.Stopped     // likewise
	stopErr  error

	done     chan struct{} // closed when the file is final
	gone     chan struct{} // closed when the device is given back and another take may begin
	manifest recording.Manifest
	err      error // why the file is not as it should be; both are valid after done
}

// Start begins a recording and returns when its first frames are there. With the id of the recording
// under way it returns that; with another, or none, the error has scout.CodeAlreadyRecording.
func (r *Recorder) Start(ctx context.Context, order recording.Order) (recording.Started, error) {
	return r.start(ctx, order, false)
}

// Resume goes on with the recording order.ID, whose recorder ended without finishing it.
func (r *Recorder) Resume(ctx context.Context, order recording.Order) (recording.Started, error) {
	return r.start(ctx, order, true)
}

func (r *Recorder) start(ctx context.Context, order recording.Order, resume bool) (recording.Started, error) {
	if err := r.acquire(ctx); err != nil {
		return recording.Started{}, err
	}
	defer r.release()
	started, err := r.startLocked(ctx, order, resume)
	if err != nil {
		r.metrics.Failed(err)
		r.log.Error(recording.EventRecordingFailed, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()),
			slog.String(recording.KeyDevice, order.Device))
		return recording.Started{}, r.failures.Count(err)
	}
	return started, nil
}

// startLocked is Start for the holder of the commands token.
func (r *Recorder) startLocked(ctx context.Context, order recording.Order, resume bool) (recording.Started, error) {
	r.mu.Lock()
	at := r.take
	r.mu.Unlock()
	if at != nil {
		if !at.stopping.Load() {
			if order.ID == at.writer.ID() {
				again := at.started
				again.Already = true
				return again, nil
			}
			return recording.Started{}, scout.Errorf(scout.CodeAlreadyRecording, "recording %s is under way", at.writer.ID())
		}
		select {
		case <-at.gone:
		case <-ctx.Done():
			return recording.Started{}, context.Cause(ctx)
		}
	}
	if err := r.mayBegin(order); err != nil {
		return recording.Started{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !r.setStarting(&starting{id: order.ID, cancel: cancel}) {
		return recording.Started{}, scout.Errorf(scout.CodeRecorderUnreachable, "the recorder is ending")
	}
	defer r.setStarting(nil)
	return r.begin(ctx, order, resume)
}

// starting is a Start that waits for its device.
type starting struct {
	id     recording.ID
	cancel context.CancelCauseFunc
}

// setStarting notes the start under way; false where none may begin any more.
func (r *Recorder) setStarting(s *starting) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting = s
	if s != nil && r.refuses {
		r.starting = nil
		return false
	}
	return true
}

func (r *Recorder) acquire(ctx context.Context) error {
	select {
	case r.commands <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *Recorder) release() { <-r.commands }

// begin opens the device, then the file, and lets frames flow from one to the other.
func (r *Recorder) begin(ctx context.Context, order recording.Order, resume bool) (recording.Started, error) {
	if err := order.Format.Validate(); err != nil {
		return recording.Started{}, err
	}
	if resume {
		if err := r.checkResume(order); err != nil {
			return recording.Started{}, err
		}
	}
	left, err := r.folder.CheckSpace(order.Format, r.options.Limits)
	if err != nil {
		return recording.Started{}, err
	}
	d, err := r.useDevice(ctx, order)
	if err != nil {
		return recording.Started{}, err
	}
	heard, err := d.session.Start(ctx)
	if err != nil {
		r.keepOrRelease(d, order)
		return recording.Started{}, err
	}
	t := &take{recorder: r, device: d, order: order, began: r.options.Now(), done: make(chan struct{}), gone: make(chan struct{})}
	from, err := t.openFile(heard, resume)
	if err != nil {
		_, stopErr := d.session.Stop(context.WithoutCancel(ctx))
		r.keepOrRelease(d, order)
		return recording.Started{}, errors.Join(err, stopErr)
	}
	t.order.ID = t.writer.ID() // where the order left the choice to us
	t.first = t.writer.Frames()
	t.pump = recording.NewPump(d.session.Ring(), t.writer, recording.PumpOptions{
		From: from, SyncEvery: r.options.SyncEvery, FinishWithin: r.options.FinishWithin,
		Now: r.options.Now, Scope: r.options.Scope, Metrics: r.metrics,
	})
	t.log = r.log.With(slog.String(recording.KeyRecording, string(t.writer.ID())), slog.String(recording.KeyDevice, heard.Device.Name))
	t.started = recording.Started{
		ID: t.writer.ID(), StartedAt: t.writer.StartedAt(), PrerollFrames: heard.PrerollFrames, Format: order.Format,
		Device: deviceOf(heard.Device, heard.DeviceFormat), Waited: heard.Waited, Left: left,
	}
	r.mu.Lock()
	r.take = t
	low := r.diskLow
	r.mu.Unlock()
	r.metrics.Began()
	t.logStart(heard, resume)
	r.keep(&t.order)
	r.events.Send(recording.Event{Kind: recording.KindStarted, At: r.options.Now(), ID: t.writer.ID(), Device: &t.started.Device})
	r.noteSpace(t.writer.ID(), left, low)
	go t.run(context.WithoutCancel(ctx)) // ends by requestStop or with its device; Run waits for it through stop
	r.touch()
	return t.started, nil
}

// logStart says that frames flow, and how long that took.
func (t *take) logStart(heard capture.Started, resume bool) {
	if resume {
		t.log.Warn(recording.EventRecordingResumed, slog.Uint64(recording.KeyFrames, t.first))
	}
	t.log.Info(recording.EventRecordingStarted, slog.Int(recording.KeySampleRate, t.order.Format.SampleRateHz),
		slog.Int(recording.KeyChannels, t.order.Format.Channels), slog.Uint64(recording.KeyBufferSize, t.device.session.Ring().Capacity()),
		slog.Int64(observe.KeyDurationMS, heard.Waited.Milliseconds()))
}

func (r *Recorder) keepOrRelease(d *device, order recording.Order) {
	if order.Warm && !d.over() {
		return
	}
	r.releaseDevice(nil)
}

// checkResume refuses to go on with what is not there or too old, before a device is opened.
func (r *Recorder) checkResume(order recording.Order) error {
	m, err := r.folder.Manifest(order.ID)
	if err != nil {
		return err
	}
	if m.State == recording.StateFinished {
		return scout.Errorf(scout.CodeInvalidArgument, "resume recording %s: it ended at %s (%s)", m.ID, m.EndedAt.Format(time.RFC3339), m.EndReason)
	}
	if m.Format != order.Format {
		return scout.Errorf(scout.CodeInvalidArgument, "resume recording %s: it is in another format", m.ID)
	}
	if age := r.options.Now().Sub(m.EndedAt); age > r.options.ResumeWithin {
		return scout.Errorf(scout.CodeInvalidArgument, "resume recording %s: it broke off %s ago, more than %s", m.ID, age.Round(time.Second), r.options.ResumeWithin)
	}
	return nil
}

// openFile creates the file, or goes on with the one to resume, and returns the ring position of the
// first frame to write.
func (t *take) openFile(heard capture.Started, resume bool) (from uint64, err error) {
	folder := t.recorder.folder
	startedAt := t.device.startedAt(heard)
	if !resume {
		t.writer, err = folder.Create(recording.Settings{
			ID: t.order.ID, Format: t.order.Format, Device: deviceOf(heard.Device, heard.DeviceFormat),
			StartedAt: startedAt, PrerollFrames: heard.PrerollFrames, Labels: t.order.Labels,
		})
		return heard.From, err
	}
	if t.writer, err = folder.Resume(t.order.ID); err != nil {
		return 0, err
	}
	// Frame n of the recording was heard n/rate seconds after its frame 0, by the wall clock: that is
	// all that two processes share.
	have, now := t.writer.Frames(), t.order.Format.Frames(startedAt.Sub(t.writer.StartedAt()))
	if now < have {
		return heard.From + min(have-now, heard.PrerollFrames), nil
	}
	gap := scout.Gap{Start: have, Frames: now - have, Reason: recording.GapRestart}
	t.writer.AddGap(gap)
	err = t.writer.SaveManifest() // before the silence: a crash must not leave silence that no gap explains
	if err == nil {
		err = t.writer.Silence(gap.Frames)
	}
	if err != nil {
		return 0, errors.Join(err, t.writer.Abandon())
	}
	if gap.Frames > 0 {
		t.recorder.metrics.Gap(gap)
	}
	return heard.From, nil
}

// requestStop makes the take end at what the device has delivered by now. The first reason counts.
func (t *take) requestStop(ctx context.Context, reason recording.EndReason) {
	t.stopOnce.Do(func() {
		t.reason = reason
		t.stopping.Store(true)
		t.recorder.keep(nil)
		t.stopSession(ctx)
		end := t.stopped.End
		if t.stopErr != nil {
			end = t.device.session.Ring().Head()
		}
		t.pump.Stop(end)
	})
}

// stopSession ends the recording at the device. It is called once.
func (t *take) stopSession(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	t.stopped, t.stopErr = t.device.session.Stop(ctx)
}

// run is the take's goroutine.
func (t *take) run(ctx context.Context) {
	r := t.recorder
	watching, stopWatching := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { // ended by stopWatching, waited for below
		defer close(watched)
		t.watch(watching)
	}()
	var why recording.EndReason
	err := r.failures.Guard("pump", func() (err error) {
		why, err = t.pump.Run(ctx)
		return err
	})
	t.stopOnce.Do(func() { // it ended by itself: nobody asked before, nobody can any more
		t.reason = why
		t.stopping.Store(true)
		t.recorder.keep(nil)
		t.stopSession(ctx)
	})
	stopWatching()
	<-watched
	t.finish(err)
	close(t.done)
	r.touch()

	if t.device.key.warm && !t.device.over() {
		r.releaseDevice(t.device)
	} else {
		r.releaseDevice(nil)
	}
	r.mu.Lock()
	r.take, r.last = nil, t
	r.mu.Unlock()
	close(t.gone)
	r.touch()
}

// finish makes the file final.
func (t *take) finish(err error) {
	r := t.recorder
	for _, g := range t.stopped.Gaps {
		t.addGap(g)
	}
	if t.stopErr != nil && scout.CodeOf(t.stopErr) != scout.CodeNotRecording {
		t.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(t.stopErr))), slog.String(observe.KeyError, t.stopErr.Error()))
	}
	length := t.writer.Format().Duration(t.writer.Frames())
	end := recording.End{At: t.writer.StartedAt().Add(length), Reason: t.reason, DriftPPM: t.stopped.DriftPPM}
	manifest, finishErr := t.writer.Finish(end)
	t.manifest, t.err = manifest, errors.Join(err, finishErr)
	r.metrics.Ended(length, t.reason)
	if t.err != nil {
		r.metrics.Failed(t.err)
		_ = r.failures.Count(t.err) // it is returned by Stop
		t.log.Error(recording.EventRecordingFailed, slog.String(observe.KeyCode, string(scout.CodeOf(t.err))), slog.String(observe.KeyError, t.err.Error()))
	}
	t.log.Info(recording.EventRecordingStopped, slog.Int(recording.KeySampleRate, manifest.Format.SampleRateHz), slog.Int(recording.KeyChannels, manifest.Format.Channels),
		slog.Int64(observe.KeyDurationMS, length.Milliseconds()), slog.Uint64(recording.KeyFrames, manifest.Frames),
		slog.Int("gaps", len(manifest.Gaps)), slog.Uint64("lost_frames", manifest.LostFrames()),
		slog.String(observe.KeyReason, string(manifest.EndReason)))
	r.events.Send(recording.Event{Kind: recording.KindStopped, At: r.options.Now(), ID: manifest.ID, Manifest: &manifest})
}

// addGap notes a gap of capture, which counts in frames of the ring, and returns it as one of the
// recording.
func (t *take) addGap(g scout.Gap) (scout.Gap, bool) {
	start, end := int64(g.Start-t.pump.Base()), int64(g.End()-t.pump.Base())
	start = max(start, int64(t.first))
	if start >= end {
		return scout.Gap{}, false
	}
	gap := scout.Gap{Start: uint64(start), Frames: uint64(end - start), Reason: g.Reason}
	t.writer.AddGap(gap)
	return gap, true
}

// conditionLook is how often the condition of writing is looked at for events.
const conditionLook = 250 * time.Millisecond

// watch turns what happens to the device and the disk into gaps and events, until ctx ends.
func (t *take) watch(ctx context.Context) {
	subscription := t.device.session.Subscribe(64)
	defer subscription.Close()
	ticker := time.NewTicker(conditionLook)
	defer ticker.Stop()
	events := subscription.Events()
	condition := recording.ConditionOK
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-events:
			if !open {
				events = nil
				continue
			}
			t.heard(e)
		case <-ticker.C:
			if now := t.pump.Condition(); now != condition {
				condition = now
				t.recorder.events.Send(recording.Event{Kind: recording.KindCondition, At: t.recorder.options.Now(), ID: t.writer.ID(), Condition: now})
			}
		}
	}
}

// heard hands an event of capture on.
func (t *take) heard(e capture.Event) {
	out := recording.Event{At: e.At, ID: t.writer.ID(), Reason: e.Reason}
	switch e.Kind {
	case capture.EventGapEnded:
		gap, ok := t.addGap(e.Gap)
		if !ok {
			return
		}
		t.recorder.metrics.Gap(gap)
		if err := t.writer.SaveManifest(); err != nil { // the pump tries again
			t.log.Warn(recording.EventManifestNotSaved, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		}
		out.Kind, out.Gap, out.Reason = recording.KindGap, &gap, gap.Reason
	case capture.EventDeviceLost:
		out.Kind = recording.KindDeviceLost
		t.recorder.metrics.Failed(scout.Errorf(scout.CodeDeviceLost, "device %s: %s", e.Device.Name, e.Reason))
	case capture.EventDeviceChanged, capture.EventDeviceOpened:
		out.Kind = recording.KindDeviceChanged
		if e.Kind == capture.EventDeviceOpened {
			out.Kind = recording.KindDeviceOpened
		}
		device := recording.Device{ID: e.Device.ID, Name: e.Device.Name}
		out.Device = &device
	default:
		return
	}
	t.recorder.events.Send(out)
}

// Change moves or deletes a recording that ended, under the lock that this process holds. The one under
// way gives scout.CodeRecordingInUse.
func (r *Recorder) Change(ctx context.Context, id recording.ID, what recording.ChangeKind) error {
	if err := r.acquire(ctx); err != nil { // no start may go on with it meanwhile
		return err
	}
	defer r.release()
	return r.folder.Change(r.lock, id, what)
}

// Stop ends the recording and returns when its file is final. With the id of a recording that ended
// already the answer is the same as then; with no id and nothing under way the error has
// scout.CodeNotRecording. A start that still waits for its device is called off. A recording that could not
// be finished as it should gives both its manifest and an error.
func (r *Recorder) Stop(ctx context.Context, id recording.ID) (recording.Manifest, error) {
	return r.stop(ctx, id, recording.EndStopped)
}

func (r *Recorder) stop(ctx context.Context, id recording.ID, reason recording.EndReason) (recording.Manifest, error) {
	if resumed := r.callOffResume(id); resumed != "" {
		id = resumed
	}
	r.mu.Lock()
	if s := r.starting; s != nil && (id == "" || id == s.id) {
		s.cancel(scout.Errorf(scout.CodeCancelled, "the start was called off"))
	}
	r.mu.Unlock()
	if err := r.acquire(ctx); err != nil {
		return recording.Manifest{}, err
	}
	defer r.release()
	r.mu.Lock()
	t, last := r.take, r.last
	r.mu.Unlock()
	switch {
	case t != nil && (id == "" || id == t.writer.ID()):
		t.requestStop(ctx, reason)
		select {
		case <-t.done:
		case <-ctx.Done():
			return recording.Manifest{}, context.Cause(ctx)
		}
		return t.manifest, t.err
	case id == "":
		return recording.Manifest{}, scout.Errorf(scout.CodeNotRecording, "nothing is being recorded")
	case last != nil && last.writer.ID() == id:
		return last.manifest, last.err
	}
	return r.folder.Manifest(id)
}
