package service

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/resilience"
)

const (
	// sessionLength is the sound of a session, which goes on through several lives of the daemon.
	sessionLength = 10 * time.Second
	// messageFrames are in one message, 100 ms, and messageEvery is how often one is sent: five times as fast as speech.
	messageFrames = rate / 10
	messageEvery  = 20 * time.Millisecond
	// sessionEndsWithin is how long the rest of a session and its text may take.
	sessionEndsWithin = 2 * time.Minute
)

// browserSession sends sound over a WebSocket, as a page does: it goes on with its session after each kill, from where the daemon says, and
// begins another one when a session has ended.
type browserSession struct {
	*stage
	id     string // of the session under way; empty for none
	sound  []byte // of the session, without a header
	acked  int    // frames
	frames int    // acknowledged in all sessions
	ended  []sent
	wrong  int
}

// sent is the sound of a session that has ended.
type sent struct {
	id    string
	sound []byte
}

// liveMessage is what the daemon sends, as far as it is looked at.
type liveMessage struct {
	Type   string `json:"type"`
	ID     string `json:"id"`
	Next   int    `json:"next_frame"`
	Frames int    `json:"frames"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

func (b *browserSession) live(ctx context.Context) {
	for ctx.Err() == nil {
		if err := b.session(ctx); err != nil {
			if !b.killed.Load() {
				b.errors.failed(ctx, err)
			}
			return
		}
	}
}

// session sends the sound from where the daemon says, and waits for the end of the session.
func (b *browserSession) session(ctx context.Context) error {
	conn, next, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }() // it has ended, or the daemon has
	over := make(chan error, 1)
	go func() { over <- b.listen(ctx, conn) }() // ends with ctx or the connection
	total := len(b.sound) / 2
	for at := next; at < total; at += messageFrames {
		message := binary.LittleEndian.AppendUint64(nil, uint64(at)) //nolint:gosec // not negative
		message = append(message, b.sound[2*at:2*min(at+messageFrames, total)]...)
		err := conn.Write(ctx, websocket.MessageBinary, message)
		if err == nil {
			err = resilience.Sleep(ctx, messageEvery)
		}
		if err != nil {
			_ = conn.CloseNow() // it ends who listens
			<-over              //nolint:errcheck // of a connection that was closed here
			return fmt.Errorf("send sound: %w", err)
		}
	}
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"stop","frames":%d}`, total)); err != nil {
		_ = conn.CloseNow() // as above
		<-over              //nolint:errcheck // as above
		return fmt.Errorf("stop: %w", err)
	}
	if err := <-over; err != nil {
		return err
	}
	b.ended = append(b.ended, sent{b.id, b.sound})
	b.id, b.sound, b.acked = "", nil, 0
	return nil
}

// open begins a session or goes on with it, and returns the next frame that the daemon takes.
func (b *browserSession) open(ctx context.Context) (*websocket.Conn, int, error) {
	begin := map[string]any{"type": "start", "format": map[string]any{"sample_rate": rate, "channels": 1, "sample_format": "s16"}}
	if b.id == "" {
		b.sound = b.clips.cut(sessionLength)[headBytes:]
	} else {
		begin["id"] = b.id
	}
	conn, response, err := websocket.Dial(ctx, "ws://"+b.address()+api+"/live", &websocket.DialOptions{
		Subprotocols: []string{"scout-live.v1"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + b.owner.key}},
	})
	if response != nil && response.Body != nil {
		_ = response.Body.Close() // the connection has its own
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open a WebSocket: %w", err)
	}
	conn.SetReadLimit(1 << 20)
	first, err := json.Marshal(begin)
	if err == nil {
		err = conn.Write(ctx, websocket.MessageText, first)
	}
	var m liveMessage
	for err == nil && m.Type != "ready" {
		m, err = b.receive(ctx, conn)
	}
	if err != nil {
		_ = conn.CloseNow() // as above
		return nil, 0, err
	}
	if m.Next < b.acked {
		b.wrong++ // a frame that was acknowledged is not there
	}
	b.id = m.ID
	b.arrived(m.Next)
	return conn, m.Next, nil
}

// listen notes what is acknowledged until the session has ended; nil if it ended as it should.
func (b *browserSession) listen(ctx context.Context, conn *websocket.Conn) error {
	for {
		m, err := b.receive(ctx, conn)
		switch {
		case websocket.CloseStatus(err) == websocket.StatusNormalClosure:
			return nil
		case err != nil:
			return err
		case m.Type == "ack":
			b.arrived(m.Frames)
		}
	}
}

func (b *browserSession) receive(ctx context.Context, conn *websocket.Conn) (m liveMessage, err error) {
	_, data, err := conn.Read(ctx)
	if err != nil {
		return m, fmt.Errorf("receive: %w", err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("receive: %w", err)
	}
	if m.Type == "error" && m.Error != nil {
		return m, scout.Errorf(scout.CodeUnavailable, "the session was refused: %s", m.Error.Message)
	}
	return m, nil
}

func (b *browserSession) arrived(frames int) {
	b.frames += max(0, frames-b.acked)
	b.acked = max(b.acked, frames)
}

// check ends the last session, and compares what the daemon has of each with what was sent.
func (b *browserSession) check(ctx context.Context, last bool) error {
	if !last {
		return nil // the next connection compares
	}
	if b.id != "" {
		within, cancel := context.WithTimeout(ctx, sessionEndsWithin)
		defer cancel()
		if err := b.session(within); err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
	for _, s := range b.ended {
		a, err := b.owner.do(ctx, http.MethodGet, api+"/recordings/"+s.id+"/audio", nil, nil)
		if err != nil {
			return err
		}
		if !a.ok() || !bytes.HasSuffix(a.body, s.sound) {
			b.wrong++
		}
	}
	return nil
}

func (b *browserSession) result() (string, int, int) {
	return "frames of sessions", b.frames, b.wrong
}
