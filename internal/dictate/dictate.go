// Package dictate is the use case of live text: a recording in progress becomes words while it is spoken.
//
// A dictation is a recording and a session. The recording is another process and needs nobody. The session follows it, gives its
// sound to speech.Live, and writes what comes of it into the journal of the store: a committed word is on the disk before a client
// sees it. Nobody needs the client that began a dictation. If this process ends, the next one continues: the journal has the words
// and where to go on, the recording has the sound.
package dictate

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/store"
)

// Recorder makes recordings; record.Recorder is one.
type Recorder interface {
	Status(ctx context.Context) (recording.Status, error)
	Start(ctx context.Context, order recording.Order, begins func(recording.ID)) (recording.Started, error)
	Stop(ctx context.Context, id recording.ID) (record.Stopped, error)
	Folder() *recording.Folder
}

// Recognizer is a model that turns speech into text.
type Recognizer struct {
	// Model is its id.
	Model  string
	Engine Engine
	// Language returns the code of a language that the model knows, empty for one that it finds by itself;
	// scout.CodeModelLanguage if it does not know it.
	Language func(asked string) (code string, err error)
	// Trait is what is special about the model.
	Trait speech.Trait
}

// Engine runs a model; *engine.Engine is one.
type Engine interface {
	speech.Recognizer
	// Load loads the model ahead of the first request.
	Load(ctx context.Context) (engine.Facts, error)
}

// Options are what dictations need.
type Options struct {
	Scope    observe.Scope
	Failures *observe.Failures
	Recorder Recorder
	// Live is where frames come from while they are recorded.
	Live recording.Live
	// Sent is the sound that clients send while it is made; nil for none.
	Sent  Sent
	Store store.Store
	// See makes the store know a recording.
	See func(ctx context.Context, id string) error
	// Borrow returns a recognizer of a model. For an empty id it is the fast one, or one that knows the language as asked for, if
	// such a model is installed; see Engines.BorrowFor in package recognize.
	Borrow func(ctx context.Context, model, asked string) (r Recognizer, release func(), err error)
	// BorrowAccurate returns the model for the second pass over a dictation that a fast model writes. ErrNoSecondPass says that none is
	// wanted; another error says why there is none. nil for no second passes.
	BorrowAccurate func(ctx context.Context, fast, asked string) (r Accurate, release func(), err error)
	// Hold keeps others from making the text of a recording until release is called; nil if there are none.
	Hold func(id recording.ID) (release func())
	// Begin is called when a dictation is open, and what it returns when it is not any more; nil for nobody.
	Begin func() (end func())
	// Ease is asked by how much live text is to be reduced; nil for not at all.
	Ease func() speech.Ease
	// Degradation is the level of that, from 0; nil for 0.
	Degradation func() int
	// Language is spoken where a request names none: a code or auto.
	Language string
}

// Request is what a client wants of a dictation. It is kept with it.
type Request struct {
	// Language is a code, a name, or auto; empty for Options.Language.
	Language string `json:"language,omitempty"`
	// Model is the id of a model, empty for the default one.
	Model string `json:"model,omitempty"`
	// HotWords are preferred by the model.
	HotWords []string `json:"hot_words,omitempty"`
}

// Dictations are the dictations of a daemon. Its methods may be called from any goroutine.
type Dictations struct {
	options Options
	log     *slog.Logger
	metrics *metrics

	toggling sync.Mutex // one toggle at a time

	mu       sync.Mutex
	living   context.Context // of the sessions; nil before Run
	open     map[recording.ID]*session
	newest   *session // of open: the one of a microphone that began last
	running  sync.WaitGroup
	waiting  chan struct{} // closed when Run has begun
	resumed  chan struct{} // closed when what an earlier process left is open again
	stopping bool

	secondErr error // why the last second pass failed; nil if it did not

	left []store.Stream          // what an earlier process left; of Open and Run
	held map[recording.ID]func() // of left
}

// New returns dictations. Run serves them.
func New(o Options) *Dictations {
	scope := o.Scope.Component("dictate")
	o.Scope = scope
	return &Dictations{options: o, log: scope.Log(), metrics: newMetrics(scope), open: make(map[recording.ID]*session), waiting: make(chan struct{}), resumed: make(chan struct{}), held: make(map[recording.ID]func())}
}

