// Package browser records the sound that pages and programs send while it is made. Each session is a recording in a folder of its own. What
// is acknowledged is on the disk; what is not is still the sender's. A session outlives its connections, and the daemon: whoever returns
// goes on where the acknowledged sound ends. docs/adr/0096-sound-of-clients.md says why it is made so.
package browser

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/resilience"
)

// Texts makes text of the recordings while they are made; dictate.Dictations is one.
type Texts interface {
	// Follow makes text of a recording that has begun, until Happened tells that it has stopped.
	Follow(ctx context.Context, id recording.ID, request dictate.Request) error
	Happened(e recording.Event)
	// Resumed returns when Happened is heard for what an earlier process left.
	Resumed(ctx context.Context) error
	// Stopping says that the stop was asked for, and with noText that no text is wanted.
	Stopping(id recording.ID, noText bool)
}

// Promises makes the texts that live text could not make; *backlog.Backlog is one.
type Promises interface {
	Promise(ctx context.Context, id recording.ID, order backlog.Order) error
	Ended(id recording.ID)
	Withdraw(ctx context.Context, id recording.ID) error
}

// Options configure Sessions.
type Options struct {
	// Folder gets the recordings; nobody else writes into it.
	Folder   *recording.Folder
	Promises Promises
	// See makes the store know a recording.
	See func(ctx context.Context, id string) error
	// Note writes an event about a recording into the journal; nil for nowhere.
	Note   func(ctx context.Context, kind, id string, data any)
	Budget *freespace.Budget
	// MostAudio bounds a recording.
	MostAudio time.Duration
	// Resume is how long a session without a connection waits for the next one.
	Resume time.Duration
	// Most is how many sessions and how many connections there may be, MostPerClient the same for each client but the owner.
	Most, MostPerClient int
	// SyncEvery is how often what came is made durable and acknowledged, default 150 ms. MissingWithin is how long a stop waits for
	// frames that have not come, default 10 s. EmptyFor is how long a session waits that got no frame, default 30 s and at most Resume.
	SyncEvery, MissingWithin, EmptyFor time.Duration
	Scope                              observe.Scope
	Failures                           *observe.Failures
	// Begin is called when a session is open, and what it returns when it is not any more; nil for nobody.
	Begin func() (end func())
}

// Order is what a client wants to send.
type Order struct {
	Format scout.Format
	Sender recording.Sender
	// Text says how its text is made while it comes, Later how it is made if that does not work.
	Text  dictate.Request
	Later backlog.Order
}

// Sessions are the sessions of a daemon. Its methods may be called from any goroutine.
type Sessions struct {
	options   Options
	log       *slog.Logger
	metrics   *metrics
	recovered chan struct{} // closed when the files of an earlier process are as they are gone on with
	waiting   chan struct{} // closed when clients may come

	mu          sync.Mutex // guards what follows; it may be held while the mu of a session is taken, and not the other way round
	living      context.Context
	texts       Texts
	stopping    bool
	open        map[recording.ID]*session
	connections map[string]int // by client
	connected   int
	running     sync.WaitGroup
	returns     resilience.Returns // of each client, and of those for whom there was no place at all
}

// New returns sessions. Run serves them.
func New(o Options) *Sessions {
	o.SyncEvery = cmp.Or(o.SyncEvery, 150*time.Millisecond)
	o.MissingWithin = cmp.Or(o.MissingWithin, 10*time.Second)
	o.EmptyFor = min(cmp.Or(o.EmptyFor, 30*time.Second), o.Resume)
	if o.Note == nil {
		o.Note = func(context.Context, string, string, any) {}
	}
	if o.Begin == nil {
		o.Begin = func() func() { return func() {} }
	}
	scope := o.Scope.Component("browser")
	return &Sessions{
		options: o, log: scope.Log(), metrics: newMetrics(scope), recovered: make(chan struct{}), waiting: make(chan struct{}), open: make(map[recording.ID]*session), connections: make(map[string]int),
	}
}

// Folder holds the recordings.
func (s *Sessions) Folder() *recording.Folder { return s.options.Folder }

