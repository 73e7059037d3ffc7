package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

// Model says what the engine loads.
type Model struct {
	ID        string
	Family    string
	Languages []string
	// Files maps roles to absolute paths, as the backend of the family wants them.
	Files map[string]string
	// SizeBytes of all files; the default memory ceiling grows with it.
	SizeBytes int64
}

// Options configures an engine. Zero values mean the defaults beside each field.
type Options struct {
	// Program is the path of scout-engine.
	Program string
	Model   Model
	// Backend is "sherpa" or "moonshine".
	Backend string
	// Profile chooses options of the native runtime; empty means the backend's default.
	Profile string
	// HugePages has the process load the model into huge pages, where the C library and the kernel give them.
	HugePages bool
	// Threads of one inference session; default 1.
	Threads int
	// BatchLanes is how many lanes batch requests may have while no interactive ones come; default all but
	// one. Where they have them all, an interactive request interrupts one, which runs again later.
	BatchLanes int
	// Reserve is how long after an interactive request batch requests leave a lane free for the next; default
	// 10 s.
	Reserve time.Duration
	// LoadTimeout bounds the time from start to hello; default 60 s.
	LoadTimeout time.Duration
	// A request may take RequestBase + RequestFactor times the length of its audio before the process
	// is killed; defaults 10 s and 4.
	RequestBase   time.Duration
	RequestFactor float64
	// IdleUnload ends the process after this long without a request; 0 keeps it.
	IdleUnload time.Duration
	// MemoryCeiling is the resident size in bytes above which the process is replaced between two
	// requests; at twice as much it is killed in the middle of one. Default 512 MiB plus three times
	// the size of the model.
	MemoryCeiling uint64
	// Breaker overrides when repeated failures stop new attempts.
	Breaker resilience.BreakerOptions
}

func (o *Options) setDefaults() {
	if o.Threads <= 0 {
		o.Threads = 1
	}
	if o.Reserve <= 0 {
		o.Reserve = 10 * time.Second // who dictates asks again within a second or two
	}
	if o.LoadTimeout <= 0 {
		o.LoadTimeout = time.Minute
	}
	if o.RequestBase <= 0 {
		o.RequestBase = 10 * time.Second
	}
	if o.RequestFactor <= 0 {
		o.RequestFactor = 4
	}
	if o.MemoryCeiling == 0 {
		o.MemoryCeiling = 512<<20 + 3*uint64(max(o.Model.SizeBytes, 0))
	}
	if o.Breaker.Name == "" {
		o.Breaker.Name = "engine"
	}
	if o.Breaker.OpenError == nil {
		o.Breaker.OpenError = func() error {
			return scout.Errorf(scout.CodeEngineUnavailable, "the engine failed several times in a row and rests: this work is for later")
		}
	}
}

// Request is one piece of audio to transcribe.
type Request struct {
	// Samples is 16 kHz mono in [-1, 1], shape [frames]. It must not change until Transcribe returned
	// and, when its context ended first, not afterwards either: the pipe may still read it.
	Samples []float32
	Class   schedule.Class
	// Words asks for word times where the model gives them.
	Words bool
	// Language is the ISO 639-1 code spoken, empty for the model's default.
	Language string
	// Known is a text already known, as token ids: it is verified in one pass, and decoding goes on from the first
	// token that disagrees. No more of it counts than the audio could hold.
	Known []int32
	// HotWords are words or phrases, at most 1000, favoured where the audio is nearly undecided.
	HotWords []string
}

// Facts are what a loaded model can do.
type Facts struct {
	// Version is that of the engine's program, PID its process.
	Version string
	PID     int
	Backend string
	ModelID string
	Family  string
	// Languages are the ISO 639-1 codes that the model knows, empty where it does not tell.
	Languages []string
	// MaxFrames is the longest request, at 16 kHz.
	MaxFrames int
	// Slots is how many requests run at the same time.
	Slots int
	// LogProbs, WordTimes, Continues and HotWords tell what answers may carry and requests may ask.
	LogProbs, WordTimes, Continues, HotWords bool
	// LoadTime is how long the process took to load the model.
	LoadTime time.Duration
}

func factsOf(h wire.Hello) Facts {
	return Facts{
		Version: h.Version, PID: h.PID, Backend: h.Backend, ModelID: h.ModelID, Family: h.Family, Languages: h.Languages,
		MaxFrames: h.MaxFrames, Slots: h.Lanes, LogProbs: h.LogProbs, WordTimes: h.WordTimes, Continues: h.Continues, HotWords: h.HotWords,
		LoadTime: time.Duration(h.LoadMS * float64(time.Millisecond)),
	}
}

