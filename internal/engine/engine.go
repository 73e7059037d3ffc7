package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/pool"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

// eventRequest is a log event: docs/formats/log-events.md.
const eventRequest = "engine_request"

// The types of package process are also those of the engine.
type (
	// Model is what the engine loads.
	Model = process.Model
	// Facts are the properties of a loaded model.
	Facts = process.Facts
	// Request is one piece of audio to transcribe.
	Request = process.Request
	// Score asks for scores of a known text.
	Score = process.Score
)

// DefaultSlots is how many requests a model runs at once by default: one for a request that somebody waits for, one for
// the rest. A backend that cannot do this says so when it is ready.
const DefaultSlots = 2

// Options configures an engine. Zero values mean the defaults beside each field.
type Options struct {
	// Program is the path of scout-engine.
	Program string
	Model   Model
	// Backend is "sherpa" or "moonshine".
	Backend string
	// Profile chooses options of the native runtime; empty means the backend's default.
	Profile string
	// HugePages makes the process load the model into huge pages, if the C library and the kernel provide them.
	HugePages bool
	// Threads of one inference session; default 1.
	Threads int
	// Slots is how many requests the model runs at the same time; default DefaultSlots.
	Slots int
	// BackgroundSlots is how many of them background work may have while nobody waits; default all but one. If it has
	// all of them, a request that somebody waits for takes one, and the interrupted request runs again later.
	BackgroundSlots int
	// Scheduler assigns the slots of the machine, and Pool keeps the processes, for all models together. If they are
	// nil, the engine makes its own.
	Scheduler *schedule.Scheduler
	Pool      *pool.Pool
	// Reserve is how long the engine's own scheduler leaves a slot free after a request that somebody waits for;
	// default 10 s.
	Reserve time.Duration
	// LoadTimeout bounds the time from starting a process to its model being ready; default 60 s.
	LoadTimeout time.Duration
	// A request may take RequestBase + RequestFactor times the length of its audio before the process is killed;
	// defaults 10 s and 4. A dictation may take DictationBase + its length, because somebody waits for it; default 3 s.
	RequestBase   time.Duration
	RequestFactor float64
	DictationBase time.Duration
	// SuspectAfter is how long a request may make no progress before the engine is unhealthy and its process is looked at
	// closely, and replaced if it hangs; default process.DefaultSuspectAfter.
	SuspectAfter time.Duration
	// IdleUnload ends the process after this long without a request; 0 keeps it.
	IdleUnload time.Duration
	// MemoryCeiling is the resident size in bytes above which the process is replaced between two requests; at twice
	// the size it is killed during a request. Default 512 MiB plus three times the size of the model.
	MemoryCeiling uint64
	// ExpectBytes is the expected memory of the process, for the budget of the pool; default 80 MB and 1.3 times the
	// size of the model.
	ExpectBytes uint64
	// Breaker overrides when repeated failures prevent new attempts.
	Breaker resilience.BreakerOptions
	// Loading, if set, is called when a start begins, with the longest time that it may take. The returned function is
	// called when the start is over. Neither may block.
	Loading func(limit time.Duration) (over func())
	// Changed, if set, is called when a process has loaded the model, and when that process has ended, whatever ended it. It may
	// block.
	Changed func(loaded bool)
	// Failed, if set, is called when a request or a start has failed and the engine is to blame. It may not block.
	Failed func()
	// Fault, if set, is called by every goroutine at each of its steps: see process.Options and pool.GoroutineStart. It
	// is only for tests.
	Fault func(goroutine string) error
}

func (o *Options) setDefaults() {
	if o.Slots <= 0 {
		o.Slots = DefaultSlots
	}
	if o.RequestBase <= 0 {
		o.RequestBase = 10 * time.Second
	}
	if o.RequestFactor <= 0 {
		o.RequestFactor = 4
	}
	if o.DictationBase <= 0 {
		o.DictationBase = 3 * time.Second
	}
	if o.SuspectAfter <= 0 {
		o.SuspectAfter = process.DefaultSuspectAfter
	}
	size := uint64(max(o.Model.SizeBytes, 0))
	if o.MemoryCeiling == 0 {
		o.MemoryCeiling = 512<<20 + 3*size
	}
	if o.ExpectBytes == 0 {
		o.ExpectBytes = ExpectBytes(o.Model.SizeBytes)
	}
	if o.Breaker.Name == "" {
		o.Breaker.Name = "engine"
	}
	if o.Breaker.OpenError == nil {
		o.Breaker.OpenError = func() error {
			return scout.Errorf(scout.CodeEngineUnavailable, "the engine failed several times in a row and is paused: try this later")
		}
	}
}

