package api

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/unixsocket"
)

// connectionKey is under which a request's context has its *connection.
type connectionKey struct{}

// connection is a client's, with who it is.
type connection struct {
	net.Conn
	near   bool            // it came by the unix socket
	scrape bool            // it came to an address of the metrics alone
	peer   unixsocket.Peer // of the unix socket
	err    error
	local  netip.AddrPort // of the network
	remote netip.AddrPort
	once   sync.Once // before uid and uidErr
	uid    int
	uidErr error
	write  time.Duration        // how long a client may take for mostPerWrite
	first  []byte               // was read to see what it speaks, and belongs before everything else
	tls    *tls.ConnectionState // nil for plain HTTP
	closed func()
	end    lingers
	// answers is true from when a handler has a request until its answer was sent. What is sent otherwise net/http says by itself, and
	// unread puts it into our form; it returns nil for what stays as it is.
	answers atomic.Bool
	unread  func(said []byte) []byte
}

// mostPerWrite is how much of an answer has a deadline of its own: a client that reads slowly gets all of a large one.
const mostPerWrite = 64 << 10

// Read returns what was read before, and then what comes.
func (c *connection) Read(p []byte) (int, error) {
	if len(c.first) > 0 && len(p) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Write bounds how long the client may take. Everything that net/http sends goes through it, an answer without a body, too.
func (c *connection) Write(p []byte) (written int, err error) {
	if c.unread != nil && !c.answers.Load() {
		// net/http reads on for what is left of such a request, and has no deadline for that.
		if err := c.SetReadDeadline(time.Now().Add(unwantedWithin)); err != nil {
			return 0, err
		}
		if ours := c.unread(p); ours != nil {
			_, err := c.send(ours)
			return len(p), err
		}
	}
	return c.send(p)
}

func (c *connection) send(p []byte) (written int, err error) {
	for {
		part := p[written:min(len(p), written+mostPerWrite)]
		if err := c.SetWriteDeadline(time.Now().Add(c.write)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(part)
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// Close counts. Where the client may still send what nobody reads, it lingers first. Then it takes what lies in the socket: one that is closed
// with such bytes resets the connection, and the client does not get to see the answer that refuses its request.
func (c *connection) Close() error {
	c.linger()
	c.closed()
	if socket, is := c.Conn.(syscall.Conn); is {
		discard(socket)
	}
	return c.Conn.Close()
}

// maxDiscarded bounds what is taken of a socket that is closed.
const maxDiscarded = 1 << 20

// discard takes what lies in the socket, and waits for nothing: not for another goroutine that reads from it, as
// RawConn.Read would.
func discard(c syscall.Conn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return // it is closed
	}
	buffer := make([]byte, 32<<10)
	_ = raw.Control(func(fd uintptr) { // there is nothing to do about a socket that cannot be read
		for taken := 0; taken < maxDiscarded; {
			n, err := syscall.Read(int(fd), buffer)
			if n <= 0 || err != nil {
				break
			}
			taken += n
		}
	})
}

// limited bounds how many clients may be connected, so that those who say nothing use up nothing that others need. The clients of the unix
// socket and those of the network are counted apart: who comes over the network keeps no command of the owner out.
type limited struct {
	net.Listener
	server *Server
	open   *atomic.Int64
	scrape bool // see ServeMetrics
}

// Accept returns the next client. One above the limit is sent away.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		s := l.server
		if l.open.Add(1) > maxConnections {
			l.open.Add(-1)
			_ = c.Close() // nothing was said
			s.refuse("connections", "", scout.CodeRateLimit)
			continue
		}
		s.metrics.connections.WithLabelValues("http").Inc()
		counted := &connection{Conn: c, scrape: l.scrape, write: s.times.Write, closed: sync.OnceFunc(func() {
			l.open.Add(-1)
			s.metrics.connections.WithLabelValues("http").Dec()
		})}
		if unix, ok := c.(*net.UnixConn); ok {
			counted.near = true
			counted.peer, counted.err = unixsocket.PeerOf(unix)
			counted.end.among = &s.near.lingering
		} else {
			if counted.end.among = &s.far.lingering; l.scrape {
				counted.end.among = &s.scrapers.lingering
			}
			counted.local, counted.remote = addressOf(c.LocalAddr()), addressOf(c.RemoteAddr())
		}
		counted.unread = func(said []byte) []byte { return s.unread(said, c.RemoteAddr().String()) }
		return counted, nil
	}
}

// addressOf is the address of one end of a connection; the zero one where it is none of TCP.
func addressOf(a net.Addr) netip.AddrPort {
	if tcp, is := a.(*net.TCPAddr); is {
		at := tcp.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
	}
	return netip.AddrPort{}
}

// user returns the user at the other end of a connection within this machine. It asks once: later the client may have gone.
func (c *connection) user(ask func(client, server netip.AddrPort) (int, error)) (int, error) {
	c.once.Do(func() {
		if c.uidErr = scout.Errorf(scout.CodePermissionDenied, "nobody can tell"); ask != nil {
			c.uid, c.uidErr = ask(c.remote, c.local)
		}
	})
	return c.uid, c.uidErr
}

// under is the connection below what http.Server serves; nil where it is none of ours.
func under(c net.Conn) *connection {
	if secure, is := c.(*tls.Conn); is { // HTTP/2
		c = secure.NetConn()
	}
	ours, _ := c.(*connection)
	return ours
}

// connectionOf is that of a request. One without any is from nowhere, and needs a key.
func connectionOf(r *http.Request) *connection {
	if c, is := r.Context().Value(connectionKey{}).(*connection); is {
		return c
	}
	return new(connection)
}