// Run goes on with the sessions that an earlier process left, and serves all of them until ctx ends. Those that are open then are left to
// the next process, with everything synced.
func (s *Sessions) Run(ctx context.Context, texts Texts) error {
	s.mu.Lock()
	s.living, s.texts = ctx, texts
	s.mu.Unlock()
	s.resume(ctx)
	close(s.recovered)
	if texts.Resumed(ctx) == nil {
		close(s.waiting)
	}
	<-ctx.Done()
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// resume opens what an earlier process left.
func (s *Sessions) resume(ctx context.Context) {
	list, _, err := s.options.Folder.List()
	if err != nil {
		s.log.Warn(eventNotResumed, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	for i := range list {
		m := &list[i]
		if m.State != recording.StateRecording {
			continue
		}
		w, err := s.options.Folder.ResumeSent(m.ID)
		if err != nil {
			s.recover(ctx, m.ID, err)
			continue
		}
		one := newSession(s, w, m.Sender)
		one.log.Info(eventResumed, slog.Uint64("frames", w.Frames()))
		s.mu.Lock()
		s.add(one) //nolint:contextcheck // a session lives as long as Run
		s.mu.Unlock()
	}
}

// recover ends a recording that cannot be gone on with, as a crash has ended it.
func (s *Sessions) recover(ctx context.Context, id recording.ID, why error) {
	s.log.Warn(eventNotResumed, slog.String(recording.KeyRecording, string(id)), slog.String(observe.KeyCode, string(scout.CodeOf(why))), slog.String(observe.KeyError, scout.Plain(why)))
	if _, err := s.options.Folder.RepairOne(id); err != nil {
		s.log.Warn(eventNotResumed, slog.String(recording.KeyRecording, string(id)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
		return
	}
	if err := s.options.See(ctx, string(id)); err != nil {
		s.log.Warn(eventNotSeen, slog.String(recording.KeyRecording, string(id)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
	}
	s.options.Promises.Ended(id)
}

// add runs a session in the background. The caller holds mu.
func (s *Sessions) add(one *session) {
	s.open[one.id] = one
	s.count()
	one.mu.Lock()
	one.count(true)
	one.mu.Unlock()
	end := s.options.Begin()
	ctx := s.living
	s.running.Go(func() { // ends with the session, or with Run's context; Run waits for it
		defer end()
		defer s.remove(one)
		_ = s.options.Failures.Guard("browser", func() error { one.run(ctx); return nil }) // it was counted
	})
}

func (s *Sessions) remove(one *session) {
	one.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one.id)
	s.count()
}

// count tells how many sessions are open. The caller holds mu.
func (s *Sessions) count() { s.metrics.open.Set(float64(len(s.open))) }

// find returns an open session; nil if there is none.
func (s *Sessions) find(id recording.ID) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id]
}

// IDs returns the sessions that are open, with and without a connection.
func (s *Sessions) IDs() []recording.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// Admit takes a connection, until release is called. Beyond the limits its error has scout.CodeRateLimit.
//
//	client  whose it is; empty for the owner
func (s *Sessions) Admit(client string) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.connected >= s.options.Most:
		return nil, s.later("", scout.Errorf(scout.CodeRateLimit, "%d connections send sound, which is the limit", s.options.Most).WithHint("the setting limits.live_sessions allows more"))
	case client != "" && s.connections[client] >= s.options.MostPerClient:
		return nil, s.later(client, scout.Errorf(scout.CodeRateLimit, "%d connections of this client send sound, which is the limit", s.options.MostPerClient).WithHint("end one of them"))
	}
	s.connected++
	s.connections[client]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.connected--
		if s.connections[client]--; s.connections[client] == 0 {
			delete(s.connections, client)
		}
	}), nil
}

// later says when to come back: nobody knows when a session ends.
//
//	line  the client that has too many; empty where there are too many of all
func (s *Sessions) later(line string, refused error) error {
	return s.returns.Refuse(refused, line, resilience.LeastPause, resilience.LeastPause)
}