// ExpectBytes is the memory that a process is expected to need for a model of so many bytes.
func ExpectBytes(model int64) uint64 {
	size := uint64(max(model, 0))
	return 80<<20 + size + size*3/10
}

// Engine is one model that is loaded when it is needed. It is safe for concurrent use.
type Engine struct {
	scope   observe.Scope
	options Options
	breaker *resilience.Breaker
	share   *schedule.Share
	pool    *pool.Pool
	model   *pool.Model
	record  *record
	first   transcriber // of the decorators
	turns   transcriber // without those around it: for self-tests

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
	life   context.Context // ends with Close
	end    context.CancelCauseFunc
}

// New returns an engine that starts nothing until the first request. Close ends it.
func New(scope observe.Scope, o Options) *Engine {
	o.setDefaults()
	scope = scope.Component("engine")
	e := &Engine{scope: scope, options: o, breaker: resilience.NewBreaker(scope, o.Breaker)}
	e.life, e.end = context.WithCancelCause(context.Background())
	scheduler := o.Scheduler
	if scheduler == nil {
		scheduler = schedule.New(scope, schedule.Options{Slots: o.Slots, Background: o.BackgroundSlots, Reserve: o.Reserve})
	}
	e.share = scheduler.Share(o.Slots, o.BackgroundSlots)
	models := o.Pool
	if models == nil {
		e.pool = pool.New(scope, pool.Options{})
		models = e.pool
	}
	e.model = models.Add(pool.Spec{
		Options: process.Options{
			Program: o.Program, Model: o.Model, Backend: o.Backend, Profile: o.Profile, HugePages: o.HugePages,
			Threads: o.Threads, Slots: o.Slots, LoadTimeout: o.LoadTimeout, SuspectAfter: o.SuspectAfter, Fault: o.Fault,
		},
		ExpectBytes: o.ExpectBytes, CeilingBytes: o.MemoryCeiling, IdleUnload: o.IdleUnload, Loading: o.Loading, Changed: o.Changed,
	})
	// From the outside in: each handles one kind of problem and passes on the rest.
	loaded := &loading{model: e.model, share: e.share, next: &limiting{
		base: o.RequestBase, factor: o.RequestFactor, dictation: o.DictationBase, next: &calling{model: e.model, memory: 2 * o.MemoryCeiling},
	}}
	e.turns = &turning{share: e.share, next: loaded}
	e.record = newRecord(scope, o.Failed)
	e.first = &recording{record: e.record, next: &breaking{breaker: e.breaker, next: &retrying{scope: scope, next: e.turns}}}
	return e
}

// Load starts the process if none runs and returns the properties of the model.
func (e *Engine) Load(ctx context.Context) (Facts, error) {
	return e.load(ctx, e.model.Use, func(error) bool { return false })
}

// LoadQuietly is Load for whoever nobody waits for: the model is loaded at the lowest priority of the system. If that takes too long,
// with scout.CodeEngineLoadTimeout, the machine is busy and the engine is not ill.
func (e *Engine) LoadQuietly(ctx context.Context) error {
	_, err := e.load(ctx, e.model.UseQuietly, func(err error) bool { return scout.CodeOf(err) == scout.CodeEngineLoadTimeout })
	return err
}

// load starts the process by use. Errors for which spared is true are not told to Options.Failed.
func (e *Engine) load(ctx context.Context, use func(context.Context) (*process.Process, func(), error), spared func(error) bool) (Facts, error) {
	ctx, leave, err := e.enter(ctx)
	if err != nil {
		return Facts{}, err
	}
	defer leave()
	p, release, err := use(ctx)
	if err != nil {
		if e.options.Failed != nil && scout.ClassOf(err) != scout.Cancelled && !spared(err) {
			e.options.Failed()
		}
		return Facts{}, err
	}
	defer release()
	e.share.Resize(p.Facts().Slots)
	return p.Facts(), nil
}

