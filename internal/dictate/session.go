package dictate

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/fanout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/store"
)

// session is one dictation. run drives it; the other methods may be called from any goroutine.
type session struct {
	d       *Dictations
	id      recording.ID
	log     *slog.Logger
	journal *store.Session
	out     *outbox
	replay  uint64 // how many events an earlier process wrote
	kept    kept   // of run, once it has begun
	from    origin
	sent    bool // its frames come from a client, and have no time by the clock

	passing fanout.Hub[event.Event] // partial text
	levels  fanout.Hub[event.Event]

	begun chan struct{} // closed when there is a recording, or will be none

	telling sync.Mutex  // guards told
	told    []scout.Gap // the gaps that were told

	mu        sync.Mutex
	state     string
	started   bool      // begun is closed
	startedAt time.Time // of frame 0 by the wall clock
	missing   error     // why there is no recording
	starting  context.CancelCauseFunc
	live      *speech.Live  // nil before run has one
	second    *second       // nil before run has one, or for none
	at        int64         // position that the stream has reached
	heard     time.Time     // when it reached that; zero before
	stopped   time.Time     // when the stop came; zero before
	limit     int64         // how far the text goes; -1 before the recording ended
	cancelled bool          // somebody wants no text
	calledOff chan struct{} // closed with cancelled
	finish    chan struct{} // closed with the stop or the end of the recording
	words     []scout.Word  // committed
	aside     []scout.SetAside
	newest    uint64       // number of the last committed event, 0 before it
	partial   *event.Event // the newest, nil for none
	concluded bool         // the text is being published: it is too late to cancel
	promised  bool         // final has come before the text was complete
	behind    time.Time    // since when text is owed; zero if none is
	owed      speech.LiveOwed
}

// kept is what the next process needs.
type kept struct {
	Request Request `json:"request"`
	// Traceparent is the W3C Trace Context of the request.
	Traceparent string `json:"traceparent,omitempty"`
	// Model and Language are those that the text is made with, empty before the first words.
	Model    string            `json:"model,omitempty"`
	Language string            `json:"language,omitempty"`
	Live     *speech.LiveState `json:"live,omitempty"`
	// Published says that the text is in the store, and a second pass was under way.
	Published bool `json:"published,omitempty"`
}

func newSession(d *Dictations, id recording.ID, journal *store.Session, stream store.Stream) *session {
	s := &session{
		d: d, id: id, journal: journal, replay: stream.Last, limit: -1, begun: make(chan struct{}), finish: make(chan struct{}), calledOff: make(chan struct{}),
		log: d.log.With(slog.String(recording.KeyRecording, string(id))),
	}
	s.from, s.sent = d.originOf(id)
	s.out = newOutbox(journal, stream.Last, s.log)
	s.passing.Dropped = func() { d.metrics.dropped.WithLabelValues(event.Partial).Inc() }
	s.levels.Dropped = func() { d.metrics.dropped.WithLabelValues(event.Level).Inc() }
	return s
}

// traced notes the trace of the request that began the dictation: it goes on in the next process. It is called before run.
func (s *session) traced() {
	if id := observe.Trace(observe.WithTraceparent(context.Background(), s.kept.Traceparent)); id.Key != "" {
		s.log = s.log.With(id)
	}
}

// starts says how to call off the start that is under way.
func (s *session) starts(cancel context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting = cancel
	if s.state == "" {
		s.setState(event.Starting, nil)
	}
}

// recorded says that frames are flowing; nil where the recording was begun by an earlier process.
func (s *session) recorded(started *recording.Started) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return
	}
	s.started = true
	if started != nil {
		s.startedAt = started.StartedAt
	}
	if started != nil && s.stopped.IsZero() && !s.cancelled {
		s.setState(event.Listening, nil)
	}
	close(s.begun)
}

// notRecorded says that there will be no recording.
func (s *session) notRecorded(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return
	}
	s.started, s.missing = true, why
	close(s.begun)
}

// setState tells a new state. The caller holds mu.
func (s *session) setState(state string, problem error) {
	if state == s.state && problem == nil {
		return
	}
	s.state = state
	e := event.Event{Type: event.State, State: state, Error: event.ProblemOf(problem)}
	if level := s.d.degradation(); level > 0 {
		e.Degradation = &level
	}
	s.out.add(e, nil)
}

