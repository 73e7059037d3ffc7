package browser

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/resilience"
)

// session is one recording that is sent. run syncs and ends it; the other methods may be called from any goroutine.
type session struct {
	owner  *Sessions
	id     recording.ID
	client string
	format scout.Format
	most   uint64 // frames
	log    *slog.Logger
	began  time.Time
	wake   chan struct{} // gets a value, if it is empty, when run is to look again
	done   chan struct{} // closed when nothing more is done; what follows is final then

	manifest recording.Manifest
	failed   error // why the file could not be made final, nil if it could

	syncing sync.Mutex // held while the file is synced, and not while frames are taken

	mu        sync.Mutex
	writer    *recording.Writer
	grant     *freespace.Grant
	holder    *Connection // nil while nobody is connected
	alone     time.Time   // since when nobody is
	safe      uint64      // how many frames are synced, and stated so by a header that is synced: they are acknowledged
	pending   time.Time   // when the first frame came that is not synced; zero for none
	stating   time.Time   // the same of those that are synced and not safe
	unwritten error       // why what came last was not taken; nil if it was
	unsynced  error       // why what was taken is not on the disk, or the file cannot be ended; nil while that works
	counted   struct{ waiting, failing bool }
	stopAt    uint64              // how many frames there will be, with stopBy
	stopBy    time.Time           // when the wait for them ends; zero before the stop
	reason    recording.EndReason // why it is to end; empty while it goes on
	cancelled bool
	closed    bool        // no more frames are taken
	untold    []scout.Gap // that the journal has not, which telling writes into it
	telling   bool
	grown     chan struct{} // closed and replaced when there are more frames, or none will come
}

func newSession(owner *Sessions, w *recording.Writer, sender *recording.Sender) *session {
	format := w.Format()
	return &session{
		owner: owner, id: w.ID(), client: senderOf(sender).Client, format: format, most: format.Frames(owner.options.MostAudio), began: time.Now(),
		log: owner.log.With(slog.String(recording.KeyRecording, string(w.ID()))), wake: make(chan struct{}, 1), done: make(chan struct{}),
		writer: w, safe: w.Synced(), grant: owner.options.Budget.New(), alone: time.Now(), grown: make(chan struct{}),
	}
}

// count tells the metrics of a change. The caller holds mu.
func (s *session) count(open bool) {
	set := func(gauge *metric.Gauge, before *bool, now bool) {
		if *before != now {
			*before = now
			gauge.Add(map[bool]float64{true: 1, false: -1}[now])
		}
	}
	set(s.owner.metrics.waiting, &s.counted.waiting, open && s.holder == nil)
	set(s.owner.metrics.failing, &s.counted.failing, open && s.failing() != nil)
}

// failing is why sound cannot be kept at the moment; nil if it can. The caller holds mu.
func (s *session) failing() error {
	if s.unwritten != nil {
		return s.unwritten
	}
	return s.unsynced
}

// works notes what became of writing, in *s.unwritten or *s.unsynced. The caller holds mu.
func (s *session) works(what *error, err error) {
	if scout.CodeOf(err) == scout.CodeInvalidArgument { // the sender's mistake
		return
	}
	*what = err
	s.count(!s.closed)
}

// hurry has run look again.
func (s *session) hurry() {
	select {
	case s.wake <- struct{}{}:
	default: // it will
	}
}

// tellGrown wakes those who read along. The caller holds mu.
func (s *session) tellGrown() {
	close(s.grown)
	s.grown = make(chan struct{})
}

// waitsSince returns since when the session has waited for a connection; waits is false where it has one, or is ending.
func (s *session) waitsSince() (at time.Time, waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alone, s.holder == nil && s.reason == "" && s.stopBy.IsZero()
}

// finish says that the session is to end with what came.
func (s *session) finish(why recording.EndReason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finishLocked(why)
}

func (s *session) finishLocked(why recording.EndReason) {
	if s.reason == "" {
		s.reason = why
	}
	s.hurry()
}