// Engine is one engine process at a time, started when it is needed. It is safe for concurrent use.
type Engine struct {
	scope   observe.Scope
	options Options
	metrics *metrics
	breaker *resilience.Breaker
	lanes   lanes

	mu       sync.Mutex
	current  *child
	starting *start
	facts    Facts // of the last process that said hello
	starts   int
	lastGood time.Time
	lastErr  error
	idle     *time.Timer
	closed   bool

	life       context.Context // ends with Close
	end        context.CancelCauseFunc
	background sync.WaitGroup // calls, cancelled requests that still occupy a lane, starts
}

// start is a process on its way, shared by all who wait for it.
type start struct {
	done  chan struct{}
	child *child
	err   error
}

// New returns an engine that starts nothing until the first request. Close ends it.
func New(scope observe.Scope, options Options) *Engine {
	options.setDefaults()
	scope = scope.Component("engine")
	e := &Engine{
		scope: scope, options: options,
		metrics: newMetrics(scope), breaker: resilience.NewBreaker(scope, options.Breaker),
		lanes: lanes{batch: options.BatchLanes, reserve: options.Reserve},
	}
	e.life, e.end = context.WithCancelCause(context.Background())
	return e
}

// Load starts the process if none runs and returns what the model can do.
func (e *Engine) Load(ctx context.Context) (Facts, error) {
	ctx, leave, err := e.enter(ctx)
	if err != nil {
		return Facts{}, err
	}
	defer leave()
	c, err := e.child(ctx)
	if err != nil {
		return Facts{}, err
	}
	e.armIdle()
	return factsOf(c.hello), nil
}

// Transcribe returns the text of one piece. An attempt that ends with a dead, hung or babbling
// process is repeated once on a fresh one. When the second ends the same way, a self-test decides
// who is to blame: if a fresh process passes it, the audio is, and the error has the code
// scout.CodeAudioSetAside; else the engine is, and the error is transient. After repeated failures
// the breaker refuses at once with scout.CodeEngineUnavailable: later.
func (e *Engine) Transcribe(ctx context.Context, request Request) (result *scout.Hypothesis, err error) {
	ctx, span := e.scope.Tracer().Start(ctx, "engine.transcribe", trace.WithAttributes(
		attribute.Int("frames", len(request.Samples)), attribute.String("priority", request.Class.String())))
	defer func() { observe.EndSpan(span, err) }()
	ctx, leave, err := e.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()

	for again := false; ; again = true {
		result, err = e.transcribeInLane(ctx, &request, again)
		if err == nil || ctx.Err() != nil || !errors.Is(err, errInterrupted) {
			break
		}
		e.metrics.interrupted.Inc()
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// errInterrupted is why a batch request stopped that runs again.
var errInterrupted = scout.Errorf(scout.CodeCancelled, "an interactive request goes first")

// transcribeInLane waits for a lane and transcribes in it. It fails with errInterrupted when an interactive
// request needed the lane.
func (e *Engine) transcribeInLane(ctx context.Context, request *Request, again bool) (result *scout.Hypothesis, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e.metrics.waiting.WithLabelValues(request.Class.String()).Inc()
	turn, err := e.lanes.acquire(ctx, priorityOf(request.Class), again, func() { cancel(errInterrupted) })
	e.metrics.waiting.WithLabelValues(request.Class.String()).Dec()
	if err != nil {
		return nil, fmt.Errorf("wait for the engine: %w", err)
	}
	// The lane is released by the last attempt, which may outlive this call when it is cancelled.
	lane := &lane{release: func() { e.lanes.release(turn); e.armIdle() }}
	defer lane.leave()
	e.disarmIdle()

	began := time.Now()
	err = e.breaker.Do(ctx, func(ctx context.Context) error {
		result, err = e.transcribeTwice(ctx, lane, request)
		return err
	})
	if !errors.Is(err, errInterrupted) {
		e.observe(request.Class, time.Since(began), err)
	}
	return result, err
}

// Quiet waits until no lane is busy and nobody waits for one, or for ctx: a cancelled request keeps its lane
// until the process has let go of it.
func (e *Engine) Quiet(ctx context.Context) error {
	select {
	case <-e.lanes.becomeQuiet():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the engine to be quiet: %w", context.Cause(ctx))
	}
}

var errClosed = scout.Errorf(scout.CodeEngineClosed, "engine is closed")

// enter admits a call unless the engine is closed. Close cancels the returned context and waits
// for leave.
func (e *Engine) enter(ctx context.Context) (context.Context, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ctx, nil, errClosed
	}
	e.background.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(e.life, func() { cancel(errClosed) })
	return ctx, func() {
		unhook()
		cancel(nil)
		e.background.Done()
	}, nil
}

// lane is held by the caller and by attempts that go on after it left; the last one releases it.
type lane struct {
	mu      sync.Mutex
	extra   int
	left    bool
	release func()
}

func (l *lane) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.extra++
}