// tellDegradation tells a listener by how much work is reduced now.
func (s *session) tellDegradation(level int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == event.Listening && s.stopped.IsZero() {
		s.out.add(event.Event{Type: event.State, State: s.state, Degradation: &level}, nil)
	}
	if level > 0 {
		s.second.abandon(doesLess(level))
	}
}

// records reports whether somebody still speaks into it, or is about to.
func (s *session) records() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped.IsZero() && s.limit < 0 && !s.cancelled && s.missing == nil
}

// stop says that the person stopped now: frames that were captured until then belong to the text.
func (s *session) stop(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped.IsZero() {
		return
	}
	s.stopped = now
	s.setState(event.Stopping, nil)
	if s.sent {
		return // frames from before the stop are still on their way: the end of the recording says how far the text goes
	}
	if s.starting != nil && !s.started {
		s.starting(errNotBegun)
	}
	if !s.heard.IsZero() && s.live != nil {
		s.stopLive(s.live, now)
	}
	s.finishing()
}

// stopLive tells the transcription how far the text goes. Where the stream is behind the file, as after a restart, nobody knows yet
// which frame was captured at the moment of the stop, and the end of the recording says how far. The caller holds mu.
func (s *session) stopLive(live *speech.Live, now time.Time) {
	if written := s.written(); written <= s.at+canonical(latency) {
		at := max(s.position(now), written) // what is in the file was said before, whatever the clock says
		live.Stop(at)
		s.second.stopped(at)
	}
}

// written is how many frames the file of the recording has, 0 if that cannot be told.
func (s *session) written() int64 {
	audio, err := s.from.folder.OpenAudio(s.id)
	if err != nil {
		return 0
	}
	defer audio.Close() //nolint:errcheck // it was only read
	frames, err := audio.Frames()
	if err != nil {
		return 0
	}
	return canonicalPosition(frames, audio.Format().SampleRateHz)
}

// latency is the most time that a frame may take from the microphone to here.
const latency = 200 * time.Millisecond

// position is that of the frame that was captured at a moment; it may come later. The wall clock tells it, as long as that agrees
// with how long ago the newest frame came: it may have been set. The caller holds mu.
func (s *session) position(now time.Time) int64 {
	least := s.at + canonical(now.Sub(s.heard))
	most := least + canonical(latency)
	if s.startedAt.IsZero() {
		return most
	}
	return min(max(canonical(now.Round(0).Sub(s.startedAt)), least), most)
}

// canonical is a length in frames at 16 kHz.
func canonical(d time.Duration) int64 { return int64(d.Seconds() * scout.EngineSampleRateHz) }

// finishing wakes run. The caller holds mu.
func (s *session) finishing() {
	select {
	case <-s.finish:
	default:
		close(s.finish)
	}
}

// ended says that the recording is complete.
func (s *session) ended(m *recording.Manifest) {
	s.endedAt(canonicalFrames(m))
}

func (s *session) endedAt(frames int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit >= 0 {
		return
	}
	s.limit = frames
	if s.stopped.IsZero() {
		s.stopped = time.Now()
	}
	if s.state != event.Finishing && !s.cancelled && !s.concluded { // its text may be there before the file is complete
		s.setState(event.Finishing, nil)
	}
	if s.live != nil {
		s.live.End(frames)
	}
	s.second.ended(frames)
	s.finishing()
}

// cancel ends the session without text.
func (s *session) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.concluded {
		s.second.abandon(errCancelled)
		return
	}
	if !s.cancelled {
		s.cancelled = true
		close(s.calledOff)
	}
	if s.starting != nil && !s.started {
		s.starting(errNotBegun)
	}
}

// concludes says that the text is going to be published; false if somebody wants none.
func (s *session) concludes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.concluded = !s.cancelled
	return s.concluded
}

// isConcluded reports whether the text is being published, or is.
func (s *session) isConcluded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.concluded
}

