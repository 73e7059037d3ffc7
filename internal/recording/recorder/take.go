package recorder

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
	"github.com/scout-speech/scout/internal/wake"
)

// take is a current recording: a writer, the stretch that fills it, and what ends it.
type take struct {
	recorder *Recorder
	log      *slog.Logger
	writer   *recording.Writer
	order    recording.Order
	started  recording.Started
	began    time.Time // on the recorder's clock, when the take began in this process
	first    uint64    // frames that earlier processes wrote
	epoch    time.Time // zero of beat

	current  atomic.Pointer[stretch]
	changes  wake.Bell     // rings when current changed
	restarts int           // of capture and writing, without enough frames in between; for supervise
	health   time.Time     // since when the present stretch runs; for supervise
	turn     atomic.Uint64 // identifies the supervising goroutine; a replaced one that continues late sees that it lost its place
	beat     atomic.Int64  // since epoch, when that goroutine last began a round

	mu       sync.Mutex  // guards what follows, and the change of current
	asked    atomic.Bool // the rules asked for its end
	stopping atomic.Bool
	quit     chan struct{}       // closed when stopping becomes true
	reason   recording.EndReason // set with stopping
	stopped  capture.Stopped     // likewise
	stopErr  error
	causes   []error // why the recording is not complete

	ending   atomic.Bool
	endOnce  sync.Once
	done     chan struct{} // closed when the file is final
	gone     chan struct{} // closed when the device is released and another take may begin
	manifest recording.Manifest
	err      error // why the file is not complete; both are valid after done
}

// start begins a recording and returns when its first frames are there; with resume it continues the recording
// order.ID, whose recorder ended without finishing it. With the id of the current recording it returns that one; with
// another, or none, the error has scout.CodeAlreadyRecording.
func (r *Recorder) start(ctx context.Context, order recording.Order, resume resumption) (recording.Started, error) {
	if err := r.acquire(ctx); err != nil {
		return recording.Started{}, err
	}
	defer r.release()
	started, err := r.startLocked(ctx, order, resume)
	if errors.Is(err, errCalledOff) || errors.Is(err, errEndedMeanwhile) {
		return recording.Started{}, err
	}
	if err != nil {
		r.metrics.Failed(err)
		r.log.Error(recording.EventRecordingFailed, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()),
			slog.String(recording.KeyDevice, order.Device))
		return recording.Started{}, r.failures.Count(err)
	}
	return started, nil
}