func (l *lane) drop() {
	l.mu.Lock()
	l.extra--
	last := l.left && l.extra == 0
	l.mu.Unlock()
	if last {
		l.release()
	}
}

func (l *lane) leave() {
	l.mu.Lock()
	l.left = true
	last := l.extra == 0
	l.mu.Unlock()
	if last {
		l.release()
	}
}

// transcribeTwice makes at most two attempts and tells bad audio from a bad engine.
func (e *Engine) transcribeTwice(ctx context.Context, lane *lane, request *Request) (*scout.Hypothesis, error) {
	policy := resilience.Policy{Attempts: 2, Initial: 200 * time.Millisecond, Retryable: processFailed}
	result, err := resilience.Retry(ctx, e.scope, policy, func(ctx context.Context) (*scout.Hypothesis, error) {
		return e.attempt(ctx, lane, request)
	})
	if err == nil || ctx.Err() != nil || !blamesRequest(err) {
		return result, err
	}
	if testErr := e.selfTest(ctx); testErr != nil {
		return nil, errors.Join(err, fmt.Errorf("self-test: %w", testErr))
	}
	return nil, scout.Errorf(scout.CodeAudioSetAside, "%.1f s of audio ended the engine twice: %w",
		float64(len(request.Samples))/scout.EngineSampleRateHz, err)
}

// processFailed is true for failures after which a fresh process may succeed.
func processFailed(err error) bool {
	return blamesRequest(err) || scout.CodeOf(err) == scout.CodeEngineStart || scout.CodeOf(err) == scout.CodeEngineLoadTimeout
}

// blamesRequest is true for ends of a process in the middle of a request.
func blamesRequest(err error) bool {
	switch scout.CodeOf(err) {
	case scout.CodeEngineCrashed, scout.CodeEngineTimeout, scout.CodeEngineProtocol, scout.CodeEngineMemory:
		return true
	}
	return false
}

// memoryCheckEvery is how often the resident size is looked at during a request.
const memoryCheckEvery = 200 * time.Millisecond

// attempt sends the request to the running process, or to a new one, and waits for the answer.
func (e *Engine) attempt(ctx context.Context, lane *lane, request *Request) (*scout.Hypothesis, error) {
	c, err := e.child(ctx)
	if err != nil {
		return nil, err
	}
	limit := e.requestLimit(len(request.Samples))
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	memory := time.NewTicker(memoryCheckEvery)
	defer memory.Stop()
	id, answers := c.send(wire.KindRequest, wire.AppendRequest(&wire.Request{
		Options: wire.RequestOptions{
			Interactive: priorityOf(request.Class) == Interactive, Words: request.Words, Language: request.Language,
			Hypothesis: request.Known, HotWords: request.HotWords,
		},
		Samples: request.Samples,
	}))
	for {
		select {
		case a := <-answers:
			if a.err != nil {
				return nil, a.err
			}
			e.afterAnswer(c)
			return a.result, nil
		case <-memory.C:
			if rss := c.residentBytes(); rss > 2*e.options.MemoryCeiling {
				c.kill(scout.Errorf(scout.CodeEngineMemory, "engine grew to %d MB: limit %d MB", rss>>20, e.options.MemoryCeiling>>19))
			}
		case <-deadline.C:
			c.kill(scout.Errorf(scout.CodeEngineTimeout, "no answer within %s for %.1f s of audio",
				limit, float64(len(request.Samples))/scout.EngineSampleRateHz))
		case <-ctx.Done():
			e.abandon(c, id, answers, lane)
			return nil, fmt.Errorf("transcribe: %w", context.Cause(ctx))
		}
	}
}

// abandonGrace is how long a cancelled request may go on in a process that cannot be interrupted.
const abandonGrace = 10 * time.Second

// abandon cancels a request nobody waits for. Its lane stays taken until the process answers; one
// that does not is killed.
func (e *Engine) abandon(c *child, id uint64, answers <-chan answer, lane *lane) {
	c.cancel(id)
	lane.hold()
	e.background.Go(func() {
		defer lane.drop()
		timer := time.NewTimer(abandonGrace)
		defer timer.Stop()
		select {
		case <-answers:
		case <-timer.C:
			c.kill(scout.Errorf(scout.CodeEngineTimeout, "engine went on %s with a cancelled request", abandonGrace))
			<-answers
		}
	})
}