// happened acts on an event of the recorder.
func (s *session) happened(e recording.Event) {
	switch e.Kind {
	case recording.KindStopped:
		if e.Manifest != nil && e.Manifest.State != recording.StateRecording {
			s.ended(e.Manifest)
		}
	case recording.KindGap:
		if e.Gap != nil {
			s.gap(e.Gap)
		}
	case recording.KindCondition:
		s.out.add(event.Event{Type: event.Trouble, Error: event.ProblemOf(troubleOf(e))}, nil)
	case recording.KindDeviceLost:
		s.flowing(false, scout.Errorf(scout.CodeDeviceLost, "no sound arrives from the microphone: %s", strings.ReplaceAll(string(e.Reason), "_", " ")))
	case recording.KindDeviceOpened, recording.KindDeviceChanged:
		s.flowing(true, nil)
	}
}

// troubleOf is why the disk does not take the recording, nil if it does.
func troubleOf(e recording.Event) error {
	if e.Condition == recording.ConditionOK {
		return nil
	}
	code := scout.Code(e.Condition)
	if !code.Known() {
		code = scout.CodeWriteFailed
	}
	return scout.Errorf(code, "%s", recording.Trouble{Condition: e.Condition, Operation: e.Operation, For: e.For}.Text())
}

// gap tells what is missing in the recording, once.
func (s *session) gap(g *scout.Gap) {
	s.telling.Lock()
	defer s.telling.Unlock()
	if covered(s.told, *g) {
		return
	}
	s.told = append(s.told, *g)
	start := uint64(g.Start)
	e := event.Event{Type: event.Gap, StartFrame: &start, Frames: g.Frames, Reason: string(g.Reason)}
	if m, err := s.from.folder.Manifest(s.id); err == nil { // where not, the frames say it to whoever knows the rate
		e.Start, e.End = event.Seconds(m.Format.Duration(start)), event.Seconds(m.Format.Duration(start+g.Frames))
	}
	s.out.add(e, nil)
}

// flowing tells whether sound arrives.
func (s *session) flowing(flows bool, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != event.Listening && s.state != event.Starting {
		return
	}
	if flows {
		s.setState(event.Listening, nil)
	} else {
		s.setState(event.Starting, why)
	}
}

// run makes text of the recording. It returns nil when the session has ended in the journal, and the cause of ctx if that ends
// before: the next process continues.
func (s *session) run(ctx context.Context) (err error) {
	ctx, span := s.d.options.Scope.Tracer().Start(observe.WithTraceparent(ctx, s.kept.Traceparent), "dictation")
	defer func() { observe.EndSpan(span, err) }()
	group, ctx := errgroup.WithContext(ctx)
	s.keep(nil)
	group.Go(func() error { return s.out.run(ctx) })
	group.Go(func() error {
		return s.d.options.Failures.Guard("dictate", func() error {
			err := s.transcribe(ctx)
			if ctx.Err() != nil && !s.isCancelled() {
				return context.Cause(ctx) // the next process continues
			}
			if err != nil {
				s.fail(err)
			}
			return nil
		})
	})
	return group.Wait()
}

func (s *session) isCancelled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cancelled
}

// keep saves what the next process needs.
func (s *session) keep(state *speech.LiveState) {
	if state != nil {
		s.kept.Live = state
	}
	if data, err := json.Marshal(s.kept); err == nil { // it always is: see kept
		s.out.save(data)
	}
}

// fail ends the session without a complete text. The recording goes on.
func (s *session) fail(why error) {
	switch {
	case s.missing != nil && scout.ClassOf(why) == scout.Cancelled:
		why = errNotBegun
	case s.isCancelled():
		why = errCancelled.WithHint("the audio is kept: scout recordings show %s", s.id)
	}
	s.out.end(func(store.Tx) ([]event.Event, error) {
		return []event.Event{{Type: event.State, State: event.Failed, Error: event.ProblemOf(why)}}, nil
	})
	outcome := "failed"
	if scout.ClassOf(why) == scout.Cancelled {
		outcome = "cancelled"
		s.log.Info(eventCancelled)
	} else {
		s.log.Warn(eventFailed, slog.String(observe.KeyCode, string(scout.CodeOf(why))), slog.String(observe.KeyError, scout.Plain(why)))
	}
	s.d.metrics.dictations.WithLabelValues(outcome).Inc()
}

// over is called when run has returned.
func (s *session) over(err error) {
	s.passing.Close()
	s.levels.Close()
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Warn(eventBrokenOff, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
	}
}
