package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/realtime"
)

const (
	// realtimeMessage bounds a message: 15 MiB of sound as base64, and what is around it.
	realtimeMessage = 22 << 20
	// finishesWithin is how long pending text is waited for when the daemon stops, drainsWithin how long until it is sent, and partsWithin how
	// long the client may take to close: the daemon waits for 5 s in all.
	finishesWithin, drainsWithin, partsWithin = 3500 * time.Millisecond, 500 * time.Millisecond, time.Second
	// settlesWithin is how long pending text is waited for when the session has expired.
	settlesWithin = time.Hour
)

// realtimeSocket serves one session.
func (s *Server) realtimeSocket(w http.ResponseWriter, r *http.Request) {
	order, err := s.realtimeOrder(r)
	if err == nil {
		err = asksForSocket(r)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	release, err := s.services.Browser.Admit(clientOf(r.Context()))
	if err != nil {
		s.refuse("live", r.RemoteAddr, scout.CodeOf(err))
		writeError(w, err)
		return
	}
	defer release()
	session, err := s.services.Realtime.Open(order) //nolint:contextcheck // it ends with the connection, or with the daemon
	if err != nil {
		writeError(w, err)
		return
	}
	s.sockets.Add(1)
	defer s.sockets.Done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{realtimeProtocol}, InsecureSkipVerify: true, // the origin was looked at: see Server.meet
	})
	if err != nil {
		session.Close("refused", "") // it was answered
		return
	}
	s.metrics.connections.WithLabelValues("realtime").Inc()
	defer s.metrics.connections.WithLabelValues("realtime").Dec()
	conn.SetReadLimit(realtimeMessage)
	c := &realtimeConnection{server: s, conn: conn, under: connectionOf(r), session: session}
	c.serve(r.Context())
}

// realtimeConnection is the connection of one session.
type realtimeConnection struct {
	server  *Server
	conn    *websocket.Conn
	under   *connection
	session *realtime.Session
	gated   atomic.Bool  // nothing is read, because the session has enough to do
	heard   atomic.Int64 // bytes of messages that were read
	work    sync.WaitGroup
}

// Why a session ends.
var (
	errExpired = errors.New("the session has expired")
	errSlow    = errors.New("the client takes nothing")
)

// serve serves until the client goes, the session has expired, or the server stops.
func (c *realtimeConnection) serve(ctx context.Context) {
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	reading, stop := context.WithCancel(alive) // ended before alive, so that what is left can be sent
	ends := make(chan error, 3)
	written := make(chan struct{})
	guard := func(run func() error) { ends <- c.server.options.Failures.Guard("api", run) }
	c.work.Go(func() { guard(func() error { return c.read(reading) }) })
	c.work.Go(func() {
		defer close(written)
		guard(func() error { return c.write(alive) })
	})
	c.work.Go(func() { c.ping(alive) })
	expired := make(chan struct{})
	expires := time.AfterFunc(time.Until(c.session.Expires()), func() { close(expired) })
	defer expires.Stop()
	why := c.until(ctx, ends, expired)
	if errors.Is(why, errExpired) {
		why = c.settle(ctx, alive, ends)
	}
	outcome, status := c.finish(alive, why)
	if status != 0 {
		c.session.Over()
		drained := time.NewTimer(drainsWithin)
		select {
		case <-written:
		case <-drained.C:
		}
		drained.Stop()
	}
	c.close(status, why)
	stop()
	end()
	c.work.Wait()
	code := scout.Code("")
	if why != nil && status != 0 && status != websocket.StatusNormalClosure {
		code = scout.CodeOf(why)
	}
	c.session.Close(outcome, code)
}

// until waits for the end of the session and returns why it ends: errExpired when over is closed.
func (c *realtimeConnection) until(ctx context.Context, ends <-chan error, over <-chan struct{}) error {
	select {
	case why := <-ends:
		return why
	case <-over:
		return errExpired
	case <-c.server.ending:
		return errServerStops
	case <-ctx.Done():
		return scout.Errorf(scout.CodeInvalidAPIKey, "what let the connection in has ended")
	}
}