// startLocked is Start for the holder of the commands token.
func (r *Recorder) startLocked(ctx context.Context, order recording.Order, resume resumption) (recording.Started, error) {
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
	r.concludeEnding()
	if err := r.mayBegin(order); err != nil {
		return recording.Started{}, err
	}
	if resume.wanted {
		if late, err := r.finishLate(order); late {
			return recording.Started{}, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !r.setStarting(&starting{id: order.ID, cancel: cancel}) {
		return recording.Started{}, scout.Errorf(scout.CodeRecorderUnreachable, "the recorder is ending")
	}
	defer r.setStarting(nil)
	return r.begin(ctx, order, resume)
}

// resumption says whether a start continues a recording whose recorder died.
type resumption struct {
	wanted bool
	since  time.Time // when the recording began; zero where that is not known
	anew   bool      // its files are gone: it begins again, with a gap for what was in them
}

// starting is a Start that waits for its device.
type starting struct {
	id     recording.ID
	cancel context.CancelCauseFunc
}

// setStarting records the current start; false if no more may begin.
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
func (r *Recorder) begin(ctx context.Context, order recording.Order, resume resumption) (recording.Started, error) {
	if err := order.Format.Validate(); err != nil {
		return recording.Started{}, err
	}
	if resume.wanted {
		err := r.checkResume(order)
		if resume.anew = scout.CodeOf(err) == scout.CodeRecordingNotFound && !resume.since.IsZero(); err != nil && !resume.anew {
			return recording.Started{}, err
		}
	}
	left, err := within(ctx, r.options.DiskWithin, "look for free space", func() (time.Duration, error) {
		return r.folder.CheckSpace(order.Format, r.options.Limits)
	}, nil)
	if err != nil {
		return recording.Started{}, err
	}
	d, err := r.useDevice(ctx, order)
	if err != nil {
		return recording.Started{}, err
	}
	heard, err := d.session.StartAsked(ctx, order.AskedAt)
	if err != nil {
		r.keepOrRelease(d, order)
		return recording.Started{}, err
	}
	t := &take{
		recorder: r, order: order, began: r.options.Now(), epoch: time.Now(),
		quit: make(chan struct{}), done: make(chan struct{}), gone: make(chan struct{}),
	}
	var from ring.Position
	t.writer, err = within(ctx, r.options.DiskWithin, "begin the file", func() (w *recording.Writer, err error) {
		w, from, err = r.openFile(order, heard, resume)
		return w, err
	}, func(late *recording.Writer) { r.discard(late, resume.wanted && !resume.anew) })
	if err != nil {
		_, stopErr := d.session.Stop(context.WithoutCancel(ctx))
		r.keepOrRelease(d, order)
		return recording.Started{}, errors.Join(err, stopErr)
	}
	t.order.ID = t.writer.ID() // if the order has no id
	t.log = r.log.With(slog.String(recording.KeyRecording, string(t.writer.ID())), slog.String(recording.KeyDevice, heard.Device.Name))
	if id := observe.Trace(ctx); id.Key != "" {
		t.log = t.log.With(id)
	}
	t.started = recording.Started{
		ID: t.writer.ID(), StartedAt: t.writer.StartedAt(), PrerollFrames: heard.PrerollFrames, Format: order.Format,
		Device: deviceOf(heard.Device, heard.DeviceFormat), Waited: heard.Waited, Left: left,
	}
	t.first = t.writer.Frames()
	if resume.anew {
		t.lostFiles()
	}
	t.fill(d, from, scout.Position(t.first))
	r.mu.Lock()
	r.take = t
	low := r.diskLow
	r.mu.Unlock()
	r.metrics.Began()
	t.logStart(heard, resume.wanted)
	r.keep(&kept{Order: t.order, StartedAt: t.writer.StartedAt()})
	r.events.Send(recording.Event{Kind: recording.KindStarted, At: r.options.Now(), ID: t.writer.ID(), Device: &t.started.Device})
	r.noteSpace(t.writer.ID(), left, low)
	go t.supervise(context.WithoutCancel(ctx)) // ends by requestStop or with its device; Run waits for it through stop
	r.touch()
	return t.started, nil
}

// logStart logs that frames arrive, and how long that took.
func (t *take) logStart(heard capture.Started, resume bool) {
	if resume {
		t.log.Warn(recording.EventRecordingResumed, slog.Uint64(recording.KeyFrames, uint64(t.current.Load().first)))
	}
	t.log.Info(recording.EventRecordingStarted, slog.Int(recording.KeySampleRate, t.order.Format.SampleRateHz),
		slog.Int(recording.KeyChannels, t.order.Format.Channels), slog.Uint64(recording.KeyBufferSize, t.current.Load().device.session.Ring().Capacity()),
		slog.Int64(observe.KeyDurationMS, heard.Waited.Milliseconds()))
}

func (r *Recorder) keepOrRelease(d *device, order recording.Order) {
	if order.Warm && !d.over() {
		return
	}
	r.releaseDevice(nil)
}

// checkResume refuses to continue a recording that is missing or too old, before a device is opened.
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
	ended := m.EndedAt
	if m.State == recording.StateRecording { // it was not repaired, so that it is resumed at once
		frames, err := r.framesOf(order.ID)
		if err != nil {
			return err
		}
		ended = m.StartedAt.Add(m.Format.Duration(frames))
	}
	if age := r.options.Now().Sub(ended); age > r.options.ResumeWithin {
		return scout.Errorf(scout.CodeInvalidArgument, "resume recording %s: it was interrupted %s ago, more than %s", m.ID, age.Round(time.Second), r.options.ResumeWithin)
	}
	return nil
}

// openFile creates the file, or continues with the one to resume, and returns the ring position of the
// first frame to write.
func (r *Recorder) openFile(order recording.Order, heard capture.Started, resume resumption) (w *recording.Writer, from ring.Position, err error) {
	reason := recording.GapRestart
	if !resume.wanted || resume.anew {
		settings := recording.Settings{
			ID: order.ID, Format: order.Format, Device: deviceOf(heard.Device, heard.DeviceFormat),
			StartedAt: heard.FirstAt, PrerollFrames: heard.PrerollFrames, Labels: order.Labels,
		}
		if resume.anew {
			settings.StartedAt, settings.PrerollFrames, reason = resume.since, 0, recording.GapFileLost
		}
		w, err = r.folder.Create(settings)
	} else {
		w, err = r.folder.Resume(order.ID)
	}
	if err != nil {
		return nil, 0, err
	}
	r.metrics.Follow(w, nil)
	if !resume.wanted {
		return w, heard.From, nil
	}
	// By the wall clock: that is all that two processes share.
	if from, err = r.bridge(w, order, heard, reason); err != nil {
		r.metrics.Settle(w)
		return nil, 0, errors.Join(err, w.Abandon())
	}
	return w, from, nil
}

// bridge fills the time between the end of the file and the first frame of a new device with silence and a gap, and
// returns the ring position of the first frame to write. Frame n of a recording was captured n/rate seconds after its
// frame 0.
func (r *Recorder) bridge(w *recording.Writer, order recording.Order, heard capture.Started, reason scout.GapReason) (from ring.Position, err error) {
	have, now := w.Frames(), upTo(order, w.Format().Frames(heard.FirstAt.Sub(w.StartedAt())))
	if now < have {
		return heard.From.Add(min(have-now, heard.PrerollFrames)), nil
	}
	gap := scout.Gap{Start: scout.Position(have), Frames: now - have, Reason: reason}
	if gap.Frames == 0 {
		return heard.From, nil
	}
	w.AddGap(gap)
	err = w.SaveManifest() // before the silence: a crash must not leave silence without a gap
	if err == nil {
		err = w.Silence(gap.Frames)
	}
	if err != nil {
		return 0, err
	}
	r.events.Send(recording.Event{Kind: recording.KindGap, At: r.options.Now(), ID: w.ID(), Gap: &gap, Reason: reason})
	return heard.From, nil
}

// discard drops a file that the disk created too late for its start.
func (r *Recorder) discard(w *recording.Writer, resume bool) {
	r.metrics.Settle(w)
	err := w.Abandon()
	if !resume {
		err = errors.Join(err, w.Remove())
	}
	if err != nil {
		r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}

// Stop ends the recording and returns when its file is final. With the id of a recording that has already ended the
// answer is the same as then. With no id and no current recording the error has scout.CodeNotRecording. A start that
// still waits for its device is cancelled. A recording that could not be finished normally gives both its manifest and
// an error.
func (r *Recorder) Stop(ctx context.Context, id recording.ID) (recording.Manifest, error) {
	return r.stop(ctx, id, recording.EndStopped)
}

func (r *Recorder) stop(ctx context.Context, id recording.ID, reason recording.EndReason) (recording.Manifest, error) {
	resumed := r.callOffResume(id, reason)
	r.mu.Lock()
	starts := false
	if s := r.starting; s != nil && (id == "" || id == s.id) {
		starts = true
		cause := scout.Errorf(scout.CodeCancelled, wire.StartCancelled)
		if reason == recording.EndShutdown { // nobody wanted that recording to end: the next recorder may begin it
			cause = scout.Errorf(scout.CodeRecorderUnreachable, "the recorder is ending")
		}
		s.cancel(cause)
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
		return t.await(ctx)
	case resumed != nil:
		return r.concludeResumed(resumed)
	case starts:
		return recording.Manifest{}, scout.Errorf(scout.CodeNotRecording, wire.StartCancelled)
	case id == "":
		return recording.Manifest{}, scout.Errorf(scout.CodeNotRecording, "nothing is being recorded")
	case last != nil && last.writer.ID() == id:
		return last.manifest, last.err
	}
	return r.folder.Manifest(id)
}
