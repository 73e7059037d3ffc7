package recorder

import (
	"context"
	"errors"
	"log/slog"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// conclude makes a recording of another process final: frames missing between the last one in its file and its end are
// a gap. Only the holder of the commands token calls it.
func (r *Recorder) conclude(id recording.ID, end ending) (recording.Manifest, error) {
	w, err := r.folder.Resume(id)
	if err != nil {
		return recording.Manifest{}, err
	}
	r.metrics.Follow(w, nil)
	defer r.metrics.Settle(w)
	if have := w.Frames(); have < end.Frames {
		gap := scout.Gap{Start: scout.Position(have), Frames: end.Frames - have, Reason: recording.GapRestart}
		w.AddGap(gap)
		if err := errors.Join(w.SaveManifest(), w.Silence(gap.Frames)); err != nil {
			return recording.Manifest{}, errors.Join(err, w.Abandon())
		}
	}
	length := w.Format().Duration(w.Frames())
	m, err := w.Finish(recording.End{At: w.StartedAt().Add(length), Reason: end.Reason})
	if err != nil {
		return recording.Manifest{}, err
	}
	r.keep(nil)
	m.Path = r.folder.AudioPath(id)
	r.log.Info(recording.EventRecordingStopped, slog.String(recording.KeyRecording, string(id)), slog.Int(recording.KeySampleRate, m.Format.SampleRateHz),
		slog.Int(recording.KeyChannels, m.Format.Channels), slog.Int64(observe.KeyDurationMS, length.Milliseconds()), slog.Uint64(recording.KeyFrames, m.Frames),
		slog.Int("gaps", len(m.Gaps)), slog.Uint64("lost_frames", m.LostFrames()), slog.String(observe.KeyReason, string(m.EndReason)))
	r.events.Send(recording.Event{Kind: recording.KindStopped, At: r.options.Now(), ID: id, Manifest: &m, Path: m.Path})
	return m, nil
}

// concludeResumed makes a recording final that was to be resumed but is to end instead. If that fails it is repaired
// like a recording that a crash left. Repeating it gives the same answer. Only the holder of the commands token calls
// it.
func (r *Recorder) concludeResumed(s *resuming) (recording.Manifest, error) {
	if s.concluded {
		return s.final, s.err
	}
	s.concluded = true
	err := r.checkResume(s.order) // otherwise the time since it broke off does not count as a gap
	if err == nil {
		s.final, err = r.conclude(s.order.ID, *s.ending)
		s.err = s.final.EndReason.Err()
	}
	if err != nil {
		r.log.Warn(recording.EventRecordingProblem, slog.String(recording.KeyRecording, string(s.order.ID)),
			slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		r.settle(s.order.ID)
		r.keep(nil)
		if s.final, s.err = r.folder.Manifest(s.order.ID); scout.CodeOf(s.err) == scout.CodeRecordingNotFound {
			s.err = scout.Errorf(scout.CodeRecordingLost, "recording %s is lost: its files were deleted while its recorder was away", s.order.ID)
		}
	}
	r.mu.Lock()
	if r.resuming == s {
		r.resuming = nil
	}
	r.mu.Unlock()
	r.touch()
	return s.final, s.err
}

// concludeSoon is concludeResumed for the goroutine that would have resumed the recording.
func (r *Recorder) concludeSoon(ctx context.Context, s *resuming) {
	if err := r.acquire(ctx); err != nil {
		return // the recorder is ending, and does it then
	}
	defer r.release()
	_, _ = r.concludeResumed(s) // it logs its errors
}

// concludeEnding makes a recording final that was to end when its process died, before anything else begins. Only the
// holder of the commands token calls it.
func (r *Recorder) concludeEnding() {
	r.mu.Lock()
	s := r.resuming
	r.mu.Unlock()
	if s != nil && r.isEnding(s) {
		_, _ = r.concludeResumed(s) // it logs its errors
	}
}