// Open finds what an earlier process left open, for Run to continue.
func (d *Dictations) Open(ctx context.Context) {
	streams, err := d.options.Store.LiveSessions(ctx)
	if err != nil {
		d.log.Warn(eventNotResumed, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
		return
	}
	d.left = streams
	for _, stream := range streams {
		d.held[recording.ID(store.LiveRecording(stream.Name))] = d.hold(recording.ID(store.LiveRecording(stream.Name)))
	}
}

// hold keeps others from making the text of a recording.
func (d *Dictations) hold(id recording.ID) (release func()) {
	if d.options.Hold == nil {
		return func() {}
	}
	return d.options.Hold(id)
}

// Run continues the dictations that an earlier process left open, and serves all of them until ctx ends. Those that are open then
// are continued by the next process.
func (d *Dictations) Run(ctx context.Context) error {
	d.mu.Lock()
	d.living = ctx
	close(d.waiting)
	d.mu.Unlock()
	d.resume(ctx)
	close(d.resumed)
	<-ctx.Done()
	d.mu.Lock()
	d.stopping = true
	d.mu.Unlock()
	d.running.Wait()
	return nil
}

// resume continues what an earlier process left.
func (d *Dictations) resume(ctx context.Context) {
	for _, stream := range d.left {
		id := recording.ID(store.LiveRecording(stream.Name))
		s, err := d.begin(ctx, id, nil)
		d.held[id]() // the session holds it now
		if err != nil {
			d.log.Warn(eventNotResumed, slog.String(recording.KeyRecording, string(id)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
			continue
		}
		s.log.Info(eventResumed, slog.Uint64("events", stream.Last))
		s.recorded(nil)
	}
}

// begin opens the session of a recording and runs it in the background.
//
//	request  of a new one; nil for one that an earlier process began
func (d *Dictations) begin(ctx context.Context, id recording.ID, request *Request) (*session, error) {
	select { // a client may be quicker than Run
	case <-d.waiting:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	journal, stream, err := store.OpenSession(ctx, d.options.Store, string(id))
	if err != nil {
		return nil, err
	}
	s := newSession(d, id, journal, stream)
	if request != nil {
		s.kept.Request, s.kept.Traceparent = *request, observe.Traceparent(ctx)
	} else if len(stream.Checkpoint) > 0 {
		if err := json.Unmarshal(stream.Checkpoint, &s.kept); err != nil {
			return nil, scout.Errorf(scout.CodeStoreCorrupt, "continue dictation %s: %w", id, err)
		}
	}
	s.traced() //nolint:contextcheck // the trace is that of the request, also in a later process
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping {
		return nil, scout.Errorf(scout.CodeUnavailable, "the daemon is stopping")
	}
	if old := d.open[id]; old != nil {
		return old, nil
	}
	d.open[id] = s
	if !s.sent {
		d.newest = s
	}
	d.metrics.open.Set(float64(len(d.open)))
	release := d.hold(id)
	d.running.Go(func() { // ends with the session, or with Run's context; Run waits for it
		if d.options.Begin != nil {
			defer d.options.Begin()()
		}
		defer release()
		defer d.closed(s)
		err := d.options.Failures.Guard("dictate", func() error { return s.run(d.living) })
		s.over(err)
	})
	return s, nil
}

func (d *Dictations) closed(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, s.id)
	if d.newest == s {
		d.newest = nil
	}
	d.metrics.open.Set(float64(len(d.open)))
}

// find returns the session of a recording, or without an id that one that is recorded; nil if there is none.
func (d *Dictations) find(id recording.ID) *session {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id != "" {
		return d.open[id]
	}
	if s := d.newest; s != nil && s.records() {
		return s
	}
	return nil
}

// Check returns why a dictation would give no text: scout.CodeModelNotInstalled, or scout.CodeModelLanguage if no installed model
// knows the language. It loads nothing.
func (d *Dictations) Check(ctx context.Context, request Request) error {
	_, _, release, err := d.recognizer(ctx, request)
	if err == nil {
		release()
	}
	return err
}

// Start begins a recording with live text, and returns when frames are flowing. What keeps the text from coming is told by events,
// and does not keep the recording from beginning.
//
//	begins  told of the id before the recording begins; nil for nobody
func (d *Dictations) Start(ctx context.Context, order recording.Order, request Request, begins func(recording.ID)) (recording.Started, error) {
	started, err := d.options.Recorder.Start(ctx, order, begins)
	if err != nil || started.Already {
		return started, err
	}
	s, err := d.begin(context.WithoutCancel(ctx), started.ID, &request)
	if err != nil {
		d.log.Error(eventFailed, slog.String(recording.KeyRecording, string(started.ID)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
		return started, nil // the recording is what was asked for first: it goes on without live text
	}
	s.recorded(&started)
	return started, nil
}

// Toggled is what a toggle does.
type Toggled struct {
	// State is starting or stopping.
	State string
	ID    recording.ID
}

// Toggle begins a dictation, or stops the one that is recorded. It returns at once; what happens is told by events. Of two calls at
// the same time one begins and the other stops. A recording that is no dictation is not touched: scout.CodeAlreadyRecording.
func (d *Dictations) Toggle(ctx context.Context, order recording.Order, request Request, watch Watch) (Toggled, error) {
	decide := func(what Toggled) Toggled {
		if watch.Decided != nil {
			watch.Decided(what)
		}
		return what
	}
	d.toggling.Lock()
	defer d.toggling.Unlock()
	ctx = context.WithoutCancel(ctx)
	if s := d.find(""); s != nil {
		s.stop(time.Now()) // first of all: what is said from now on is not meant
		what := decide(Toggled{event.Stopping, s.id})
		d.background(func() { _, _ = d.stopRecording(ctx, s) }) // events tell how it ended
		return what, nil
	}
	status, err := d.options.Recorder.Status(ctx)
	if err != nil {
		return Toggled{}, err
	}
	if p := status.Recording; p != nil && !p.Stopping && d.find(p.ID) == nil {
		return Toggled{}, scout.Errorf(scout.CodeAlreadyRecording, "recording %s is in progress, and it is no dictation", p.ID).WithHint("to stop it: scout stop")
	}
	if order.ID == "" {
		order.ID = recording.NewID(time.Now())
	}
	what := decide(Toggled{event.Starting, order.ID})
	s, err := d.begin(ctx, order.ID, &request)
	if err != nil {
		return Toggled{}, err
	}
	starting, cancel := context.WithCancelCause(ctx)
	s.starts(cancel)
	d.background(func() {
		started, err := d.options.Recorder.Start(starting, order, watch.Begins)
		if err != nil {
			s.notRecorded(err)
		} else {
			s.recorded(&started)
			if watch.Begun != nil {
				watch.Begun(started.ID)
			}
		}
		if starting.Err() != nil {
			d.callOff(ctx, order.ID)
		}
	})
	return what, nil
}

// calledOffWithin is how long a recorder may take to begin a recording whose start was called off.
const calledOffWithin = 3 * time.Second

// callOff ends the recording of a start that was called off: the recorder may have the order all the same, and begin a moment later.
func (d *Dictations) callOff(ctx context.Context, id recording.ID) {
	for until := time.Now().Add(calledOffWithin); time.Now().Before(until); {
		if _, err := d.options.Recorder.Stop(ctx, id); err == nil || resilience.Sleep(ctx, firstPause) != nil {
			return
		}
	}
}

// background runs work that Run waits for.
func (d *Dictations) background(work func()) {
	d.running.Go(func() { // ends with a request to the recorder
		_ = d.options.Failures.Guard("dictate", func() error { work(); return nil }) // it was counted
	})
}

// Stopping says that the stop of a dictation was asked for at this moment, or of the one that is recorded if id is empty. Stop follows.
//
//	noText  no text is wanted either
func (d *Dictations) Stopping(id recording.ID, noText bool) {
	s := d.find(id)
	switch {
	case s == nil:
	case noText:
		s.cancel()
	default:
		s.stop(time.Now())
	}
}

// Stop ends the recording with that id, or the one in progress, and returns when its file is final. If it is a dictation, its text
// is being completed then: the event final has it.
func (d *Dictations) Stop(ctx context.Context, id recording.ID) (record.Stopped, error) {
	d.Stopping(id, false)
	if s := d.find(id); s != nil {
		return d.stopRecording(ctx, s)
	}
	stopped, err := d.options.Recorder.Stop(ctx, id)
	if m := stopped.Manifest; m.ID != "" && !stopped.Already {
		if s := d.find(m.ID); s != nil {
			s.ended(&m)
		}
	}
	return stopped, err
}

// Cancel ends a dictation without text, or the one that is recorded if id is empty. Its audio is kept.
func (d *Dictations) Cancel(ctx context.Context, id recording.ID) (record.Stopped, error) {
	s := d.find(id)
	if s == nil || s.isConcluded() {
		if id == "" {
			return record.Stopped{}, scout.Errorf(scout.CodeNotRecording, "no dictation is in progress")
		}
		return record.Stopped{}, scout.Errorf(scout.CodeNotFound, "dictation %s is not in progress", id)
	}
	s.cancel()
	return d.stopRecording(ctx, s)
}

// Discarded says that a recording was thrown away: there will be no text of it.
func (d *Dictations) Discarded(id recording.ID) {
	if s := d.find(id); s != nil {
		s.cancel()
	}
}

func (d *Dictations) stopRecording(ctx context.Context, s *session) (record.Stopped, error) {
	stopped, err := s.from.stop(ctx, s.id)
	if scout.CodeOf(err) == scout.CodeRecordingNotFound || scout.CodeOf(err) == scout.CodeNotRecording { // it had not begun
		s.notRecorded(errNotBegun)
		return stopped, err
	}
	if m := stopped.Manifest; m.ID == s.id {
		s.ended(&m)
	}
	return stopped, err
}

// Happened passes on an event of a recorder.
func (d *Dictations) Happened(e recording.Event) {
	if s := d.find(e.ID); s != nil && e.ID != "" {
		s.happened(e)
	} else if e.ID == "" {
		if s := d.find(""); s != nil {
			s.happened(e)
		}
	}
}

// Listen returns the events of a dictation that are not kept: partial text and, if wanted, levels. A slow listener loses some, and is
// told how many. The newest partial text comes first. It returns nil if the dictation is not open.
func (d *Dictations) Listen(id recording.ID, levels bool) *Listener {
	if s := d.find(id); s != nil && id != "" {
		return s.listen(levels)
	}
	return nil
}

// Health returns the check of dictations: degraded while one of them cannot be written or waits for the engine.
func (d *Dictations) Health() health.Check {
	return health.Check{Name: "dictation", Critical: false, Probe: func(context.Context) health.Result { return d.health() }}
}

func (d *Dictations) health() health.Result {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.open {
		if err := s.out.failing(); err != nil {
			return health.Result{Status: health.Degraded, Reason: "the words of a dictation cannot be saved: " + scout.Plain(err)}
		}
	}
	for _, s := range d.open {
		if reason := s.late(); reason != "" {
			return health.Result{Status: health.Degraded, Reason: reason}
		}
	}
	if err := d.secondErr; err != nil && !leavesOut(err) {
		return health.Result{Status: health.Degraded, Reason: "the last dictation got no second pass: " + scout.Plain(err)}
	}
	return health.Result{Status: health.Healthy}
}

// recognizer returns a recognizer that knows the language of a request, and the code of that language, empty if it finds the language.
// It is never one that writes another language.
func (d *Dictations) recognizer(ctx context.Context, request Request) (Recognizer, string, func(), error) {
	asked := request.Language
	if asked == "" {
		asked = d.options.Language
	}
	r, release, err := d.options.Borrow(ctx, request.Model, asked)
	if err != nil {
		return Recognizer{}, "", nil, err
	}
	code, err := r.Language(asked)
	if err != nil {
		release()
		return Recognizer{}, "", nil, err
	}
	return r, code, release, nil
}

// errCancelled is why a dictation has no text that somebody cancelled.
var errCancelled = scout.Errorf(scout.CodeCancelled, "the dictation was cancelled")

// errNotBegun is why there is neither text nor audio of a dictation that was stopped before sound arrived.
var errNotBegun = scout.Errorf(scout.CodeCancelled, "it was stopped before sound arrived; nothing was recorded")
