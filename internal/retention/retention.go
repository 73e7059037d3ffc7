package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// sweepEvery is how often Run looks for what is past its time.
const sweepEvery = time.Hour

// startDelay is how long Run waits before the first sweep, so that starting the daemon costs no more time.
const startDelay = 5 * time.Second

// maxPerSweep bounds the recordings that one sweep removes. The rest waits for the next one, so that a mistake in a setting can be
// noticed.
const maxPerSweep = 1000

// sessionsKept is how long the events of live sessions are kept after their end. Their text is in the store then.
const sessionsKept = 24 * time.Hour

// Folder holds the audio of recordings. *recording.Folder is one.
type Folder interface {
	// Manifest returns the manifest of a recording that is not in the trash.
	Manifest(id recording.ID) (recording.Manifest, error)
	// InUse reports whether any program has the audio of a recording open.
	InUse(id recording.ID) (bool, error)
	// Delete removes audio and manifest of a recording, from the folder or its trash. Its errors have scout.CodeRecordingInUse while
	// the recording is made or changed, and scout.CodeRecordingNotFound.
	Delete(id recording.ID) error
}

// Options are what a Sweeper works with.
type Options struct {
	Store  store.Store
	Folder Folder
	// Keep returns how long things are kept, each time it is needed.
	Keep func() store.Retention
	// Purged, if it is not nil, is called with recordings of which something was removed for good, so that no copy of it stays elsewhere.
	Purged func(recordings ...string)
	// Conclude, if it is not nil, ends what is still done for a dictation whose text is there, before something of it is purged. It
	// leaves one alone whose text is not there.
	Conclude func(ctx context.Context, id recording.ID)
	Scope    observe.Scope
}

// Sweeper removes what was kept long enough. Its methods may be called from any goroutine.
type Sweeper struct {
	store   store.Store
	folder  Folder
	keep    func() store.Retention
	purged  func(recordings ...string)
	ending  func(ctx context.Context, id recording.ID)
	log     *slog.Logger
	metrics *metrics

	hurry    chan struct{} // has a token when a sweep is to be made now
	sweeping sync.Mutex    // one sweep or purge at a time

	mu     sync.Mutex // guards what follows
	last   time.Time  // when the last sweep ended
	failed error      // of the last sweep
}

// New returns a sweeper. It does nothing until one of its methods is called.
func New(o Options) *Sweeper {
	scope := o.Scope.Component("retention")
	if o.Purged == nil {
		o.Purged = func(...string) {}
	}
	if o.Conclude == nil {
		o.Conclude = func(context.Context, recording.ID) {}
	}
	return &Sweeper{store: o.Store, folder: o.Folder, keep: o.Keep, purged: o.Purged, ending: o.Conclude, log: scope.Log(), metrics: newMetrics(scope), hurry: make(chan struct{}, 1)}
}

// Run sweeps soon after the start and then every hour, until ctx ends. What could not be removed is logged and told by the health
// check, and tried again.
func (s *Sweeper) Run(ctx context.Context) error {
	timer := time.NewTimer(startDelay)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-s.hurry:
		}
		_, _ = s.Sweep(ctx) // it logs and remembers its errors
		timer.Reset(sweepEvery)
	}
}

// Hurry makes Run sweep now.
func (s *Sweeper) Hurry() {
	select {
	case s.hurry <- struct{}{}:
	default: // it will
	}
}

// Swept is what a sweep removed.
type Swept struct {
	// Audio are the recordings whose audio is gone and whose text was kept.
	Audio int
	// Recordings and Texts were in the trash.
	Recordings, Texts int
	// Sessions are live sessions whose events were removed.
	Sessions int
	// Bytes is the size of the audio that was removed.
	Bytes int64
	// InUse are recordings that are past their time and in use.
	InUse int
}

// Due returns what the next sweep would remove. It removes nothing.
func (s *Sweeper) Due(ctx context.Context) (store.Due, error) { return s.store.Due(ctx, s.keep()) }

// Keep returns how long things are kept.
func (s *Sweeper) Keep() store.Retention { return s.keep() }