// attach gives the session to a new connection. Everything that it has is synced then.
func (s *session) attach() (*Connection, error) {
	c := &Connection{session: s, acked: make(chan struct{}, 1), gone: make(chan struct{})}
	s.mu.Lock()
	if s.holder != nil {
		s.holder.lose(errTaken)
		s.owner.metrics.resumed.Inc()
	} else if s.writer.Frames() > 0 {
		s.owner.metrics.resumed.Inc()
	}
	s.holder = c
	s.count(!s.closed)
	s.mu.Unlock()
	if err := s.settle(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// errTaken is why a connection has its session no more.
var errTaken = scout.Errorf(scout.CodeConflict, "another connection goes on with this session")

// run syncs what comes, and ends the session when it is time.
func (s *session) run(ctx context.Context) {
	var synced time.Time
	for {
		reason, look, dirty := s.due(time.Now())
		if reason != "" {
			s.end(ctx, reason)
			return
		}
		if rest := s.owner.options.SyncEvery - time.Since(synced); dirty && rest <= 0 {
			synced = time.Now()
			if err := s.sync(); err != nil {
				s.broken(err)
			}
			continue
		} else if dirty {
			look = min(look, rest)
		}
		timer := time.NewTimer(look)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			s.leaveTo()
			return
		}
		timer.Stop()
	}
}

// due returns why the session ends now, empty if it does not; after how long that is to be asked again; and whether there is anything to sync.
func (s *session) due(now time.Time) (reason recording.EndReason, look time.Duration, dirty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	look = time.Hour
	if s.reason != "" {
		return s.reason, 0, false
	}
	frames := s.writer.Frames()
	if !s.stopBy.IsZero() {
		if frames >= s.stopAt || !now.Before(s.stopBy) {
			return recording.EndStopped, 0, false
		}
		look = min(look, s.stopBy.Sub(now))
	}
	if s.holder == nil {
		patience := s.owner.options.Resume
		if frames == 0 {
			patience = s.owner.options.EmptyFor
		}
		left := patience - now.Sub(s.alone)
		if left <= 0 {
			return recording.EndSource, 0, false
		}
		look = min(look, left)
	}
	return "", look, !s.pending.IsZero() || !s.stating.IsZero()
}

// sync makes durable what came, and acknowledges what was durable before: the header states it now, and survives with it. After a loss of power
// the file may be longer than what was synced, and what it has there may be damaged.
func (s *session) sync() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	w, safe, since := s.writer, s.writer.Synced(), s.pending
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.pending = time.Time{}
	err := w.InPlace() // while nothing is written: it compares lengths
	if err == nil {
		err = w.ShowHeader(safe)
	}
	s.mu.Unlock()
	if err == nil {
		err = w.SaveManifest() // the gaps, before what follows them counts
	}
	if err == nil {
		err = w.Sync()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		w.Rewind() // what is not acknowledged is still the sender's
		s.pending, s.stating = time.Time{}, time.Time{}
		return err
	}
	s.safe = safe
	if !s.stating.IsZero() {
		s.owner.metrics.ack.Observe(time.Since(s.stating).Seconds())
	}
	s.stating = since
	if !since.IsZero() { // something came, and is on the disk
		s.works(&s.unsynced, nil)
	}
	if s.holder != nil {
		s.holder.ack()
	}
	return nil
}

// settle makes everything safe that came.
func (s *session) settle() error {
	if err := s.sync(); err != nil {
		return err
	}
	return s.sync()
}

