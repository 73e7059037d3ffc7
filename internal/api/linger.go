package api

import (
	"slices"
	"sync"
	"time"

	"github.com/scout-speech/scout/internal/observe/metric"
)

// Lingering keeps the connection of a client that still sends a body after its request was answered: what is closed with bytes on the way is
// reset, and the client does not get to see the answer. Source: RFC 9112, section 9.6. The times are those of nginx (lingering_timeout),
// docs/adr/0092-slow-clients.md.
const (
	lingerSilent   = 5 * time.Second        // without a byte
	lingerLongest  = 5 * time.Minute        // in all
	lingerAtTheEnd = 500 * time.Millisecond // while the server stops
	lingerBytes    = 4 << 30
	// mostLingering bounds the connections that linger at the same time, those of the unix socket and those of the network apart. Where one
	// more comes, the one ends that has had the most time.
	mostLingering = 64
)

// lingering are the connections whose clients still send what nobody reads.
type lingering struct {
	mu     sync.Mutex
	queue  []*connection // the one that began first is the first
	ending bool
	gauge  *metric.Gauge // how many there are
}

// enter adds a connection.
func (l *lingering) enter(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) >= mostLingering {
		l.queue[0].hurry(0)
		l.queue = l.queue[1:]
	}
	l.queue = append(l.queue, c)
	l.gauge.Inc()
	if l.ending {
		c.hurry(lingerAtTheEnd)
	}
}

// leave removes a connection.
func (l *lingering) leave(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = slices.DeleteFunc(l.queue, func(other *connection) bool { return other == c })
	l.gauge.Dec()
}

// end ends all of them soon, and those that come later.
func (l *lingering) end(within time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
	for _, c := range l.queue {
		c.hurry(within)
	}
}

// lingers is the part of a connection that is about lingering.
type lingers struct {
	mu     sync.Mutex
	unread bool      // a part of the body of the last request was not read
	over   bool      // it has lingered, or must not
	until  time.Time // the latest end of it
	among  *lingering
}

// leftUnread notes whether the client may still send a body that nobody reads.
func (c *connection) leftUnread(unread bool) {
	c.end.mu.Lock()
	defer c.end.mu.Unlock()
	c.end.unread = unread
}

// hurry moves the end of the lingering forward.
func (c *connection) hurry(within time.Duration) {
	c.end.mu.Lock()
	defer c.end.mu.Unlock()
	if end := time.Now().Add(within); end.Before(c.end.until) {
		c.end.until = end
		_ = c.SetReadDeadline(end) // it is about to be closed
	}
}

// next sets the deadline for the next byte.
func (c *connection) next() error {
	c.end.mu.Lock()
	defer c.end.mu.Unlock()
	at := time.Now().Add(lingerSilent)
	if c.end.until.Before(at) {
		at = c.end.until
	}
	return c.SetReadDeadline(at)
}

// linger ends what is sent, reads what the client still sends, and throws it away: until the client has closed its side, is silent, or takes too
// long. Only the first call does so. It runs where net/http serves the connection, which nobody else reads any more.
func (c *connection) linger() {
	l := &c.end
	l.mu.Lock()
	wanted := l.unread && !l.over && l.among != nil
	l.over, l.until = true, time.Now().Add(lingerLongest)
	l.mu.Unlock()
	half, is := c.Conn.(interface{ CloseWrite() error })
	if !wanted || !is || half.CloseWrite() != nil {
		return
	}
	l.among.enter(c)
	defer l.among.leave(c)
	buffer := make([]byte, 32<<10)
	for taken := 0; taken < lingerBytes && c.next() == nil; {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		taken += n
	}
}

// CloseWrite is called by net/http after an answer to a request of which it has not read everything.
func (c *connection) CloseWrite() error {
	c.linger()
	return nil
}
