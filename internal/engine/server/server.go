// Package server is the engine process's side of the wire: it loads one model through a backend
// and answers requests until its pipe closes. It links no native code itself.
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
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// Backend runs one loaded model. Transcribe is called from as many goroutines at once as Facts says
// lanes. It obeys its context where the native library lets it; the result belongs to the caller.
type Backend interface {
	// Facts describes the model; Protocol, PID and LoadMS are filled in by the server.
	Facts() wire.Hello
	// Transcribe gets finite samples, at most Facts' MaxFrames of them: the server has refused the rest.
	Transcribe(ctx context.Context, request *wire.Request) (*wire.Result, error)
	Close() error
}

// Opener loads the model that load describes.
type Opener func(ctx context.Context, load wire.Load) (Backend, error)

// Serve reads frames from in and answers on out until in closes, which is the ordinary end and
// returns nil at once, running requests or not: whoever asked is gone. It returns an error when
// loading fails (also told to the parent), when a pipe breaks, or when the parent breaks the
// protocol.
func Serve(ctx context.Context, in io.Reader, out io.Writer, log *slog.Logger, open Opener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	frames := wire.NewReader(in)
	s := &session{out: wire.NewWriter(out), log: log, running: map[uint64]context.CancelFunc{}}

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

	// The pipe is watched while the model loads: a parent that is gone ends the process.
	next := make(chan frame)
	go readFrames(ctx, frames, next)

	loaded := make(chan loadResult, 1)
	began := time.Now()
	go func() {
		backend, err := openGuarded(ctx, load, open)
		loaded <- loadResult{backend, err}
	}()
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
		}
	}
}

type loadResult struct {
	backend Backend
	err     error
}

// frame is what the reading goroutine hands over: a decoded frame or why there are no more.
type frame struct {
	kind    wire.Kind
	id      uint64
	request *wire.Request
	err     error
}

// readFrames ends after the first error, which it delivers, or with ctx.
func readFrames(ctx context.Context, frames *wire.Reader, next chan<- frame) {
	for {
		var f frame
		raw, err := frames.Next()
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
			return
		}
		if f.err != nil {
			return
		}
	}
}

type session struct {
	out     *wire.Writer
	log     *slog.Logger
	backend Backend
	facts   wire.Hello

	mu      sync.Mutex
	running map[uint64]context.CancelFunc
}

// openGuarded opens the backend; a panic in it is an error.
func openGuarded(ctx context.Context, load wire.Load, open Opener) (backend Backend, err error) {
	err = guard("load", func() (err error) {
		backend, err = open(ctx, load)
		return err
	})
	return backend, err
}

// hello begins the serving part. It is called by the goroutine that handles frames.
func (s *session) hello(backend Backend, loading time.Duration) error {
	hello := backend.Facts()
	hello.Protocol = wire.ProtocolVersion
	hello.PID = os.Getpid()
	hello.SampleRateHz = scout.EngineSampleRateHz
	hello.LoadMS = milliseconds(loading)
	s.backend, s.facts = backend, hello
	if err := s.out.Write(wire.KindHello, 0, wire.AppendJSON(hello)); err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	return nil
}

// handle acts on one frame. It reports done when the session is over.
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
		s.start(ctx, f.id, f.request)
	case wire.KindCancel:
		s.mu.Lock()
		if cancel, ok := s.running[f.id]; ok {
			cancel()
		}
		s.mu.Unlock()
	case wire.KindPing:
		if err := s.out.Write(wire.KindPong, f.id, nil); err != nil {
			return true, fmt.Errorf("answer ping: %w", err)
		}
	default:
		return true, scout.Errorf(scout.CodeEngineProtocol, "frame of kind %d from the parent", f.kind)
	}
	return false, nil
}

// start runs a request in its own goroutine, which ends with the request. The parent never sends
// more than lanes; one that does is refused.
func (s *session) start(ctx context.Context, id uint64, request *wire.Request) {
	var cancel context.CancelFunc
	if request.Options.DeadlineMS > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(request.Options.DeadlineMS)*time.Millisecond)
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	s.mu.Lock()
	_, twice := s.running[id]
	full := len(s.running) >= s.facts.Lanes
	if !twice && !full {
		s.running[id] = cancel
	}
	s.mu.Unlock()
	if twice || full {
		cancel()
		s.answer(id, nil, scout.Errorf(scout.CodeEngineProtocol, "request %d refused: id in use or all %d lanes busy", id, s.facts.Lanes))
		return
	}
	go func() {
		result, err := s.transcribe(ctx, request)
		s.mu.Lock()
		delete(s.running, id) // before the answer: the parent may send the next one at once
		s.mu.Unlock()
		cancel()
		s.answer(id, result, err)
	}()
}

func (s *session) transcribe(ctx context.Context, request *wire.Request) (result *wire.Result, err error) {
	if err := checkSamples(request.Samples, s.facts.MaxFrames); err != nil {
		return nil, err
	}
	began := time.Now()
	err = guard("transcribe", func() (err error) {
		result, err = s.backend.Transcribe(ctx, request)
		return err
	})
	if err != nil {
		return nil, err
	}
	result.DecodeMS = milliseconds(time.Since(began))
	return result, nil
}

// answer sends a result or a failure. A broken pipe is seen by the reader as well and ends Serve.
func (s *session) answer(id uint64, result *wire.Result, err error) {
	if err != nil {
		err = s.fail(id, err)
	} else {
		err = s.out.Write(wire.KindResult, id, wire.AppendJSON(result))
	}
	if err != nil {
		s.log.Error("answer_not_sent", slog.String("error", err.Error()))
	}
}

func (s *session) fail(id uint64, err error) error {
	failure := wire.Failure{Code: scout.CodeOf(err), Message: err.Error()}
	if err := s.out.Write(wire.KindFailure, id, wire.AppendJSON(failure)); err != nil {
		return fmt.Errorf("report failure: %w", err)
	}
	return nil
}

// guard turns a panic into an error of this call; the stack goes to stderr with the error's text.
func guard(doing string, work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = scout.Errorf(scout.CodeInternal, "%s panicked: %v\n%s", doing, p, debug.Stack())
		}
	}()
	return work()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