// settle waits until all that came before the session expired is text, unless something else ends the session.
func (c *realtimeConnection) settle(ctx, alive context.Context, ends <-chan error) error {
	within, cancel := context.WithTimeout(alive, settlesWithin)
	defer cancel()
	settled := make(chan struct{})
	c.work.Go(func() {
		defer close(settled)
		c.session.Finish(within)
	})
	return c.until(ctx, ends, settled)
}

// finish says what is left to say, and with which status the connection is closed: 0 where nobody listens.
func (c *realtimeConnection) finish(ctx context.Context, why error) (outcome string, status websocket.StatusCode) {
	switch {
	case errors.Is(why, errExpired):
		c.session.Expire()
		return "expired", websocket.StatusNormalClosure
	case errors.Is(why, errServerStops):
		within, cancel := context.WithTimeout(ctx, finishesWithin)
		defer cancel()
		c.session.Finish(within)
		return "stopped", websocket.StatusServiceRestart
	case errors.Is(why, realtime.ErrInvalid):
		return "invalid", websocket.StatusPolicyViolation
	case errors.Is(why, errSlow):
		c.server.metrics.slow.WithLabelValues("realtime").Inc()
		c.server.log.Warn(eventListenerSlow, slog.String("kind", "realtime"), slog.Int64(observe.KeyDurationMS, c.server.times.Write.Milliseconds()))
		return "slow", 0
	case errors.Is(why, errLeft), why == nil:
		return "closed", 0
	case scout.CodeOf(why) == scout.CodeInvalidAPIKey:
		return "revoked", websocket.StatusPolicyViolation
	}
	within, cancel := context.WithTimeout(ctx, finishesWithin)
	defer cancel()
	c.session.Finish(within) // what came before is text all the same
	c.session.Fail(why)
	_ = c.server.options.Failures.Count(why) // it returns its argument
	return "failed", closeCode(why)
}

// close ends the connection.
func (c *realtimeConnection) close(status websocket.StatusCode, why error) {
	force := time.AfterFunc(partsWithin, func() { _ = c.under.Close() }) // the client may neither read nor answer
	defer force.Stop()
	switch {
	case errors.Is(why, errSlow):
		_ = c.conn.Close(websocket.StatusPolicyViolation, "nothing is read") // it is not going to take this either
	case status == 0:
		_ = c.conn.CloseNow() // it may be closed already
	default:
		_ = c.conn.Close(status, "") // the client may have gone
	}
}

// read takes the messages of the client, as long as the session takes them. Its error says why nothing more comes.
func (c *realtimeConnection) read(ctx context.Context) error {
	for {
		if err := c.session.Room(ctx, func() { c.gated.Store(true) }); err != nil {
			if ctx.Err() == nil {
				return err
			}
			return errLeft
		}
		c.gated.Store(false)
		kind, message, err := c.conn.Reader(ctx)
		if err != nil {
			return errLeft
		}
		data, err := io.ReadAll(countedBytes{message, &c.heard})
		if err != nil {
			return errLeft
		}
		if err := c.session.Take(data, kind == websocket.MessageBinary); err != nil {
			return err
		}
	}
}

// countedBytes counts what is read.
type countedBytes struct {
	io.Reader
	bytes *atomic.Int64
}

func (c countedBytes) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// write sends the events of the session. Its error says why nothing more is sent.
func (c *realtimeConnection) write(ctx context.Context) error {
	for {
		data, err := c.session.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errLeft
		}
		switch err := c.conn.Write(ctx, websocket.MessageText, data); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errSlow
		case err != nil:
			return errLeft
		}
	}
}

// ping finds out whether the client is still there. While nothing is read its answer is not seen.
func (c *realtimeConnection) ping(ctx context.Context) {
	tick := time.NewTicker(c.server.times.Ping)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if c.gated.Load() {
			continue
		}
		within, cancel := context.WithTimeout(ctx, c.server.times.Pong)
		before := c.heard.Load()
		err := c.conn.Ping(within)
		cancel()
		if err != nil && !c.gated.Load() && c.heard.Load() == before { // its answer lies behind much sound
			_ = c.under.Close() // whoever reads sees it
			return
		}
	}
}
