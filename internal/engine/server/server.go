// Package server is the engine process's side of the wire: it loads one model through a backend and answers requests
// until its pipe closes. It links no native code.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// Backend runs one loaded model. Transcribe is called by as many goroutines at once as Facts has slots. It obeys its
// context if the native library allows it. The result belongs to the caller.
type Backend interface {
	// Facts describes the model; Protocol, PID and LoadMS are filled in by the server.
	Facts() wire.Hello
	// Transcribe gets finite samples, at most MaxFrames of Facts: the server has refused all others.
	Transcribe(ctx context.Context, request *wire.Request) (*wire.Result, error)
	Close() error
}

// Opener loads the model that load describes.
type Opener func(ctx context.Context, load wire.Load) (Backend, error)

// Options say how Serve works.
type Options struct {
	// Log receives what cannot be reported to the parent; it may be nil.
	Log *slog.Logger
	// Open loads the model.
	Open Opener
	// BeatEvery is the pause between two beats while the model loads or a request runs; default 500 ms.
	BeatEvery time.Duration
	// Fault, if set, is called by every goroutine of the server at each of its steps, with the goroutine's name (see
	// Goroutines). Tests use it to make the goroutine fail, panic or hang.
	Fault func(goroutine string) error
}

// The goroutines of a server.
const (
	goroutineReader  = "reader"  // reads frames from the parent
	goroutineLoader  = "loader"  // loads the model, then ends
	goroutineBeat    = "beat"    // reports the progress of requests
	goroutineRequest = "request" // one for each request: decodes, then answers
)

// Goroutines returns the names that Options.Fault is called with.
func Goroutines() []string {
	return []string{goroutineReader, goroutineLoader, goroutineBeat, goroutineRequest}
}

const defaultBeat = 500 * time.Millisecond

// Serve reads frames from in and answers on out until in closes. That is the normal end: Serve returns nil at once,
// even if requests are running, because their callers are gone. It returns an error if loading fails (also reported to
// the parent), if a pipe breaks, if the parent breaks the protocol, or if one of its goroutines panics (also reported).
func Serve(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.BeatEvery <= 0 {
		o.BeatEvery = defaultBeat
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	frames := wire.NewReader(in)
	s := &session{out: wire.NewWriter(out), options: o, running: map[uint64]*running{}, broken: make(chan error, 1), active: make(chan struct{}, 1)}

	first, err := frames.Next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read first frame: %w", err)
	}
	if first.Kind != wire.KindLoad {
		return scout.Errorf(scout.CodeEngineProtocol, "first frame is of kind %d: want load", first.Kind)
	}
	load, err := wire.DecodeJSON[wire.Load](first.Body)
	if err != nil {
		return err
	}

	// The pipe is watched while the model loads: if the parent is gone, the process ends.
	next := make(chan frame)
	s.start(goroutineReader, func() error { return s.readFrames(ctx, frames, next) })
	s.start(goroutineBeat, func() error { return s.beat(ctx) })
	loaded := make(chan loadResult, 1)
	began := time.Now()
	s.start(goroutineLoader, func() error {
		var result loadResult
		if result.err = s.fault(goroutineLoader); result.err == nil {
			result.err = onThread(load.Background, func(int) {}, func() error {
				return guard("load", func() (err error) {
					result.backend, err = o.Open(ctx, load)
					return err
				})
			})
		}
		loaded <- result
		return nil
	})
	for {
		select {
		case l := <-loaded:
			if l.err != nil {
				return errors.Join(l.err, s.fail(0, l.err))
			}
			if err := s.hello(l.backend, time.Since(began)); err != nil {
				return err
			}
		case f := <-next:
			if done, err := s.handle(ctx, f); done {
				return err
			}
		case err := <-s.broken:
			return errors.Join(err, s.fail(0, err))
		}
	}
}

type loadResult struct {
	backend Backend
	err     error
}

// frame is what the reading goroutine delivers: a decoded frame, or the reason why there are no more.
type frame struct {
	kind    wire.Kind
	id      uint64
	request *wire.Request
	err     error
}