// Sweep completes purges, removes what is past its time, and trims the journal. A step that fails keeps no other from being done; the
// errors are joined.
func (s *Sweeper) Sweep(ctx context.Context) (Swept, error) {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	began := time.Now()
	var swept Swept
	var errs []error
	for _, step := range []func(context.Context, *Swept) error{s.finishPurges, s.sweepDue, s.trim} {
		if ctx.Err() != nil {
			return swept, context.Cause(ctx) // the daemon ends: the next one goes on
		}
		errs = append(errs, step(ctx, &swept))
	}
	err := joined(errs)
	if ctx.Err() != nil {
		return swept, context.Cause(ctx)
	}
	s.mu.Lock()
	s.last, s.failed = time.Now(), err
	s.mu.Unlock()
	s.metrics.swept(err)
	if err != nil {
		s.log.Warn(eventFailed, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	s.log.Info(eventSwept, slog.Int("audio", swept.Audio), slog.Int("recordings", swept.Recordings), slog.Int("texts", swept.Texts), slog.Int("sessions", swept.Sessions),
		slog.Int64("freed_bytes", swept.Bytes), slog.Int("in_use", swept.InUse), slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
	return swept, err
}

// joined joins errors and leaves out those that say the same: a database that cannot be written fails each step.
func joined(errs []error) error {
	said := make(map[string]bool)
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool {
		if err == nil {
			return true
		}
		text := scout.Plain(err)
		again := said[text]
		said[text] = true
		return again
	})...)
}

// sweepDue removes what is past its time.
func (s *Sweeper) sweepDue(ctx context.Context, swept *Swept) error {
	due, err := s.Due(ctx)
	if err != nil {
		return err
	}
	if due.Leap > 0 {
		s.log.Warn(eventClockLeapt, slog.Int64("leap_seconds", int64(due.Leap.Seconds())))
	}
	var errs []error
	if len(due.Audio) > maxPerSweep {
		due.Audio = due.Audio[:maxPerSweep]
	}
	for _, e := range due.Audio {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		errs = append(errs, s.removeAudio(ctx, e, swept))
	}
	if len(due.Purge) > maxPerSweep {
		due.Purge = due.Purge[:maxPerSweep]
	}
	var ids []string
	for _, e := range due.Purge {
		removed, err := s.delete(e, swept)
		if removed {
			ids = append(ids, e.Recording)
		}
		errs = append(errs, err)
	}
	if len(ids) > 0 {
		if err = s.store.Purge(ctx, ids...); err == nil {
			s.purged(ids...)
			swept.Recordings += len(ids)
			s.metrics.removed.WithLabelValues("recording").Add(float64(len(ids)))
		}
		errs = append(errs, err)
	}
	if len(due.Texts) > 0 {
		if err = s.store.PurgeTexts(ctx, due.Texts...); err == nil {
			for _, key := range due.Texts {
				s.purged(key.Recording)
			}
			swept.Texts += len(due.Texts)
			s.metrics.removed.WithLabelValues("text").Add(float64(len(due.Texts)))
		}
		errs = append(errs, err)
	}
	return joined(errs)
}

// removeAudio removes the audio of a recording and notes it.
func (s *Sweeper) removeAudio(ctx context.Context, e store.Expired, swept *Swept) error {
	removed, err := s.delete(e, swept)
	if err != nil || !removed {
		return err
	}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		_, err := tx.AudioGone(e.Recording)
		return err
	})
	if err != nil {
		return fmt.Errorf("note that the audio of %s was removed: %w", e.Recording, err) // the next reconciliation notes it
	}
	swept.Audio++
	s.metrics.removed.WithLabelValues("audio").Inc()
	s.log.Info(eventAudioRemoved, slog.String(recording.KeyRecording, e.Recording), slog.Time("started_at", e.StartedAt), slog.Int64("freed_bytes", e.Bytes))
	return nil
}

// delete removes the files of a recording; gone is true where there are none any more. One that is in use is left for the next sweep.
func (s *Sweeper) delete(e store.Expired, swept *Swept) (gone bool, err error) {
	id := recording.ID(e.Recording)
	if used, err := s.folder.InUse(id); err != nil {
		return false, fmt.Errorf("remove the audio of %s: %w", e.Recording, err)
	} else if used {
		s.inUse(e, swept)
		return false, nil
	}
	switch err := s.folder.Delete(id); scout.CodeOf(err) {
	case scout.CodeRecordingInUse:
		s.inUse(e, swept)
		return false, nil
	case scout.CodeRecordingNotFound:
		return true, nil
	default:
		if err != nil {
			return false, fmt.Errorf("remove the audio of %s: %w", e.Recording, err)
		}
	}
	swept.Bytes += e.Bytes
	s.metrics.freed.Add(float64(e.Bytes))
	return true, nil
}

// inUse counts a recording that waits for the next sweep. It is not a failure.
func (s *Sweeper) inUse(e store.Expired, swept *Swept) {
	swept.InUse++
	s.log.Debug(eventInUse, slog.String(recording.KeyRecording, e.Recording))
}

// trim removes old events.
func (s *Sweeper) trim(ctx context.Context, swept *Swept) error {
	err := s.store.TrimJournal(ctx, store.EventStream, store.DefaultJournalLimits())
	sessions, sessionErr := s.store.TrimSessions(ctx, sessionsKept)
	swept.Sessions += sessions
	s.metrics.removed.WithLabelValues("session").Add(float64(sessions))
	return joined([]error{err, sessionErr})
}

