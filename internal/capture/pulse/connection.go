// Package pulse speaks PulseAudio's own protocol, which PipeWire speaks too: it finds the server, lists its devices, tells what
// changes there and wakes devices that sleep. Audio does not come this way (package miniaudio).
package pulse

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// Time constants of talking to the sound server.
const (
	// requestWithin bounds one question to the server.
	requestWithin = 2 * time.Second
	// reconnectEvery is how often a server that is gone is looked for. Asking a socket that is not
	// there costs some 30 us.
	reconnectEvery = 100 * time.Millisecond
)

// connection is a connection that asks and is told of changes.
type connection struct {
	client  *proto.Client
	conn    *dyingConn
	changed chan struct{} // capacity 1: something changed since it was last read
	dead    chan struct{} // closed when the connection ended
}

// dyingConn is a connection as the library needs it. It hands over whole messages only: the library
// loops for ever where a list breaks off. It tells when the connection ends, which the library does
// for io.EOF alone. And it can hold back what is written.
type dyingConn struct {
	net.Conn
	once sync.Once
	dead chan struct{}
	in   []byte // of the message being handed over; of the library's reader alone

	mu      sync.Mutex
	holding bool
	held    []byte
	writes  chan struct{} // told of each write that is held back
}

// Write writes, or holds back until release.
func (c *dyingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.holding {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	select {
	case c.writes <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (c *dyingConn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding = true
}

// release writes what was held back, at once.
func (c *dyingConn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding = false
	_, err := c.Conn.Write(c.held)
	c.held = nil
	return err
}

// heldBack is how many whole messages are held back.
func (c *dyingConn) heldBack() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	messages := 0
	for rest := c.held; len(rest) >= headerBytes; messages++ {
		size := headerBytes + int(binary.BigEndian.Uint32(rest))
		if len(rest) < size {
			break
		}
		rest = rest[size:]
	}
	return messages
}

// headerBytes is the size of what is before each message: its length and 16 bytes more.
const headerBytes = 20

// maxMessageBytes bounds a message; PulseAudio itself sends at most 1 MiB (FRAME_SIZE_MAX_ALLOW).
const maxMessageBytes = 1 << 20

// Read hands over what is there of the next whole message.
func (c *dyingConn) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		if err := c.receive(); err != nil {
			c.once.Do(func() { close(c.dead) })
			return 0, err
		}
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

// receive reads one message.
func (c *dyingConn) receive() error {
	header := make([]byte, headerBytes)
	if _, err := io.ReadFull(c.Conn, header); err != nil {
		return fmt.Errorf("read from the sound server: %w", err)
	}
	size := binary.BigEndian.Uint32(header)
	if size > maxMessageBytes {
		return fmt.Errorf("read from the sound server: a message of %d bytes", size)
	}
	message := make([]byte, headerBytes+int(size))
	copy(message, header)
	if _, err := io.ReadFull(c.Conn, message[headerBytes:]); err != nil {
		return fmt.Errorf("read from the sound server: %w", err)
	}
	c.in = message
	return nil
}

// dial connects and logs in. proto.Connect sets the callback when its reader runs already, which
// is a data race, so the same steps are taken here in another order.
func dial(ctx context.Context, server string) (*connection, error) {
	network, address := address(server)
	dialer := net.Dialer{Timeout: requestWithin}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to the sound server: %w", err)
	}
	dead := make(chan struct{})
	c := &connection{
		client: &proto.Client{}, conn: &dyingConn{Conn: conn, dead: dead, writes: make(chan struct{}, 1)},
		changed: make(chan struct{}, 1), dead: dead,
	}
	c.client.SetTimeout(requestWithin)
	c.client.Callback = func(message any) {
		if _, ok := message.(*proto.SubscribeEvent); ok {
			select {
			case c.changed <- struct{}{}:
			default:
			}
		}
	}
	c.client.Open(c.conn)
	var auth proto.AuthReply
	if err := c.client.Request(&proto.Auth{Version: c.client.Version(), Cookie: cookie()}, &auth); err != nil {
		c.close()
		return nil, fmt.Errorf("log in to the sound server: %w", err)
	}
	c.client.SetVersion(auth.Version)
	properties := proto.PropList{"application.name": proto.PropListString("Scout (watching)")}
	if err := c.client.Request(&proto.SetClientName{Props: properties}, &proto.SetClientNameReply{}); err != nil {
		c.close()
		return nil, fmt.Errorf("send the client name to the sound server: %w", err)
	}
	return c, nil
}

// close ends the connection and waits until its reader, a goroutine of the library's, saw it.
func (c *connection) close() {
	_ = c.conn.Close() // nothing was written that could be lost
	<-c.dead
}
