package recorder

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/copies"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
	"github.com/scout-speech/scout/internal/resilience"
)

// Limits of clients.
const (
	// maxClients bounds connections: the page, the daemon, a few terminals.
	maxClients = 64
	// helloWithin is how soon a client must send Hello.
	helloWithin = 5 * time.Second
	// writeWithin is how long one write to a client may take. A client that reads nothing for that long is dropped; it
	// can come back and read what it missed from the file.
	writeWithin = 30 * time.Second
)

// accept serves clients until the listener is closed.
func (r *Recorder) accept(ctx context.Context, listener net.Listener, clients *sync.WaitGroup) {
	slots := make(chan struct{}, maxClients)
	for {
		connection, err := listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
				return
			}
			r.log.Warn(resilience.EventRetry, slog.String(observe.KeyError, err.Error()))
			select { // out of descriptors: closing connections free some
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			_ = connection.Close() // one too many: it gets no answer
			continue
		}
		clients.Go(func() { // ends with its connection, which ctx closes
			defer func() { <-slots }()
			_ = r.failures.Guard("client", func() error { // logged there; the others continue
				r.serve(ctx, connection)
				return nil
			})
		})
	}
}

// client is one connection.
type client struct {
	recorder   *Recorder
	connection net.Conn
	out        *wire.Writer
	log        *slog.Logger
	counted    bool           // among the recorder's clients
	commands   sync.WaitGroup // running starts and stops, and the watch over the end of a stream

	mu    sync.Mutex
	owned map[recording.ID]bool
	left  bool // it no longer owns anything
}

// deadlineWriter gives each write its own deadline.
type deadlineWriter struct {
	net.Conn
	copies copies.Watch
}

func (w deadlineWriter) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return 0, err
	}
	w.copies.Tell(copies.ToSocket, "", p)
	return w.Conn.Write(p)
}

