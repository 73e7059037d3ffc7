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

// resuming is a recording that the previous process was making when it died.
type resuming struct {
	order    recording.Order
	manifest recording.Manifest      // with the frames that are in the file
	cancel   context.CancelCauseFunc // of the attempts; nil before the first
	ending   *ending                 // why it is made final and not resumed; nil if it is to be resumed. Guarded by Recorder.mu

	// The result for a recording that was made final. Only the holder of the commands token uses these fields.
	concluded bool
	final     recording.Manifest
	err       error
}

// kept is the current recording, as the parent keeps it for the next process.
type kept struct {
	recording.Order
	StartedAt time.Time `json:"started_at"`
	// Ending is set once the recording is to end.
	Ending *ending `json:"ending,omitempty"`
}

// ending says where and why a recording ends that is not final yet.
type ending struct {
	Reason recording.EndReason `json:"reason"`
	Frames uint64              `json:"frames"` // its length then
}

// progress returns the state of a recording that is about to be resumed or made final.
func (s *resuming) progress(stopping bool) *recording.Progress {
	return &recording.Progress{
		Stopping: stopping, ID: s.order.ID, StartedAt: s.manifest.StartedAt, Format: s.manifest.Format,
		Captured: s.manifest.Frames, Written: s.manifest.Frames, Synced: s.manifest.Frames,
		Gaps: len(s.manifest.Gaps), Lost: s.manifest.LostFrames(), Condition: recording.ConditionOK, Order: s.order,
	}
}

// keep passes the current recording to the parent, so that the next process continues it if this one dies; nil if there
// is none.
func (r *Recorder) keep(what *kept) {
	var content []byte
	var err error
	if what != nil {
		content, err = json.Marshal(what)
	}
	if err == nil {
		err = r.options.Parent.Keep(content)
	}
	if err != nil { // it is recorded anyway
		r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}

// keptOf returns what was kept; the zero value if there is nothing.
func keptOf(content []byte) (k kept) {
	if err := json.Unmarshal(content, &k); err != nil {
		return kept{}
	}
	return k
}

// framesOf returns how many frames of a recording are in its file.
func (r *Recorder) framesOf(id recording.ID) (uint64, error) {
	audio, err := r.folder.OpenAudio(id)
	if err != nil {
		return 0, err
	}
	frames, err := audio.Frames()
	return frames, errors.Join(err, audio.Close())
}

// settle repairs a recording that is not resumed after all.
func (r *Recorder) settle(id recording.ID) {
	done, err := r.folder.RepairOne(id)
	switch {
	case err != nil:
		r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	case done != nil:
		r.logRepaired(done)
	}
}

// logRepaired logs a repair.
func (r *Recorder) logRepaired(done *recording.Repaired) {
	r.log.Warn(recording.EventRecordingRecovered, slog.String(recording.KeyRecording, string(done.Manifest.ID)),
		slog.String(observe.KeyReason, done.Reason), slog.Uint64(recording.KeyFrames, done.Manifest.Frames),
		slog.Int64(observe.KeyDurationMS, done.Manifest.Duration().Milliseconds()))
}

// prepareResume finds the recording of the previous process. From then on it counts as the current one.
func (r *Recorder) prepareResume() {
	was := keptOf(r.options.Parent.UnderWay())
	if was.ID == "" {
		return
	}
	m, err := r.folder.Manifest(was.ID)
	if err == nil && m.State == recording.StateFinished { // that process died after the last manifest and before it could report
		r.keep(nil)
		return
	}
	if err == nil && m.State == recording.StateRecording {
		m.Frames, err = r.framesOf(was.ID)
	}
	if err != nil { // what is left of it is repaired; without anything left it begins again
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

// resume continues the recording of the previous process. It retries for as long as there is hope: the device may be
// away too.
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

// errCalledOff says that somebody stopped the recording before it could be resumed.
var errCalledOff = scout.Errorf(scout.CodeCancelled, "the recording was stopped before it could be resumed")

// callOffResume ends the attempts to resume a recording, if it is the one with that id or id is empty: it is to end
// now, for that reason. It returns the recording, nil if there is none. The caller makes it final.
func (r *Recorder) callOffResume(id recording.ID, reason recording.EndReason) *resuming {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.resuming
	if s == nil || id != "" && id != s.order.ID {
		return nil
	}
	if s.ending != nil { // it was already to end
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

// giveUp reports that a recording is not resumed. Its file was repaired.
func (r *Recorder) giveUp(id recording.ID, err error) {
	r.keep(nil)
	r.metrics.Failed(err)
	_ = r.failures.Count(err) // there is no caller to return it to
	r.log.Error(recording.EventRecordingFailed, slog.String(recording.KeyRecording, string(id)),
		slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
}

// errEndedMeanwhile says that a recording reached its length before it could be resumed.
var errEndedMeanwhile = errors.New("it has reached its length")

// finishLate ends a recording whose length was reached while nothing recorded: the missing frames up to there are a
// gap. late is false if there is something left to record. Only the holder of the commands token calls it.
func (r *Recorder) finishLate(order recording.Order) (late bool, err error) {
	limit := order.Rules.MaxDuration
	if limit <= 0 {
		return false, nil
	}
	m, err := r.folder.Manifest(order.ID)
	if err != nil || r.options.Now().Sub(m.StartedAt) < limit || r.checkResume(order) != nil {
		return false, nil //nolint:nilerr // the resumption reports what is wrong
	}
	r.keep(&kept{Order: order, StartedAt: m.StartedAt, Ending: &ending{Reason: recording.EndMaxDuration, Frames: order.Format.Frames(limit)}})
	if _, err = r.conclude(order.ID, ending{Reason: recording.EndMaxDuration, Frames: order.Format.Frames(limit)}); err != nil {
		return true, err
	}
	return true, scout.Errorf(scout.CodeInvalidArgument, "resume recording %s: %w", order.ID, errEndedMeanwhile)
}

// watchParent ends the recorder normally when its parent asks for it.
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
	if !r.isAt(r.folder.Dir()) { // the folder was moved or deleted: a folder there now belongs to the next recorder
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

// refuseStarts makes sure that no more recordings begin; it fails if there is one or one is about to begin.
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
