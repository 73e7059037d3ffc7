package api

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
)

// TLS is how a listener speaks TLS.
type TLS struct {
	Config *tls.Config
	// AlsoPlain takes plain HTTP at the same port: the first byte of a connection says which it is.
	AlsoPlain bool
}

// handshakeByte is the first byte of a connection of TLS. No request of HTTP begins with it. Source: RFC 8446, 5.1.
const handshakeByte = 0x16

// eventHandshake is logged when a client did not accept the certificate, or spoke something else than TLS.
const eventHandshake = "tls_handshake_failed"

// secured is a listener whose connections are looked at before they are handed on: each in a goroutine of its own, so that one that says
// nothing costs only itself.
type secured struct {
	*limited
	how     TLS
	ready   chan accepted
	ended   chan struct{} // closed by Close
	end     func()
	working sync.WaitGroup
}

// accepted is a connection that has begun to speak, or why none comes.
type accepted struct {
	conn net.Conn
	err  error
}

func newSecured(l *limited, how TLS) *secured {
	s := &secured{limited: l, how: how, ready: make(chan accepted), ended: make(chan struct{})}
	s.end = sync.OnceFunc(func() { close(s.ended) })
	s.working.Go(s.run) // ended by Close
	return s
}

// run takes connections until the listener is closed. An error is handed on: whoever accepts waits a little before the next one.
func (s *secured) run() {
	for {
		c, err := s.limited.Accept()
		if err != nil {
			s.hand(accepted{err: err})
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		raw, is := c.(*connection)
		if !is {
			continue // limited makes no others
		}
		s.server.silent.Store(raw, nil) // until it has said something
		if s.server.stopping.Load() {
			_ = raw.Close() // nothing was said
		}
		s.working.Go(func() { // bounded by the time for headers, and by Shutdown, which closes it
			begun, err := s.begin(raw)
			s.server.silent.Delete(raw)
			if err != nil || !s.hand(accepted{conn: begun}) {
				_ = raw.Close() // nothing was promised to it
			}
		})
	}
}

// hand hands a connection on, and returns false where nobody takes it any more.
func (s *secured) hand(a accepted) bool {
	select {
	case s.ready <- a:
		return true
	case <-s.ended:
		return false
	}
}

// Accept returns the next connection that has begun to speak: a *connection over TCP or over TLS, or a *tls.Conn for HTTP/2.
func (s *secured) Accept() (net.Conn, error) {
	select {
	case a := <-s.ready:
		return a.conn, a.err
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

// Close ends the listener. Connections that have not begun to speak are closed by Shutdown.
func (s *secured) Close() error {
	err := s.limited.Close()
	s.end()
	return err
}

// begin reads the first byte of a connection, and shakes hands where it speaks TLS.
func (s *secured) begin(raw *connection) (net.Conn, error) {
	within := s.server.times.Header
	if err := raw.SetDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(raw.Conn, first); err != nil {
		return nil, err // it said nothing
	}
	raw.first = first
	if first[0] != handshakeByte {
		if !s.how.AlsoPlain {
			s.sendAway(raw)
			return nil, errPlain
		}
		return raw, raw.SetDeadline(time.Time{})
	}
	unread, among := raw.unread, raw.end.among
	raw.unread, raw.end.among = nil, nil // it is TLS that speaks
	conn := tls.Server(raw, s.how.Config)
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		s.refused(raw, err)
		return nil, err
	}
	state := conn.ConnectionState()
	raw.tls = &state
	if err := raw.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if state.NegotiatedProtocol == "h2" {
		return conn, nil
	}
	over := &connection{Conn: conn, local: raw.local, remote: raw.remote, write: raw.write, closed: func() {}, unread: unread, tls: &state}
	over.end.among = among
	return over, nil
}

// errPlain is why a connection of plain HTTP was closed.
var errPlain = errors.New(onlyTLS)

// onlyTLS is what is wrong with plain HTTP at a port that takes none.
const onlyTLS = "this port speaks TLS only"

// refused notes a handshake that failed: mostly, the client does not trust the certificate.
func (s *secured) refused(raw *connection, err error) {
	if errors.Is(err, io.EOF) || s.server.stopping.Load() {
		return // it only looked whether somebody is here
	}
	remote := raw.RemoteAddr().String()
	s.server.metrics.refused.WithLabelValues("tls").Inc()
	if s.server.refused.tell("tls") {
		s.server.log.Warn(eventHandshake, slog.String("remote", remote), slog.String(observe.KeyError, scout.Plain(err)))
	}
}

// sendAway answers plain HTTP at a port that speaks TLS only.
func (s *secured) sendAway(raw *connection) {
	s.server.refuse("plain", raw.RemoteAddr().String(), scout.CodeInvalidArgument)
	said := s.server.unasked(http.StatusBadRequest, v1.Refused(scout.CodeInvalidArgument, http.StatusBadRequest, onlyTLS+": the address begins with https://", nil), scout.CodeInvalidArgument)
	raw.leftUnread(true) // it lingers, so that the client sees the answer
	if _, err := raw.send(said); err != nil {
		raw.leftUnread(false)
	}
}