// readFrames ends after the first error, which it delivers, or with ctx.
func (s *session) readFrames(ctx context.Context, frames *wire.Reader, next chan<- frame) error {
	for {
		var f frame
		raw, err := frames.Next()
		if err == nil {
			err = s.fault(goroutineReader)
		}
		switch {
		case err != nil:
			f.err = err
		case raw.Kind == wire.KindRequest:
			f.request, f.err = wire.DecodeRequest(raw.Body)
		}
		f.kind, f.id = raw.Kind, raw.ID
		select {
		case next <- f:
		case <-ctx.Done():
			return nil
		}
		if f.err != nil {
			return nil //nolint:nilerr // the receiver of the frame reports it
		}
	}
}

// session is one call of Serve.
type session struct {
	out     *wire.Writer
	options Options
	broken  chan error    // gets the first failure of a goroutine that the process needs
	active  chan struct{} // tells the beat that there is something to report
	backend Backend       // set by the goroutine that handles frames
	facts   wire.Hello

	mu      sync.Mutex
	running map[uint64]*running
	ready   bool
}

// running is a request that is being decoded.
type running struct {
	cancel context.CancelFunc
	step   wire.Step
	thread atomic.Pointer[threadOf] // nil before it began
}

// on records the thread that decodes the request.
func (r *running) on(tid int) {
	r.thread.Store(&threadOf{tid, timesOf(tid)})
}

// told is what a beat says of the request.
func (r *running) told(id uint64) wire.Running {
	phase, tokens := r.step.Now()
	t := wire.Running{ID: id, Phase: phase, Tokens: tokens}
	if thread := r.thread.Load(); thread != nil {
		now := timesOf(thread.id)
		t.Thread = thread.id
		t.RanMS = max(now.ran-thread.before.ran, 0).Milliseconds()
		t.QueuedMS = max(now.queued-thread.before.queued, 0).Milliseconds()
	}
	return t
}

// threadOf is the thread that decodes a request, and what it had done before.
type threadOf struct {
	id     int
	before times
}

// times of a thread on a processor, and waiting for one.
type times struct{ ran, queued time.Duration }

// start runs a goroutine of the session, which ends with Serve's context or the request. A failure or a panic in it
// ends the session.
func (s *session) start(name string, work func() error) {
	go func() {
		if err := guard(name, work); err != nil {
			select {
			case s.broken <- err:
			default: // the first failure ends the session
			}
		}
	}()
}

// fault is where tests break a goroutine.
func (s *session) fault(goroutine string) error {
	if s.options.Fault == nil {
		return nil
	}
	return s.options.Fault(goroutine)
}

// hello begins the serving part. It is called by the goroutine that handles frames.
func (s *session) hello(backend Backend, loading time.Duration) error {
	hello := backend.Facts()
	hello.Protocol = wire.ProtocolVersion
	hello.PID = os.Getpid()
	hello.SampleRateHz = scout.EngineSampleRateHz
	hello.LoadMS = milliseconds(loading)
	s.backend, s.facts = backend, hello
	s.mu.Lock()
	s.ready = true
	s.mu.Unlock()
	if err := s.out.Write(wire.KindHello, 0, wire.AppendJSON(hello)); err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	return nil
}

// handle acts on one frame. done is true when the session is over.
func (s *session) handle(ctx context.Context, f frame) (done bool, err error) {
	if errors.Is(f.err, io.EOF) {
		return true, nil
	}
	if f.err != nil {
		return true, f.err
	}
	switch f.kind {
	case wire.KindRequest:
		if s.backend == nil {
			return true, scout.Errorf(scout.CodeEngineProtocol, "request before hello")
		}
		s.accept(ctx, f.id, f.request)
	case wire.KindCancel:
		s.mu.Lock()
		if r, ok := s.running[f.id]; ok {
			r.cancel()
		}
		s.mu.Unlock()
	default:
		return true, scout.Errorf(scout.CodeEngineProtocol, "frame of kind %d from the parent", f.kind)
	}
	return false, nil
}