// broken tells the connection that its frames cannot be kept. The session waits: what was acknowledged is there.
func (s *session) broken(err error) {
	s.log.Warn(eventNotWritten, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.works(&s.unsynced, err)
	s.brokenLocked(err)
}

func (s *session) brokenLocked(err error) {
	_ = s.owner.options.Failures.Count(err) // it returns its argument
	if c := s.holder; c != nil {
		s.detach(c)
		c.lose(err)
	}
}

// detach takes the session from a connection. The caller holds mu.
func (s *session) detach(c *Connection) {
	if s.holder == c {
		s.holder, s.alone = nil, time.Now()
		s.count(!s.closed)
		s.hurry()
	}
}

// errStopping is why a connection has its session no more when the daemon stops.
var errStopping = scout.Errorf(scout.CodeUnavailable, "the daemon is stopping")

// leaveTo leaves the session to the next process.
func (s *session) leaveTo() {
	if err := s.settle(); err != nil {
		s.log.Warn(eventNotWritten, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
	}
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = s.writer.Abandon() // everything acknowledged is synced
	if c := s.holder; c != nil {
		s.holder = nil
		c.lose(errStopping)
	}
}

// leave is called when run has returned, in whatever way.
func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.count(false)
	s.grant.Close()
	select {
	case <-s.done:
	default:
		if s.failed == nil {
			s.failed = errStopping
		}
		close(s.done)
	}
	s.tellGrown()
}

// Pauses between attempts to make a file final.
const (
	firstPause = 200 * time.Millisecond
	longPause  = 10 * time.Second
)

// end makes the file final, and lets its text be completed.
func (s *session) end(ctx context.Context, reason recording.EndReason) {
	s.mu.Lock()
	unwanted := s.cancelled
	s.mu.Unlock()
	if unwanted { // before it hears the end of the sound, which completes the text
		s.owner.texts.Stopping(s.id, true)
	}
	s.syncing.Lock() // no sync is under way, and none begins
	s.mu.Lock()
	s.closed = true
	w, cancelled := s.writer, s.cancelled
	if missing := s.stopAt - min(s.stopAt, w.Frames()); missing > 0 && reason == recording.EndStopped && !s.stopBy.IsZero() {
		if err := s.lost(missing); err != nil { //nolint:contextcheck // the text says less, and nothing that was sent is missing
			s.log.Warn(eventNotWritten, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
		}
	}
	s.mu.Unlock()
	s.syncing.Unlock()
	if w.Frames() == 0 && reason == recording.EndSource {
		s.forget(ctx)
		return
	}
	m, err := s.finalise(ctx, reason)
	if err != nil {
		s.failed = err
		if ctx.Err() != nil {
			return // the next process ends it
		}
		s.log.Error(eventNotFinal, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
	}
	s.manifest = m
	s.mu.Lock()
	s.safe = m.Frames
	s.mu.Unlock()
	if cancelled {
		s.owner.texts.Stopping(s.id, true)
		if err := s.owner.options.Promises.Withdraw(ctx, s.id); err != nil {
			s.log.Warn(eventNotWritten, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
		}
	}
	s.owner.texts.Happened(recording.Event{Kind: recording.KindStopped, At: time.Now(), ID: s.id, Manifest: &m})
	if err := s.owner.options.See(ctx, string(s.id)); err != nil {
		s.log.Warn(eventNotSeen, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
	}
	s.owner.options.Promises.Ended(s.id)
	outcome := string(reason)
	if cancelled {
		outcome = "cancelled"
	}
	s.owner.metrics.sessions.WithLabelValues(outcome).Inc()
	s.log.Info(eventClosed, slog.String(observe.KeyReason, outcome), slog.Int64(observe.KeyAudioMS, m.Duration().Milliseconds()), slog.Int64(observe.KeyDurationMS, time.Since(s.began).Milliseconds()),
		slog.Uint64("lost_frames", m.LostFrames()), slog.String("client", s.client))
	close(s.done)
}

// finalise makes the file final, however often that takes. Its error is that of a file which is not there any more, or the cause of ctx.
func (s *session) finalise(ctx context.Context, reason recording.EndReason) (recording.Manifest, error) {
	end := recording.End{At: time.Now(), Reason: reason}
	m, err := s.writer.Finish(end)
	for pause := firstPause; err != nil && m.State != recording.StateFinished; pause = min(2*pause, longPause) {
		s.log.Warn(eventNotWritten, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
		s.mu.Lock()
		s.unsynced = err
		s.count(true)
		s.mu.Unlock()
		if scout.CodeOf(err) == scout.CodeRecordingLost || scout.CodeOf(err) == scout.CodeRecordingNotFound {
			return m, err
		}
		if resilience.Sleep(ctx, pause) != nil {
			return m, context.Cause(ctx)
		}
		again, resumeErr := s.owner.options.Folder.Resume(s.id)
		if resumeErr != nil {
			err = resumeErr
			continue
		}
		s.mu.Lock()
		s.writer = again
		s.mu.Unlock()
		m, err = again.Finish(end)
	}
	return m, nil
}

// forget removes a session that got no frame.
func (s *session) forget(ctx context.Context) {
	s.owner.texts.Stopping(s.id, true)
	_ = s.owner.options.Promises.Withdraw(ctx, s.id) // a promise without a recording is forgotten
	_ = s.writer.Abandon()                           // nothing is in it
	if err := s.writer.Remove(); err != nil {
		s.log.Warn(eventNotWritten, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
	}
	if err := s.owner.options.See(ctx, string(s.id)); err != nil {
		s.log.Warn(eventNotSeen, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
	}
	s.owner.metrics.sessions.WithLabelValues("empty").Inc()
	s.failed = scout.Errorf(scout.CodeRecordingNotFound, "no frame came")
}
