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
	ending   *ending                 // why it is not resumed but made final; nil while it is to be resumed. Guarded by Recorder.mu

	// What became of a recording that was made final. Only the holder of the commands token touches these.
	concluded bool
	final     recording.Manifest
	err       error
}

// kept is what is under way, as the parent keeps it for the next process.
type kept struct {
	recording.Order
	StartedAt time.Time `json:"started_at"`
	// Ending is set once the recording is to end.
	Ending *ending `json:"ending,omitempty"`
}

// ending is where and why a recording ends that is not final yet.
type ending struct {
	Reason recording.EndReason `json:"reason"`
	Frames uint64              `json:"frames"` // how long it is then
}

// progress is how a recording is that is about to be resumed or made final.
func (s *resuming) progress(stopping bool) *recording.Progress {
	return &recording.Progress{
		Stopping: stopping, ID: s.order.ID, StartedAt: s.manifest.StartedAt, Format: s.manifest.Format,
		Captured: s.manifest.Frames, Written: s.manifest.Frames, Synced: s.manifest.Frames,
		Gaps: len(s.manifest.Gaps), Lost: s.manifest.LostFrames(), Condition: recording.ConditionOK, Order: s.order,
	}
}

// keep tells the parent what is under way, so that the next process continues with it if this one dies; nil for nothing.
func (r *Recorder) keep(what *kept) {
	var content []byte
	var err error
	if what != nil {
		content, err = json.Marshal(what)
	}
	if err == nil {
		err = r.options.Parent.Keep(content)
	}
	if err != nil { // it is recorded all the same
		r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}

// keptOf returns what was kept; the zero value where that is nothing.
func keptOf(content []byte) (k kept) {
	if err := json.Unmarshal(content, &k); err != nil {
		return kept{}
	}
	return k
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

// settle puts a recording right that is not continued after all.
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
	was := keptOf(r.options.Parent.UnderWay())
	if was.ID == "" {
		return
	}
	m, err := r.folder.Manifest(was.ID)
	if err == nil && m.State == recording.StateFinished { // that process died between the last manifest and this
		r.keep(nil)
		return
	}
	if err == nil && m.State == recording.StateRecording {
		m.Frames, err = r.framesOf(was.ID)
	}
	if err != nil { // what is left of it is repaired; without anything left it begins anew
		r.settle(was.ID)
		if m, err = r.folder.Manifest(was.ID); scout.CodeOf(err) == scout.CodeRecordingNotFound {
			m, err = recording.Manifest{ID: was.ID, Format: was.Format, StartedAt: was.StartedAt}, nil
		}
	}
	if err != nil {
		r.giveUp(was.ID, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resuming = &resuming{order: was.Order, manifest: m, ending: was.Ending}
}

// resume continues with the recording that the process before this one was making, and tries again for as long as that
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
	if r.isEnding(s) {
		r.concludeSoon(ctx, s)
		return
	}
	policy := resilience.Policy{Initial: 50 * time.Millisecond, Max: 2 * time.Second, Budget: r.options.ResumeWithin}
	_, err := resilience.Retry(ctx, r.options.Scope, policy, func(ctx context.Context) (recording.Started, error) {
		return r.start(ctx, s.order, resumption{wanted: true, since: s.manifest.StartedAt})
	})
	if err != nil && r.isEnding(s) {
		r.concludeSoon(context.WithoutCancel(ctx), s)
		return
	}
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

// errCalledOff says that somebody stopped the recording before it could be continued.
var errCalledOff = scout.Errorf(scout.CodeCancelled, "the recording was stopped before it could be resumed")

// callOffResume ends the attempts to resume a recording, where it is the one with that id, or there is no id: it is to end
// now, for that reason. It returns what was to be resumed, nil where that is nothing. The caller makes it final.
func (r *Recorder) callOffResume(id recording.ID, reason recording.EndReason) *resuming {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.resuming
	if s == nil || id != "" && id != s.order.ID {
		return nil
	}
	if s.ending != nil { // it was to end already
		return s
	}
	frames := s.manifest.Format.Frames(r.options.Now().Sub(s.manifest.StartedAt))
	s.ending = &ending{Reason: reason, Frames: upTo(s.order, frames)}
	r.keep(&kept{Order: s.order, StartedAt: s.manifest.StartedAt, Ending: s.ending})
	if r.starting != nil && r.starting.id == s.order.ID {
		r.starting.cancel(errCalledOff)
	}
	if s.cancel != nil {
		s.cancel(errCalledOff)
	}
	return s
}

// isEnding reports whether a recording that was to be resumed is to be made final instead.
func (r *Recorder) isEnding(s *resuming) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.ending != nil
}

// giveUp says that a recording is not continued. What there is of it was repaired.
func (r *Recorder) giveUp(id recording.ID, err error) {
	r.keep(nil)
	r.metrics.Failed(err)
	_ = r.failures.Count(err) // there is nobody to return it to
	r.log.Error(recording.EventRecordingFailed, slog.String(recording.KeyRecording, string(id)),
		slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
}

// errEndedMeanwhile says that a recording reached its length before it could be continued.
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
	r.keep(&kept{Order: order, StartedAt: m.StartedAt, Ending: &ending{Reason: recording.EndMaxDuration, Frames: order.Format.Frames(limit)}})
	if _, err = r.conclude(order.ID, ending{Reason: recording.EndMaxDuration, Frames: order.Format.Frames(limit)}); err != nil {
		return true, err
	}
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

// isAt reports whether the recorder's folder is the one at that path.
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