// finishPurges completes what was purged on request and interrupted.
func (s *Sweeper) finishPurges(ctx context.Context, swept *Swept) error {
	asked, err := s.store.AskedPurges(ctx)
	errs := []error{err, s.store.FinishPurges(ctx)}
	for _, id := range asked {
		errs = append(errs, s.purge(ctx, id, swept))
	}
	return joined(errs)
}

// Purge removes a recording with audio, manifest, all texts and everything that the store knows about it. Whatever interrupts it after its first step,
// the next sweep completes it.
//
// An unknown recording gives scout.CodeRecordingNotFound, one that is being recorded, decoded live, or open in a program
// scout.CodeRecordingInUse. After other errors it is gone for all readers, or will be with the next sweep.
func (s *Sweeper) Purge(ctx context.Context, id string) error {
	s.ending(ctx, recording.ID(id))
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	if err := s.idle(ctx, id); err != nil {
		return err
	}
	if _, err := s.store.Recording(ctx, id); err != nil {
		return err
	}
	if m, err := s.folder.Manifest(recording.ID(id)); err == nil && m.State == recording.StateRecording {
		return scout.Errorf(scout.CodeRecordingInUse, "purge recording %s: it is being recorded, or was not recovered after a crash", id).
			WithHint("stop it first: scout stop, or repair it: scout recordings recover")
	}
	if used, err := s.folder.InUse(recording.ID(id)); err != nil {
		return err
	} else if used {
		return scout.Errorf(scout.CodeRecordingInUse, "purge recording %s: a program has its audio open", id).WithHint("end that program, or wait until it has finished")
	}
	if err := s.store.Update(ctx, func(tx store.Tx) error { return tx.AskPurge(id) }); err != nil {
		return err
	}
	var swept Swept
	return s.purge(context.WithoutCancel(ctx), id, &swept)
}

// purge removes a recording that is to be purged.
func (s *Sweeper) purge(ctx context.Context, id string, swept *Swept) error {
	err := s.folder.Delete(recording.ID(id))
	if err != nil && scout.CodeOf(err) != scout.CodeRecordingNotFound {
		return fmt.Errorf("purge recording %s: %w", id, err)
	}
	if err := s.store.Purge(ctx, id); err != nil {
		return err
	}
	s.purged(id)
	swept.Recordings++
	s.metrics.removed.WithLabelValues("recording").Inc()
	return nil
}

// PurgeText removes a text with all its versions and everything that the journal says about its recording. The recording, its audio and its other
// texts stay. Whatever interrupts it, the next start completes it.
//
// An unknown text gives scout.CodeNotFound, and a text of a live session that continues gives scout.CodeRecordingInUse.
func (s *Sweeper) PurgeText(ctx context.Context, key store.Key) error {
	s.ending(ctx, recording.ID(key.Recording))
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	if err := s.idle(ctx, key.Recording); err != nil {
		return err
	}
	if _, err := s.store.Versions(ctx, key); err != nil {
		return err
	}
	if err := s.store.PurgeTexts(context.WithoutCancel(ctx), key); err != nil {
		return err
	}
	s.purged(key.Recording)
	s.metrics.removed.WithLabelValues("text").Inc()
	return nil
}

// idle refuses a recording whose live session continues, because more words would come after the purge.
func (s *Sweeper) idle(ctx context.Context, id string) error {
	open, err := s.store.LiveSessions(ctx)
	if err != nil {
		return err
	}
	for _, session := range open {
		if store.LiveRecording(session.Name) == id {
			return scout.Errorf(scout.CodeRecordingInUse, "purge %s: its dictation goes on", id).WithHint("stop it first (scout stop), and wait for its text")
		}
	}
	return nil
}

// HealthCheck tells whether the last sweep worked, and whether the next one can know what there is.
func (s *Sweeper) HealthCheck() health.Check {
	return health.Check{Name: "retention", Probe: func(ctx context.Context) health.Result {
		_, unusable := s.store.AskedPurges(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		keep := s.keep()
		result := health.Result{Status: health.Healthy, Metadata: map[string]string{"audio_days": days(keep.Audio), "trash_days": days(keep.Trash)}}
		if !s.last.IsZero() {
			result.Metadata["last_sweep"] = s.last.UTC().Format(time.RFC3339)
		}
		if unusable != nil {
			result.Status, result.Reason = health.Degraded, "nothing is removed while the database cannot be used: "+scout.Plain(unusable)
		} else if s.failed != nil {
			result.Status, result.Reason = health.Degraded, "not everything that was kept long enough could be removed: "+scout.Plain(s.failed)
		}
		return result
	}}
}

func days(d time.Duration) string { return strconv.Itoa(int(d / (24 * time.Hour))) }
