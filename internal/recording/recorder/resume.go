package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
	"github.com/scout-speech/scout/internal/resilience"
)

// resuming is a recording that the process before this one was making when it died.
type resuming struct {
	order    recording.Order
	manifest recording.Manifest      // with the frames that are in the file
	cancel   context.CancelCauseFunc // of the attempts; nil before the first
}

// progress is how a recording is that is about to be gone on with.
func (s *resuming) progress() *recording.Progress {
	return &recording.Progress{
		ID: s.order.ID, StartedAt: s.manifest.StartedAt, Format: s.manifest.Format,
		Captured: s.manifest.Frames, Written: s.manifest.Frames, Synced: s.manifest.Frames,
		Gaps: len(s.manifest.Gaps), Lost: s.manifest.LostFrames(), Condition: recording.ConditionOK, Order: s.order,
	}
}

// keep tells the parent what is under way, so that the next process goes on with it if this one dies; nil for nothing.
func (r *Recorder) keep(order *recording.Order) {
	var content []byte
	var err error
	if order != nil {
		content, err = json.Marshal(order)
	}
	if err == nil {
		err = r.options.Parent.Keep(content)
	}
	if err != nil { // it is recorded all the same
		r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}

// orderOf returns the order that was kept; the zero value where none was.
func orderOf(kept []byte) (order recording.Order) {
	if err := json.Unmarshal(kept, &order); err != nil {
		return recording.Order{}
	}
	return order
}

// framesOf returns how much of a recording is in its file.
func (r *Recorder) framesOf(id recording.ID) (uint64, error) {
	audio, err := r.folder.OpenAudio(id)
	if err != nil {
		return 0, err
	}
	frames, err := audio.Frames()
	return frames, errors.Join(err, audio.Close())
}

// settle puts a recording right that is not gone on with after all.
func (r *Recorder) settle(id recording.ID) {
	done, err := r.folder.RepairOne(id)
	switch {
	case err != nil:
		r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	case done != nil:
		r.logRepaired(done)
	}
}

// logRepaired says what was put right.
func (r *Recorder) logRepaired(done *recording.Repaired) {
	r.log.Warn(recording.EventRecordingRecovered, slog.String(recording.KeyRecording, string(done.Manifest.ID)),
		slog.String(observe.KeyReason, done.Reason), slog.Uint64(recording.KeyFrames, done.Manifest.Frames),
		slog.Int64(observe.KeyDurationMS, done.Manifest.Duration().Milliseconds()))
}

// prepareResume finds what the process before this one was making. From then on it is under way for whoever asks.
func (r *Recorder) prepareResume() {
	order := orderOf(r.options.Parent.UnderWay())
	if order.ID == "" {
		return
	}
	m, err := r.folder.Manifest(order.ID)
	if err == nil && m.State == recording.StateRecording {
		m.Frames, err = r.framesOf(order.ID)
	}
	if err != nil {
		r.settle(order.ID)
		r.giveUp(order.ID, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resuming = &resuming{order: order, manifest: m}
}

// resume goes on with the recording that the process before this one was making, and tries again for as long as that
// makes sense: the device may be away as well.
func (r *Recorder) resume(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.mu.Lock()
	s := r.resuming
	if s != nil {
		s.cancel = cancel
	}
	r.mu.Unlock()
	if s == nil {
		return
	}
	defer r.touch()
	policy := resilience.Policy{Initial: 50 * time.Millisecond, Max: 2 * time.Second, Budget: r.options.ResumeWithin}
	_, err := resilience.Retry(ctx, r.options.Scope, policy, func(ctx context.Context) (recording.Started, error) { return r.start(ctx, s.order, true) })
	r.mu.Lock()
	if r.resuming == s {
		r.resuming = nil
	}
	r.mu.Unlock()
	switch {
	case err == nil, errors.Is(err, errEndedMeanwhile):
		r.restarts.Inc()
	case ctx.Err() == nil:
		r.settle(s.order.ID)
		r.giveUp(s.order.ID, err)
	}
}

// errCalledOff says that somebody stopped the recording before it could be gone on with.
var errCalledOff = scout.Errorf(scout.CodeCancelled, "the recording was stopped before it could be resumed")

// callOffResume ends the attempts to go on with a recording, where it is the one with that id, or there is no id. It
// returns its id, empty where there is none.
func (r *Recorder) callOffResume(id recording.ID) recording.ID {
	r.mu.Lock()
	s := r.resuming
	if s == nil || id != "" && id != s.order.ID {
		r.mu.Unlock()
		return ""
	}
	r.resuming = nil
	if r.starting != nil && r.starting.id == s.order.ID {
		r.starting.cancel(errCalledOff)
	}
	r.mu.Unlock()
	if s.cancel != nil {
		s.cancel(errCalledOff)
	}
	r.keep(nil)
	return s.order.ID
}

// giveUp says that a recording is not gone on with. What there is of it was repaired.
func (r *Recorder) giveUp(id recording.ID, err error) {
	r.keep(nil)
	r.metrics.Failed(err)
	_ = r.failures.Count(err) // there is nobody to return it to
	r.log.Error(recording.EventRecordingFailed, slog.String(recording.KeyRecording, string(id)),
		slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
}

// errEndedMeanwhile says that a recording reached its length before it could be gone on with.
var errEndedMeanwhile = errors.New("it has reached its length")

// finishLate ends a recording whose length was reached while nothing recorded: what is missing up to there is a gap. late is
// false where there is something left to record. Only the holder of the commands token calls it.
func (r *Recorder) finishLate(order recording.Order) (late bool, err error) {
	limit := order.Rules.MaxDuration
	if limit <= 0 {
		return false, nil
	}
	m, err := r.folder.Manifest(order.ID)
	if err != nil || r.options.Now().Sub(m.StartedAt) < limit || r.checkResume(order) != nil {
		return false, nil //nolint:nilerr // whoever goes on with it says what is wrong
	}
	w, err := r.folder.Resume(order.ID)
	if err != nil {
		return true, err
	}
	have, whole := w.Frames(), w.Format().Frames(limit)
	if have < whole {
		gap := scout.Gap{Start: scout.Position(have), Frames: whole - have, Reason: recording.GapRestart}
		w.AddGap(gap)
		r.metrics.Gap(gap)
		if err := errors.Join(w.SaveManifest(), w.Silence(gap.Frames)); err != nil {
			return true, errors.Join(err, w.Abandon())
		}
	}
	r.keep(nil)
	m, err = w.Finish(recording.End{At: w.StartedAt().Add(w.Format().Duration(w.Frames())), Reason: recording.EndMaxDuration})
	if err != nil {
		return true, err
	}
	r.events.Send(recording.Event{Kind: recording.KindStopped, At: r.options.Now(), ID: m.ID, Manifest: &m})
	return true, scout.Errorf(scout.CodeInvalidArgument, "resume recording %s: %w", order.ID, errEndedMeanwhile)
}

// watchParent ends the recorder in order when its parent asks for it.
func (r *Recorder) watchParent() {
	err := r.options.Parent.Run(r.Shutdown)
	r.log.Warn(eventParentLost, slog.String(observe.KeyError, err.Error()))
}

// mayBegin refuses an order that this process cannot serve.
func (r *Recorder) mayBegin(order recording.Order) error {
	select {
	case <-r.shutdown:
		return scout.Errorf(scout.CodeRecorderUnreachable, "the recorder is ending")
	default:
	}
	r.mu.Lock()
	resuming := r.resuming
	r.mu.Unlock()
	if resuming != nil && resuming.order.ID != order.ID {
		return scout.Errorf(scout.CodeAlreadyRecording, "recording %s is under way", resuming.order.ID)
	}
	if !r.isAt(r.folder.Dir()) { // it was moved away or deleted: what is there now belongs to the next recorder
		r.Shutdown()
		return scout.Errorf(scout.CodeRecorderUnreachable, "the recorder's folder %s was moved or replaced", r.folder.Dir())
	}
	if differs := r.options.Environment.Difference(order.Environment); r.options.Environment.Variables != nil && len(differs) > 0 {
		return scout.Errorf(scout.CodeRecorderEnvironment, "the recorder process was started with another %s", strings.Join(differs, ", "))
	}
	return nil
}

// isAt tells whether the recorder's folder is the one at that path.
func (r *Recorder) isAt(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && wire.FolderID(info) == *r.identity.Load()
}

// refuseStarts makes sure that no recording begins any more; it fails where one is under way or about to be.
func (r *Recorder) refuseStarts() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var id recording.ID
	switch {
	case r.take != nil:
		id = r.take.writer.ID()
	case r.resuming != nil:
		id = r.resuming.order.ID
	case r.starting != nil:
		id = r.starting.id
	default:
		r.refuses = true
		return nil
	}
	return scout.Errorf(scout.CodeAlreadyRecording, "recording %s is under way", id)
}