// accept runs a request in its own goroutine, which ends with the request. The parent never sends more requests than
// slots; a surplus one is refused.
func (s *session) accept(ctx context.Context, id uint64, request *wire.Request) {
	ctx, cancel := context.WithCancel(ctx)
	r := &running{cancel: cancel}
	request.Step = &r.step
	s.mu.Lock()
	_, twice := s.running[id]
	full := len(s.running) >= s.facts.Slots
	if !twice && !full {
		s.running[id] = r
		select {
		case s.active <- struct{}{}:
		default:
		}
	}
	s.mu.Unlock()
	if twice || full {
		cancel()
		s.answer(id, nil, scout.Errorf(scout.CodeEngineProtocol, "request %d refused: id in use or all %d slots busy", id, s.facts.Slots))
		return
	}
	s.start(goroutineRequest, func() error {
		result, err := s.transcribe(ctx, r, request)
		s.mu.Lock()
		delete(s.running, id) // before the answer: the parent may send the next one at once
		s.mu.Unlock()
		cancel()
		if err != nil && request.Options.Traceparent != "" {
			s.options.Log.Warn(eventRequestFailed, slog.String("traceparent", request.Options.Traceparent), slog.String("error", err.Error()))
		}
		s.answer(id, result, err)
		return nil
	})
}

// transcribe decodes a request. A request that nobody waits for runs on its own thread at the lowest priority.
func (s *session) transcribe(ctx context.Context, r *running, request *wire.Request) (result *wire.Result, err error) {
	if err := checkSamples(request.Samples, s.facts.MaxFrames); err != nil {
		return nil, err
	}
	began := time.Now()
	decode := func() error {
		return guard("transcribe", func() (err error) {
			if err := s.fault(goroutineRequest); err != nil {
				return err
			}
			result, err = s.backend.Transcribe(ctx, request)
			return err
		})
	}
	if err := onThread(request.Options.Background, r.on, decode); err != nil {
		return nil, err
	}
	if result == nil {
		return nil, scout.Errorf(scout.CodeInternal, "the backend gave neither a result nor an error")
	}
	result.DecodeMS = milliseconds(time.Since(began))
	return result, nil
}

// beat reports to the parent at regular intervals that the process is alive and how far its requests are, while the
// model loads or requests run. An idle process sends nothing and does not wake up.
func (s *session) beat(ctx context.Context) error {
	tick := time.NewTicker(s.options.BeatEvery)
	defer tick.Stop()
	for {
		if err := s.fault(goroutineBeat); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s.mu.Lock()
		beat := wire.Beat{Loading: !s.ready}
		for id, r := range s.running {
			beat.Requests = append(beat.Requests, r.told(id))
		}
		s.mu.Unlock()
		if !beat.Loading && len(beat.Requests) == 0 {
			tick.Stop()
			select {
			case <-ctx.Done():
				return nil
			case <-s.active:
			}
			tick.Reset(s.options.BeatEvery)
			continue
		}
		beat.CPUMS = processorTime().Milliseconds()
		if err := s.out.Write(wire.KindBeat, 0, wire.AppendJSON(beat)); err != nil {
			return fmt.Errorf("send beat: %w", err)
		}
	}
}

// answer sends a result or a failure. The reader also notices a broken pipe, and ends Serve.
func (s *session) answer(id uint64, result *wire.Result, err error) {
	if err != nil {
		err = s.fail(id, err)
	} else {
		err = s.out.Write(wire.KindResult, id, wire.AppendJSON(result))
	}
	if err != nil {
		s.options.Log.Error(eventAnswerNotSent, slog.String("error", err.Error()))
	}
}

func (s *session) fail(id uint64, err error) error {
	var panicked *panicError
	failure := wire.Failure{Code: scout.CodeOf(err), Message: scout.Plain(err), Panicked: errors.As(err, &panicked)}
	if err := s.out.Write(wire.KindFailure, id, wire.AppendJSON(failure)); err != nil {
		return fmt.Errorf("report failure: %w", err)
	}
	return nil
}

// panicError is the error made from a panic.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("%v\n%s", e.value, e.stack) }

// guard turns a panic into an error of this call, with the stack in its text.
func guard(doing string, work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = scout.Errorf(scout.CodeInternal, "%s panicked: %w", doing, &panicError{p, debug.Stack()})
		}
	}()
	return work()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