// Transcribe returns the text of one piece. If the process ends during a request (it crashes, hangs, breaks the
// protocol, grows too large), the request is repeated alone in a fresh process. Only a request that ends a process
// twice while it is alone in it is set aside, with scout.CodeAudioSetAside, and only if a self-test then succeeds.
// Otherwise the engine is to blame, and the error is transient. After repeated failures the breaker refuses at once
// with scout.CodeEngineUnavailable: the work has to wait. If too many requests wait, the error is a
// *schedule.BusyError.
//
// The samples of the request belong to the caller again when Transcribe returns.
func (e *Engine) Transcribe(ctx context.Context, request Request) (h *scout.Hypothesis, err error) {
	ctx, span := e.scope.Tracer().Start(ctx, "engine.transcribe", trace.WithAttributes(
		attribute.Int("frames", len(request.Samples)), attribute.String("priority", request.Class.String())))
	defer func() { observe.EndSpan(span, err) }()
	ctx, leave, err := e.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if log := e.scope.Log(); log.Enabled(ctx, slog.LevelDebug) {
		began := time.Now()
		defer func() {
			log.Debug(eventRequest, observe.Trace(ctx), slog.String("class", request.Class.String()), slog.Int64(observe.KeyAudioMS, request.Audio().Milliseconds()),
				slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()), slog.String(observe.KeyCode, string(scout.CodeOf(err))))
		}()
	}
	h, err = e.first.transcribe(ctx, &attempt{Request: &request, traceparent: traceparent(trace.SpanContextFromContext(ctx))})
	if err == nil && len(h.Again) > 0 && span.IsRecording() {
		reasons := make([]string, len(h.Again))
		for i, reason := range h.Again {
			reasons[i] = string(reason)
		}
		span.SetAttributes(attribute.StringSlice("second_decodes", reasons))
	}
	return h, err
}

// Quiet waits until no request has a slot and none waits for one, or until ctx ends. A cancelled request keeps its slot
// until the process has released it.
func (e *Engine) Quiet(ctx context.Context) error { return e.share.Quiet(ctx) }

// enter admits a call unless the engine is closed. Close cancels the returned context and waits for leave.
func (e *Engine) enter(ctx context.Context) (context.Context, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ctx, nil, pool.ErrClosed
	}
	e.calls.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(e.life, func() { cancel(pool.ErrClosed) })
	return ctx, func() {
		unhook()
		cancel(nil)
		e.calls.Done()
	}, nil
}

// Close ends the process and waits for it. Running requests fail with scout.CodeEngineClosed. It may be called more
// than once.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.end(pool.ErrClosed)
	e.model.Close()
	if e.pool != nil {
		e.pool.Close()
	}
	e.calls.Wait()
}

// State is the state of the engine as seen from outside.
type State struct {
	// Running reports whether a process is loaded; Facts are those of the last one.
	Running       bool
	PID           int
	Facts         Facts
	Starts        int
	ResidentBytes uint64
	// ExpectBytes is the memory that a process of the model needs, as far as it is known before.
	ExpectBytes uint64
	Breaker     string
	// LastGood is when a request last succeeded. LastError is why the last request or start failed, nil if it
	// succeeded.
	LastGood  time.Time
	LastError error
	// Stalled is how long a request has run without progress.
	Stalled time.Duration
	// Loading is when the start of a process began, zero if none is starting.
	Loading time.Time
}

// State returns a snapshot. It has no side effects: no clock, no process, no log.
func (e *Engine) State() State {
	m := e.model.State()
	good, err := e.record.last()
	s := State{
		Facts: m.Facts, Starts: m.Starts, Breaker: e.breaker.State(), ExpectBytes: e.options.ExpectBytes, LastGood: good, LastError: err, Loading: m.Loading,
	}
	if m.LastError != nil && err == nil {
		s.LastError = m.LastError
	}
	if p := m.Process; p != nil {
		s.Running, s.PID, s.ResidentBytes, s.Stalled = true, p.Facts().PID, p.ResidentBytes(), p.Stalled()
	}
	return s
}
