package server_test

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testrun.Contain(m)) }

// backend answers with what run returns.
type backend struct {
	slots int
	run   func(ctx context.Context, request *wire.Request) (*wire.Result, error)
}

func (b backend) Facts() wire.Hello { return wire.Hello{MaxFrames: 16000, Slots: b.slots} }
func (b backend) Close() error      { return nil }
func (b backend) Transcribe(ctx context.Context, request *wire.Request) (*wire.Result, error) {
	return b.run(ctx, request)
}

// parent is the other end of a server that runs in this process.
type parent struct {
	t    *testing.T
	out  *wire.Writer
	pipe io.Closer
	in   *wire.Reader
	done chan error
}

func serve(t *testing.T, open server.Opener) *parent {
	t.Helper()
	return serveWith(t, server.Options{Open: open, BeatEvery: time.Hour})
}

func serveWith(t *testing.T, options server.Options) *parent {
	t.Helper()
	requestRead, requestWrite := io.Pipe()
	answerRead, answerWrite := io.Pipe()
	p := &parent{t: t, out: wire.NewWriter(requestWrite), pipe: requestWrite, in: wire.NewReader(answerRead), done: make(chan error, 1)}
	go func() {
		err := server.Serve(context.Background(), requestRead, answerWrite, options)
		_ = answerWrite.Close()
		_ = requestRead.Close()
		p.done <- err
	}()
	t.Cleanup(func() { _ = requestWrite.Close(); _ = answerRead.Close() })
	return p
}

func (p *parent) send(kind wire.Kind, id uint64, body func([]byte) ([]byte, error)) {
	p.t.Helper()
	if err := p.out.Write(kind, id, body); err != nil {
		p.t.Fatal(err)
	}
}

func (p *parent) receive(kind wire.Kind, id uint64) wire.Frame {
	p.t.Helper()
	frame, err := p.in.Next()
	if err != nil || frame.Kind != kind || frame.ID != id {
		p.t.Fatalf("frame of kind %d, id %d, %v: want kind %d, id %d", frame.Kind, frame.ID, err, kind, id)
	}
	return frame
}

