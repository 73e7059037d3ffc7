// Package pulse implements PulseAudio's own protocol, which PipeWire supports too. It finds the server, lists its
// devices, reports changes and wakes sleeping devices. Audio does not pass through it (package miniaudio).
//
// A server's answers contain text of other programs: a stream has the name that its program gave it. They are read
// without trust.
package pulse

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Time constants of talking to the sound server.
const (
	// requestWithin bounds one question to the server.
	requestWithin = 2 * time.Second
	// reconnectEvery is how often Scout looks for a server that is gone. Asking a missing socket costs about 30 us.
	reconnectEvery = 100 * time.Millisecond
)

// Commands of the protocol (pulsecore/native-common.h).
const (
	commandError             = 0
	commandReply             = 2
	commandAuth              = 8
	commandSetClientName     = 9
	commandServerInfo        = 20
	commandSinkInfo          = 21
	commandSources           = 24
	commandSinkInputs        = 30
	commandSourceOutputs     = 32
	commandSubscribe         = 35
	commandSubscriptionEvent = 66
	commandSuspendSink       = 70
)

const (
	// protocolVersion is the version that Scout requests: that of PulseAudio 0.9.15 of 2009, which is sufficient. A
	// server answers each client in the version that it requested.
	protocolVersion = 15
	// headerBytes is the size of the header of each message: its length and 16 bytes.
	headerBytes = 20
	// maxMessageBytes bounds a message as PulseAudio does (FRAME_SIZE_MAX_ALLOW).
	maxMessageBytes = 16 << 20
	// controlChannel is the channel of requests and answers.
	controlChannel = 0xffffffff
	// anyIndex is used if a name identifies the object.
	anyIndex = 0xffffffff
)

// connection is a connection that sends requests and receives changes.
type connection struct {
	conn    net.Conn
	changed chan struct{} // capacity 1: something changed since it was last read
	dead    chan struct{} // closed when the connection ended

	mu      sync.Mutex
	next    uint32                 // tag of the next request
	waiting map[uint32]chan answer // by tag; each has capacity 1
}

// answer is what the server says to a request.
type answer struct {
	values values
	err    error
}

// request is a question before it has a tag.
type request struct {
	command   uint32
	arguments arguments
}

// serverError is why the server refused a request: a number of its own (pulse/def.h).
type serverError uint32

// Error implements error.
func (e serverError) Error() string {
	switch e {
	case 1:
		return "access denied"
	case 5:
		return "no such device or stream"
	case 8:
		return "the server did not answer in time"
	}
	return fmt.Sprintf("error %d of the sound server", uint32(e))
}

// errEnded is the error of a connection that has ended.
var errEnded = errors.New("the connection to the sound server ended")

// dial connects and logs in.
func dial(ctx context.Context, server string) (*connection, error) {
	network, where := address(server)
	dialer := net.Dialer{Timeout: requestWithin}
	conn, err := dialer.DialContext(ctx, network, where)
	if err != nil {
		return nil, fmt.Errorf("connect to the sound server: %w", err)
	}
	c := newConnection(conn)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends a question under way
	defer stop()
	if err := c.logIn(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// newConnection returns a connection over conn, which it closes. The caller closes it.
func newConnection(conn net.Conn) *connection {
	c := &connection{conn: conn, changed: make(chan struct{}, 1), dead: make(chan struct{}), waiting: make(map[uint32]chan answer)}
	go func() { // ends with conn; close waits for it
		defer close(c.dead)
		for c.receive() == nil {
		}
		_ = conn.Close() // whatever ended the reading
	}()
	return c
}

func (c *connection) logIn() error {
	reply, err := c.ask(commandAuth, arguments(nil).number(protocolVersion).bytes(cookie()))
	if err != nil {
		return fmt.Errorf("log in to the sound server: %w", err)
	}
	if version := reply.number() & 0xffff; reply.err != nil || version < protocolVersion { // the rest are flags
		return fmt.Errorf("log in to the sound server: it speaks version %d of the protocol, want %d: %w", version, protocolVersion, errMalformed)
	}
	if _, err := c.ask(commandSetClientName, arguments(nil).properties("application.name", "Scout (watching)")); err != nil {
		return fmt.Errorf("send the client name to the sound server: %w", err)
	}
	return nil
}

// close ends the connection and waits for its reader.
func (c *connection) close() {
	_ = c.conn.Close() // nothing was written that could be lost
	<-c.dead
}

// ask sends a request and waits for the answer.
func (c *connection) ask(command uint32, a arguments) (values, error) {
	replies, err := c.askAll(request{command, a})
	if err != nil {
		return values{}, err
	}
	return replies[0], nil
}

// askAll sends requests with one write and waits for all answers.
func (c *connection) askAll(requests ...request) ([]values, error) {
	var message []byte
	var tags []uint32
	var answers []chan answer
	c.mu.Lock()
	for _, r := range requests {
		body := append(arguments(nil).number(r.command).number(c.next), r.arguments...)
		message = binary.BigEndian.AppendUint32(message, uint32(len(body)))
		message = binary.BigEndian.AppendUint32(message, controlChannel)
		message = append(append(message, make([]byte, headerBytes-8)...), body...)
		reply := make(chan answer, 1)
		c.waiting[c.next] = reply
		tags, answers = append(tags, c.next), append(answers, reply)
		c.next++
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, tag := range tags {
			delete(c.waiting, tag)
		}
	}()
	err := c.conn.SetWriteDeadline(time.Now().Add(requestWithin))
	if err == nil {
		_, err = c.conn.Write(message)
	}
	if err != nil {
		return nil, fmt.Errorf("write to the sound server: %w", err)
	}
	timer := time.NewTimer(requestWithin)
	defer timer.Stop()
	replies := make([]values, len(answers))
	for i, reply := range answers {
		select {
		case a := <-reply:
			replies[i], err = a.values, errors.Join(err, a.err)
		case <-c.dead:
			return nil, errEnded
		case <-timer.C:
			return nil, fmt.Errorf("the sound server did not answer within %s", requestWithin)
		}
	}
	return replies, err
}

// receive reads one message. An error ends the connection.
func (c *connection) receive() error {
	header := make([]byte, headerBytes)
	if _, err := io.ReadFull(c.conn, header); err != nil {
		return fmt.Errorf("read from the sound server: %w", err)
	}
	size := binary.BigEndian.Uint32(header)
	if size > maxMessageBytes {
		return fmt.Errorf("read from the sound server: a message of %d bytes", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return fmt.Errorf("read from the sound server: %w", err)
	}
	if binary.BigEndian.Uint32(header[4:]) != controlChannel {
		return nil // audio of a stream: Scout opens none this way
	}
	message := values{rest: body}
	command, tag := message.number(), message.number()
	if message.err != nil {
		return message.err
	}
	switch command {
	case commandSubscriptionEvent:
		select {
		case c.changed <- struct{}{}:
		default:
		}
	case commandReply:
		c.answered(tag, answer{values: message})
	case commandError:
		code := message.number()
		if message.err != nil {
			return message.err
		}
		c.answered(tag, answer{err: serverError(code)})
	}
	return nil // Scout needs no other messages
}

// answered delivers an answer to its request, if that still waits.
func (c *connection) answered(tag uint32, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if reply, ok := c.waiting[tag]; ok {
		delete(c.waiting, tag)
		reply <- a
	}
}