func (e *Engine) requestLimit(frames int) time.Duration {
	audio := time.Duration(frames) * time.Second / scout.EngineSampleRateHz
	return e.options.RequestBase + time.Duration(e.options.RequestFactor*float64(audio))
}

// afterAnswer measures the process and replaces one that grew over the ceiling.
func (e *Engine) afterAnswer(c *child) {
	rss := c.residentBytes()
	e.metrics.resident.Set(float64(rss))
	if rss <= e.options.MemoryCeiling {
		return
	}
	if !e.detach(c) {
		return
	}
	e.metrics.recycled.Inc()
	e.scope.Log().Warn(observe.EventEngineRecycled, slog.Int64(observe.KeyRSSBytes, int64(rss)), slog.Int(observe.KeyPID, c.hello.PID))
	e.background.Go(c.drain)
}

// detach takes c out of use and is true for the one caller that did.
func (e *Engine) detach(c *child) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != c {
		return false
	}
	e.current = nil
	return true
}

// child returns the running process or starts one. All who come while it starts share the start,
// whose failure is not remembered. The start goes on when the one who caused it gives up.
func (e *Engine) child(ctx context.Context) (*child, error) {
	e.mu.Lock()
	if e.current != nil && e.current.alive() {
		c := e.current
		e.mu.Unlock()
		return c, nil
	}
	s := e.starting
	if s == nil {
		s = &start{done: make(chan struct{})}
		e.starting = s
		e.background.Go(func() { e.run(s) })
	}
	e.mu.Unlock()
	select {
	case <-s.done:
		return s.child, s.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the engine to start: %w", context.Cause(ctx))
	}
}

// run carries out a start and publishes its outcome.
func (e *Engine) run(s *start) {
	began := time.Now()
	s.child, s.err = startChild(e.life, e.scope, &e.options, wire.Load{
		Backend: e.options.Backend, ModelID: e.options.Model.ID, Family: e.options.Model.Family,
		Languages: e.options.Model.Languages, Files: e.options.Model.Files,
		Threads: e.options.Threads, Profile: e.options.Profile,
	})
	took := time.Since(began)
	e.mu.Lock()
	e.starting = nil
	if s.err != nil {
		e.lastErr = s.err
	} else {
		e.current, e.facts = s.child, factsOf(s.child.hello)
		e.starts++
	}
	late := e.closed && s.child != nil
	e.mu.Unlock()
	switch {
	case late:
		s.child.stop()
	case s.err != nil:
		e.metrics.startFailures.WithLabelValues(string(scout.CodeOf(s.err))).Inc()
		e.scope.Log().Warn(observe.EventEngineFailed, slog.String(observe.KeyCode, string(scout.CodeOf(s.err))), slog.String(observe.KeyError, s.err.Error()))
	default:
		e.lanes.resize(s.child.hello.Lanes)
		e.metrics.load.WithLabelValues(e.options.Model.ID).Observe(took.Seconds())
		e.metrics.starts.Inc()
		e.metrics.resident.Set(float64(s.child.residentBytes()))
		e.scope.Log().Info(observe.EventEngineStarted, slog.Int(observe.KeyPID, s.child.hello.PID),
			slog.String(observe.KeyModel, e.options.Model.ID), slog.String("backend", s.child.hello.Backend),
			slog.Int64(observe.KeyDurationMS, took.Milliseconds()), slog.Int64(observe.KeyRSSBytes, int64(s.child.residentBytes())))
	}
	close(s.done)
}

// observe records the outcome of a request.
func (e *Engine) observe(class schedule.Class, took time.Duration, err error) {
	outcome := "ok"
	e.mu.Lock()
	switch {
	case err == nil:
		e.lastGood, e.lastErr = time.Now(), nil
	case scout.ClassOf(err) == scout.Cancelled:
		outcome = "cancelled"
	default:
		outcome = "failed"
		e.lastErr = err
	}
	e.mu.Unlock()
	e.metrics.requests.WithLabelValues(class.String(), outcome).Observe(took.Seconds())
	if outcome == "failed" {
		e.metrics.failures.WithLabelValues(string(scout.CodeOf(err))).Inc()
		e.scope.Log().Warn(observe.EventEngineFailed, slog.String(observe.KeyCode, string(scout.CodeOf(err))),
			slog.String(observe.KeyError, err.Error()), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
	}
}

// Close ends the process and waits for it. Requests that are under way fail with
// scout.CodeEngineClosed. It may be called more than once.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	c := e.current
	e.current = nil
	if e.idle != nil {
		e.idle.Stop()
	}
	e.mu.Unlock()
	e.end(errClosed)
	if c != nil {
		c.stop()
	}
	e.background.Wait()
}