func (p *parent) failure(id uint64) scout.Code {
	p.t.Helper()
	failure, err := wire.DecodeJSON[wire.Failure](p.receive(wire.KindFailure, id).Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return failure.Code
}

// ended waits for the server, whatever it ends with.
func (p *parent) ended() error { return <-p.done }

func opener(b server.Backend) server.Opener {
	return func(context.Context, wire.Load) (server.Backend, error) { return b, nil }
}

func samples(n int, value float32) func([]byte) ([]byte, error) {
	r := wire.Request{Samples: make([]float32, n)}
	if n > 0 {
		r.Samples[n-1] = value
	}
	return wire.AppendRequest(&r)
}

func TestRequestsAreAnsweredOrRefused(t *testing.T) {
	t.Parallel()
	p := serve(t, opener(backend{slots: 1, run: func(_ context.Context, r *wire.Request) (*wire.Result, error) {
		switch len(r.Samples) {
		case 1:
			panic("boom")
		case 2:
			return nil, errors.New("no code")
		case 3:
			return nil, nil
		}
		return &wire.Result{Text: "fine"}, nil
	}}))
	p.send(wire.KindLoad, 0, wire.AppendJSON(wire.Load{}))
	p.receive(wire.KindHello, 0)
	for _, c := range []struct {
		body func([]byte) ([]byte, error)
		code scout.Code
	}{
		{samples(16001, 0), scout.CodeAudioTooLong},
		{samples(100, float32(math.NaN())), scout.CodeAudioInvalidSamples},
		{samples(100, float32(math.Inf(-1))), scout.CodeAudioInvalidSamples},
		{samples(1, 0), scout.CodeInternal},
		{samples(2, 0), scout.CodeInternal},
		{samples(3, 0), scout.CodeInternal},
	} {
		p.send(wire.KindRequest, 5, c.body)
		if code := p.failure(5); code != c.code {
			t.Errorf("code %s: want %s", code, c.code)
		}
	}
	p.send(wire.KindRequest, 6, samples(0, 0))
	p.receive(wire.KindResult, 6)
	_ = p.pipe.Close()
	if err := <-p.done; err != nil {
		t.Fatalf("closed pipe: %v", err)
	}
}

func TestCancelReachesTheBackend(t *testing.T) {
	t.Parallel()
	p := serve(t, opener(backend{slots: 2, run: func(ctx context.Context, _ *wire.Request) (*wire.Result, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}))
	p.send(wire.KindLoad, 0, wire.AppendJSON(wire.Load{}))
	p.receive(wire.KindHello, 0)
	p.send(wire.KindRequest, 1, samples(1, 0))
	p.send(wire.KindRequest, 2, samples(1, 0))
	p.send(wire.KindRequest, 3, samples(1, 0))
	if code := p.failure(3); code != scout.CodeEngineProtocol {
		t.Fatalf("third request in two slots: %s", code)
	}
	p.send(wire.KindCancel, 2, nil)
	if code := p.failure(2); code != scout.CodeCancelled {
		t.Fatalf("cancelled request: %s", code)
	}
	p.send(wire.KindCancel, 99, nil)
	p.send(wire.KindCancel, 1, nil)
	if code := p.failure(1); code != scout.CodeCancelled {
		t.Fatalf("cancelled request: %s", code)
	}
	_ = p.pipe.Close()
	_ = p.ended()
}

func TestLoading(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _ wire.Load) (server.Backend, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	t.Run("failure is told and ends the process", func(t *testing.T) {
		t.Parallel()
		p := serve(t, func(context.Context, wire.Load) (server.Backend, error) {
			return nil, scout.Errorf(scout.CodeModelCorrupt, "bad")
		})
		p.send(wire.KindLoad, 0, wire.AppendJSON(wire.Load{}))
		if code := p.failure(0); code != scout.CodeModelCorrupt {
			t.Fatal(code)
		}
		if err := <-p.done; scout.CodeOf(err) != scout.CodeModelCorrupt {
			t.Fatal(err)
		}
	})
	t.Run("panic is a failure", func(t *testing.T) {
		t.Parallel()
		p := serve(t, func(context.Context, wire.Load) (server.Backend, error) { panic("boom") })
		p.send(wire.KindLoad, 0, wire.AppendJSON(wire.Load{}))
		if code := p.failure(0); code != scout.CodeInternal {
			t.Fatal(code)
		}
		_ = p.ended()
	})
	t.Run("parent gone while loading", func(t *testing.T) {
		t.Parallel()
		p := serve(t, hang)
		p.send(wire.KindLoad, 0, wire.AppendJSON(wire.Load{}))
		_ = p.pipe.Close()
		if err := <-p.done; err != nil {
			t.Fatal(err)
		}
	})
	t.Run("request while loading", func(t *testing.T) {
		t.Parallel()
		p := serve(t, hang)
		p.send(wire.KindLoad, 0, wire.AppendJSON(wire.Load{}))
		p.send(wire.KindRequest, 1, samples(1, 0))
		if err := <-p.done; scout.CodeOf(err) != scout.CodeEngineProtocol {
			t.Fatal(err)
		}
	})
	for name, kind := range map[string]wire.Kind{"request first": wire.KindRequest, "hello from the parent": wire.KindHello} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, hang)
			p.send(kind, 1, samples(1, 0))
			if err := <-p.done; scout.CodeOf(err) != scout.CodeEngineProtocol {
				t.Fatal(err)
			}
		})
	}
	t.Run("nobody says anything", func(t *testing.T) {
		t.Parallel()
		p := serve(t, hang)
		_ = p.pipe.Close()
		if err := <-p.done; err != nil {
			t.Fatal(err)
		}
	})
}