// Recovered implements dictate.Sent.
func (s *Sessions) Recovered(ctx context.Context) error {
	select {
	case <-s.recovered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ready waits for Run.
func (s *Sessions) ready(ctx context.Context) error {
	select {
	case <-s.waiting:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leastRoom is how much sound must fit on the disk for a session to begin.
const leastRoom = 5 * time.Minute

// Start begins a session. Nothing is left of it if that fails.
//
//	scout.CodeDiskLow      there is no room for five minutes beside the hour of the recorder
//	scout.CodeRateLimit    there are too many sessions
//	scout.CodeUnavailable  the daemon is stopping
func (s *Sessions) Start(ctx context.Context, o Order) (*Connection, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if err := o.Format.Validate(); err != nil {
		return nil, err
	}
	grant := s.options.Budget.New()
	least := int64(o.Format.Frames(leastRoom)) * int64(o.Format.FrameBytes())
	if err := grant.Room(least, least); err != nil {
		return nil, err
	}
	grant.Close() // it asks again for what comes
	if err := s.makeRoom(o.Sender.Client); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	id := recording.NewID(time.Now())
	if err := s.options.Promises.Promise(ctx, id, o.Later); err != nil {
		_ = s.options.Promises.Withdraw(ctx, id) // it is not on the disk
		return nil, err
	}
	one, err := s.begin(ctx, id, &o)
	if err != nil {
		_ = s.options.Promises.Withdraw(ctx, id) // a promise without a recording is forgotten
		return nil, err
	}
	s.options.Note(ctx, "recording.started", string(id), map[string]any{"id": id})
	one.log.Info(eventOpened, slog.Int("sample_rate", o.Format.SampleRateHz), slog.Int("channels", o.Format.Channels), slog.String("client", o.Sender.Client))
	return one.attach()
}

// begin makes the recording and its text.
func (s *Sessions) begin(ctx context.Context, id recording.ID, o *Order) (*session, error) {
	w, err := s.options.Folder.Create(recording.Settings{ID: id, Format: o.Format, StartedAt: time.Now(), Sender: &o.Sender})
	if err != nil {
		return nil, err
	}
	one := newSession(s, w, &o.Sender)
	err = s.options.See(ctx, string(id))
	if err == nil {
		err = s.texts.Follow(ctx, id, o.Text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.stopping {
		err = scout.Errorf(scout.CodeUnavailable, "the daemon is stopping")
	}
	if err != nil {
		s.texts.Stopping(id, true)
		_ = w.Abandon() // nothing is in it
		_ = w.Remove()  // as above; the next process removes it otherwise
		_ = s.options.See(ctx, string(id))
		return nil, err
	}
	s.add(one) //nolint:contextcheck // it lives longer than the request
	return one, nil
}

// makeRoom refuses a session beyond the limits. A session of the same client that waits for its next connection ends earlier instead: what
// it has is kept, and its text is made.
func (s *Sessions) makeRoom(client string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	var longest *session
	var since time.Time
	for _, one := range s.open {
		if one.client != client {
			continue
		}
		own++
		if at, waits := one.waitsSince(); waits && (longest == nil || at.Before(since)) {
			longest, since = one, at
		}
	}
	if len(s.open) < s.options.Most && (client == "" || own < s.options.MostPerClient) {
		return nil
	}
	if longest == nil {
		line := client
		if len(s.open) >= s.options.Most {
			line = ""
		}
		return s.later(line, scout.Errorf(scout.CodeRateLimit, "%d sessions are open, %d of them of this client", len(s.open), own).WithHint("end one of them, or try again later"))
	}
	longest.finish(recording.EndSource)
	return nil
}

// Resume goes on with a session. The connection that had it is told that it has not any more. A session that has ended gives a Connection
// that takes nothing.
//
//	mine  whether whoever asks may have a session of that client
func (s *Sessions) Resume(ctx context.Context, id recording.ID, mine func(client string) bool) (*Connection, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	absent := scout.Errorf(scout.CodeRecordingNotFound, "there is no session %q", string(id)).WithHint("begin a new one: start without id")
	if one := s.find(id); one != nil {
		if !mine(one.client) {
			return nil, absent
		}
		return one.attach()
	}
	m, err := s.options.Folder.Manifest(id)
	switch {
	case scout.CodeOf(err) == scout.CodeRecordingNotFound, err == nil && !mine(senderOf(m.Sender).Client):
		return nil, absent
	case err != nil:
		return nil, err
	case m.State == recording.StateRecording:
		return nil, scout.Errorf(scout.CodeUnavailable, "session %s cannot be gone on with at the moment", id)
	}
	return ended(&m), nil
}

func senderOf(s *recording.Sender) recording.Sender {
	if s == nil {
		return recording.Sender{}
	}
	return *s
}

// Stop implements dictate.Sent: it ends a session, and returns when its file is final.
func (s *Sessions) Stop(ctx context.Context, id recording.ID) (record.Stopped, error) {
	one := s.find(id)
	if one == nil {
		m, err := s.options.Folder.Manifest(id)
		return record.Stopped{Manifest: m, Already: true}, err
	}
	one.finish(recording.EndStopped)
	select {
	case <-one.done:
		return record.Stopped{Manifest: one.manifest}, one.failed
	case <-ctx.Done():
		return record.Stopped{}, context.Cause(ctx)
	}
}