// serve communicates with one client until it leaves.
func (r *Recorder) serve(ctx context.Context, connection net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() }) // its error does not matter: it is over
	c := &client{
		recorder: r, connection: connection, out: wire.NewWriter(deadlineWriter{connection, r.options.Copies}), log: r.log,
		owned: make(map[recording.ID]bool),
	}
	defer func() {
		cancel()
		c.commands.Wait()
		stop()
		_ = connection.Close()
	}()
	in := wire.NewReader(connection)
	hello, err := c.greet(in)
	if c.counted {
		defer r.count(-1)
	}
	if err != nil {
		c.log.Warn(eventClientLeft, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		return
	}
	if hello.Probe { // it is not counted, and has no effect
		_ = c.requests(ctx, in) // its end does not matter
		return
	}
	defer c.leave()
	c.log = r.log.With(slog.String("client", hello.Name))
	c.log.Info(eventClientAttached)
	if err := c.requests(ctx, in); !errors.Is(err, io.EOF) && ctx.Err() == nil {
		c.log.Warn(eventClientLeft, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		return
	}
	c.log.Info(eventClientLeft)
}

// greet reads the client's Hello and answers it.
func (c *client) greet(in *wire.Reader) (wire.Hello, error) {
	if err := c.connection.SetReadDeadline(time.Now().Add(helloWithin)); err != nil {
		return wire.Hello{}, err
	}
	f, err := in.Next()
	if err != nil {
		return wire.Hello{}, err
	}
	var hello wire.Hello
	if f.Kind != wire.KindHello {
		err = scout.Errorf(scout.CodeRecorderProtocol, "first frame of kind %d: want %d", f.Kind, wire.KindHello)
	} else if err = wire.DecodeJSON(f, &hello); err == nil && hello.Protocol != wire.ProtocolVersion {
		err = scout.Errorf(scout.CodeRecorderProtocol, "protocol %d: this recorder speaks %d", hello.Protocol, wire.ProtocolVersion)
	}
	if err != nil {
		return wire.Hello{}, errors.Join(err, c.out.WriteJSON(wire.KindFailure, f.ID, wire.FailureOf(err)))
	}
	if err := c.connection.SetReadDeadline(time.Time{}); err != nil {
		return wire.Hello{}, err
	}
	r := c.recorder
	if c.counted = !hello.Probe; c.counted {
		r.count(1) // before the answer: an idle recorder must not end between the two
	}
	return hello, c.out.WriteJSON(wire.KindWelcome, f.ID, wire.Welcome{
		Protocol: wire.ProtocolVersion, PID: os.Getpid(), Parent: r.options.Parent.PID(), Version: r.options.Version,
		StartedAt: r.began, Folder: *r.identity.Load(),
	})
}

// count counts clients.
func (r *Recorder) count(by int) {
	r.mu.Lock()
	r.clients += by
	r.mu.Unlock()
	r.touch()
}

// own makes the client an owner of a recording until it leaves.
func (c *client) own(id recording.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left || c.owned[id] {
		return
	}
	c.owned[id] = true
	c.recorder.countOwner(id, 1)
}

// leave ends what the client owns.
func (c *client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	for id := range c.owned {
		c.recorder.countOwner(id, -1)
	}
}

func (r *Recorder) countOwner(id recording.ID, by int) {
	r.mu.Lock()
	r.owners[id] += by
	if r.owners[id] == 0 {
		delete(r.owners, id)
	}
	r.mu.Unlock()
	r.touch()
}

// requests answers the client's requests until it leaves, and returns how: io.EOF if it left normally.
func (c *client) requests(ctx context.Context, in *wire.Reader) error {
	for {
		f, err := in.Next()
		if err != nil {
			return err
		}
		switch f.Kind {
		case wire.KindListen, wire.KindWatchLevel, wire.KindWatchEvents:
			if began, err := c.stream(ctx, in, f); began || err != nil {
				return err
			}
			continue
		}
		if err := c.answer(ctx, f); err != nil {
			return err
		}
	}
}

// answer executes one request. An error ends the connection; the failure of a request is only answered.
func (c *client) answer(ctx context.Context, f wire.Frame) error {
	r := c.recorder
	var reply any
	var err error
	switch f.Kind {
	case wire.KindStart, wire.KindStop:
		return c.command(ctx, f)
	case wire.KindStatus:
		reply = r.Status()
	case wire.KindAdopt:
		var request wire.Adopt
		if err := wire.DecodeJSON(f, &request); err != nil {
			return err
		}
		reply, err = c.adopt(request)
	case wire.KindMetrics:
		reply = r.gatherMetrics()
	case wire.KindShutdown:
		var request wire.Shutdown
		if err := wire.DecodeJSON(f, &request); err != nil {
			return err
		}
		if request.IfIdle {
			err = r.refuseStarts()
		}
		if err == nil {
			defer r.Shutdown() // after the answer: it closes the connection
		}
		reply = struct{}{}
	default:
		return scout.Errorf(scout.CodeRecorderProtocol, "frame of kind %d from a client", f.Kind)
	}
	if err != nil {
		return c.out.WriteJSON(wire.KindFailure, f.ID, wire.FailureOf(err))
	}
	return c.out.WriteJSON(wire.KindReply, f.ID, reply)
}

// command executes Start or Stop while further requests are read, so that a start can be cancelled. It continues after
// the client leaves: what was requested is done.
func (c *client) command(ctx context.Context, f wire.Frame) error {
	var start wire.Start
	var stop wire.Stop
	var err error
	if f.Kind == wire.KindStart {
		err = wire.DecodeJSON(f, &start)
	} else {
		err = wire.DecodeJSON(f, &stop)
	}
	if err != nil {
		return err
	}
	kind, id := f.Kind, f.ID
	c.commands.Go(func() { // ends by itself: Start and Stop have their own deadlines
		ctx := context.WithoutCancel(ctx)
		var reply any
		var err error
		if kind == wire.KindStart {
			reply, err = c.start(ctx, start)
		} else {
			reply, err = stopped(c.recorder.Stop(observe.WithTraceparent(ctx, stop.Traceparent), stop.ID))
		}
		if err != nil {
			err = c.out.WriteJSON(wire.KindFailure, id, wire.FailureOf(err))
		} else {
			err = c.out.WriteJSON(wire.KindReply, id, reply)
		}
		if err != nil { // the client is gone, but it happened: the next owner finds it in the status
			c.log.Debug(eventClientLeft, slog.String(observe.KeyError, err.Error()))
		}
	})
	return nil
}

// start executes a Start. The client owns the recording that it began.
func (c *client) start(ctx context.Context, request wire.Start) (recording.Started, error) {
	ctx = observe.WithTraceparent(ctx, request.Traceparent)
	started, err := c.recorder.start(ctx, request.Order, resumption{wanted: request.Resume, since: request.Since})
	if err == nil {
		c.own(started.ID)
	}
	return started, err
}

// adopt makes the client an owner of the current recording.
func (c *client) adopt(request wire.Adopt) (wire.Adopted, error) {
	r := c.recorder
	r.mu.Lock()
	t := r.take
	r.mu.Unlock()
	if t == nil || t.stopping.Load() {
		return wire.Adopted{}, scout.Errorf(scout.CodeNotRecording, "nothing is being recorded in %s", r.folder.Dir())
	}
	if id := t.writer.ID(); request.ID != "" && request.ID != id {
		return wire.Adopted{}, scout.Errorf(scout.CodeNotRecording, "recording %s is not under way; %s is", request.ID, id)
	}
	c.own(t.writer.ID())
	return wire.Adopted{Order: t.order, Started: t.started}, nil
}

// stopped makes the answer of a stop. A recording that could not be finished normally still has a manifest.
func stopped(m recording.Manifest, err error) (wire.Stopped, error) {
	answer := wire.Stopped{Manifest: m}
	if err != nil && m.ID != "" {
		failure := wire.FailureOf(err)
		answer.Failure, err = &failure, nil
	}
	return answer, err
}
