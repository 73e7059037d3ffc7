package api_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// Messages that do not fit end the connection, with an error that says why. The session waits for the next one.
func TestHostileSound(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		send   func(s *served) *socket
		status websocket.StatusCode
		code   scout.Code
	}{
		"sound before the start":       {func(s *served) *socket { c := s.opened(); c.sound(0, nil); return c }, 1008, scout.CodeInvalidArgument},
		"a start that is no JSON":      {func(s *served) *socket { c := s.opened(); c.text(`{"type"`); return c }, 1008, scout.CodeInvalidArgument},
		"another first message":        {func(s *served) *socket { c := s.opened(); c.text(`{"type":"stop"}`); return c }, 1008, scout.CodeInvalidArgument},
		"a field that is unknown":      {func(s *served) *socket { c := s.opened(); c.text(`{"type":"start","colour":"red"}`); return c }, 1008, scout.CodeInvalidArgument},
		"a name twice":                 {func(s *served) *socket { c := s.opened(); c.text(`{"type":"start","type":"start"}`); return c }, 1008, scout.CodeInvalidArgument},
		"a start without a format":     {func(s *served) *socket { c := s.opened(); c.text(`{"type":"start"}`); return c }, 1008, scout.CodeInvalidArgument},
		"a rate that is none":          {func(s *served) *socket { return s.says(`{"sample_rate":7,"channels":1,"sample_format":"s16"}`) }, 1008, scout.CodeInvalidArgument},
		"a sample format that is none": {func(s *served) *socket { return s.says(`{"sample_rate":16000,"channels":1,"sample_format":"s24"}`) }, 1008, scout.CodeInvalidArgument},
		"too many channels":            {func(s *served) *socket { return s.says(`{"sample_rate":16000,"channels":65,"sample_format":"s16"}`) }, 1008, scout.CodeInvalidArgument},
		"an id that is none":           {func(s *served) *socket { c := s.opened(); c.text(`{"type":"start","id":"../../x"}`); return c }, 1008, scout.CodeRecordingNotFound},
		"a session that is not there": {func(s *served) *socket {
			c := s.opened()
			c.text(`{"type":"start","id":"` + string(exampleID) + `"}`)
			return c
		}, 1008, scout.CodeRecordingNotFound},
		"a binary message without position": {func(s *served) *socket { c := s.starts(); c.raw(websocket.MessageBinary, make([]byte, 7)); return c }, 1008, scout.CodeInvalidArgument},
		"half a frame":                      {func(s *served) *socket { c := s.starts(); c.sound(0, make([]byte, 6)); return c }, 1008, scout.CodeInvalidArgument},
		"a position beyond all reason":      {func(s *served) *socket { c := s.starts(); c.sound(1<<63, make([]byte, 4)); return c }, 1008, scout.CodeInvalidArgument},
		"text where sound is expected":      {func(s *served) *socket { c := s.starts(); c.text("hello"); return c }, 1008, scout.CodeInvalidArgument},
		"a second start":                    {func(s *served) *socket { c := s.starts(); c.text(startMessage); return c }, 1008, scout.CodeInvalidArgument},
		"a stop beyond all reason": {func(s *served) *socket {
			c := s.starts()
			c.text(`{"type":"stop","frames":18446744073709551615}`)
			return c
		}, 1008, scout.CodeInvalidArgument},
		"a stop with a negative number": {func(s *served) *socket { c := s.starts(); c.text(`{"type":"stop","frames":-1}`); return c }, 1008, scout.CodeInvalidArgument},
		"a cancel with frames":          {func(s *served) *socket { c := s.starts(); c.text(`{"type":"cancel","frames":1}`); return c }, 1008, scout.CodeInvalidArgument},
		"a message that is too long": {func(s *served) *socket {
			c := s.starts()
			c.raw(websocket.MessageBinary, make([]byte, 1<<20+1))
			return c
		}, 1009, ""},
		"another connection": {func(s *served) *socket { c := s.starts(); s.resumes(c.id); return c }, 1008, scout.CodeConflict},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := serve(t, listening())
			connection := c.send(s)
			if status, code := connection.closed(); status != c.status || code != c.code {
				t.Errorf("closed with %d %s, want %d %s", status, code, c.status, c.code)
			}
			if connection.id == "" {
				return
			}
			again := s.resumes(connection.id) // nothing happened to the session
			again.sound(again.next, speechtest.Sound(0, 2*speechtest.WordFrames))
			again.text(`{"type":"stop"}`)
			if final := again.until(event.Final); final.Text != speechtest.Script(0, 2) {
				t.Errorf("final %+v", final.Event)
			}
		})
	}
}

func (c *socket) raw(kind websocket.MessageType, data []byte) {
	c.t.Helper()
	_ = c.conn.Write(c.t.Context(), kind, data) // the other end may have closed the connection
}

// says sends a start with a format.
func (s *served) says(format string) *socket {
	s.t.Helper()
	c := s.opened()
	c.text(`{"type":"start","format":` + format + `}`)
	return c
}

// resumes goes on with a session.
func (s *served) resumes(id string) *socket {
	s.t.Helper()
	c := s.opened()
	c.text(`{"type":"start","id":"` + id + `"}`)
	c.ready()
	return c
}

// Requests that cannot become a WebSocket are refused in the form of every error.
func TestRequestsForAWebSocketAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, listening(), func(s *served) { s.network.KeysAlways = true })
	key := s.addKey("key_a", "client", 0)
	far := func(header http.Header) *websocket.DialOptions {
		return &websocket.DialOptions{HTTPClient: http.DefaultClient, HTTPHeader: header}
	}
	for situation, c := range map[string]struct {
		options   *websocket.DialOptions
		protocols []string
		status    int
		code      scout.Code
	}{
		"a key":                       {far(http.Header{"Authorization": {"Bearer " + key}}), nil, 101, ""},
		"a key as a protocol":         {far(nil), []string{v1.KeyProtocol + key}, 101, ""},
		"its own page":                {far(http.Header{"Origin": {"http://" + s.address}}), []string{v1.KeyProtocol + key}, 101, ""},
		"no key":                      {far(nil), nil, 401, scout.CodeInvalidAPIKey},
		"a wrong key":                 {far(nil), []string{v1.KeyProtocol + "sk-scout-" + strings.Repeat("x", 43)}, 401, scout.CodeInvalidAPIKey},
		"a page of another site":      {far(http.Header{"Origin": {"https://evil.example"}}), []string{v1.KeyProtocol + key}, 403, scout.CodeOriginNotAllowed},
		"a page that has no origin":   {far(http.Header{"Origin": {"null"}}), []string{v1.KeyProtocol + key}, 403, scout.CodeOriginNotAllowed},
		"a name of somebody's choice": {&websocket.DialOptions{HTTPClient: http.DefaultClient, Host: "evil.example"}, []string{v1.KeyProtocol + key}, 403, scout.CodeHostNotAllowed},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			_, response, err := s.dial(c.options, c.protocols...) //nolint:bodyclose // it is that of a WebSocket, or the library has read it
			if response == nil || response.StatusCode != c.status || scout.Code(response.Header.Get("X-Scout-Code")) != c.code {
				t.Fatalf("%v, %v; want %d %s", response, err, c.status, c.code)
			}
			if got := response.Header.Get("Sec-WebSocket-Protocol"); err == nil && got != v1.LiveProtocol {
				t.Errorf("the protocol is %q", got)
			}
		})
	}
	for situation, headers := range map[string][]string{
		"no upgrade":       {"Authorization", "Bearer " + key},
		"no protocol":      {"Authorization", "Bearer " + key, "Connection", "upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
		"an early version": {"Authorization", "Bearer " + key, "Connection", "upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "8", "Sec-WebSocket-Protocol", v1.LiveProtocol},
	} {
		if answer, body := s.ask("GET", "/api/v1/live", "", headers...); answer.StatusCode != 400 || answer.Header.Get("X-Scout-Code") != string(scout.CodeInvalidArgument) {
			t.Errorf("%s: %d %s", situation, answer.StatusCode, body)
		}
	}
}

// A client sees the sessions that it made, and no others.
func TestSessionsOfOthersAreNotThere(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, listening(), func(s *served) { s.network.KeysAlways = true })
	a, b := s.addKey("key_a", "client", 0), s.addKey("key_b", "client", 0)
	as := func(key string) *socket {
		c, _, err := s.dial(&websocket.DialOptions{HTTPClient: http.DefaultClient}, v1.KeyProtocol+key) //nolint:bodyclose // it is that of a WebSocket
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	mine := as(a)
	mine.text(startMessage)
	mine.ready()
	other := as(b)
	other.text(`{"type":"start","id":"` + mine.id + `"}`)
	if status, code := other.closed(); status != 1008 || code != scout.CodeRecordingNotFound {
		t.Errorf("closed with %d %s", status, code)
	}
	mine.sound(0, speechtest.Sound(0, speechtest.WordFrames))
	mine.text(`{"type":"stop"}`)
	mine.until(event.Final)
	for key, status := range map[string]int{a: 200, b: 404} {
		if answer, body := s.ask("GET", "/api/v1/recordings/"+mine.id, "", "Authorization", "Bearer "+key); answer.StatusCode != status {
			t.Errorf("%d %s, want %d", answer.StatusCode, body, status)
		}
	}
}

// Beyond the limits a request gets 429 instead of a WebSocket.
func TestTooManyConnectionsOfSound(t *testing.T) {
	t.Parallel()
	s := serve(t, listening())
	var all []*socket
	for range 32 {
		all = append(all, s.starts())
	}
	_, response, err := s.dial(nil) //nolint:bodyclose // the library has read it
	if err == nil || response == nil || response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") == "" {
		t.Fatalf("%v, %v", response, err)
	}
	all[0].text(`{"type":"stop"}`)
	all[0].closed()
	for { // the end of the connection takes a moment
		if _, _, err := s.dial(nil); err == nil { //nolint:bodyclose // as above
			break
		}
	}
}

// A client that never reads is cut off, and its session goes on. What it sent is kept.
func TestASenderThatNeverReads(t *testing.T) {
	t.Parallel()
	s := serve(t, listening(), func(s *served) { s.times.Write = 200 * time.Millisecond })
	s.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "unix", s.socket)
		if unix, is := c.(*net.UnixConn); is {
			_ = unix.SetReadBuffer(4096) // soon nothing more fits
		}
		return c, err
	}}}
	c := s.starts()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for at := 0; ; { // acknowledgements and events come, and nobody reads them
		err := c.conn.Write(ctx, websocket.MessageBinary, append(binary.LittleEndian.AppendUint64(nil, uint64(at)), speechtest.Sound(at, at+1600)...))
		if err != nil {
			break
		}
		at = min(at+1600, 300*speechtest.WordFrames)
		time.Sleep(time.Millisecond) //nolint:forbidigo // speech takes time
	}
	if ctx.Err() != nil {
		t.Fatal("it was not cut off")
	}
	again := s.resumes(c.id)
	if again.next == 0 {
		t.Error("nothing was kept")
	}
	again.text(`{"type":"stop"}`)
	if final := again.until(event.Final); final.Text != speechtest.Script(0, int(again.next)/speechtest.WordFrames) {
		t.Errorf("final %+v of %d frames", final.Event, again.next)
	}
}

// A client that sends a byte at a time is waited for, and keeps nobody else.
func TestASenderOfSingleBytes(t *testing.T) {
	t.Parallel()
	s := serve(t, listening())
	slow := s.raw(t, "GET /api/v1/live HTTP/1.1\r\nHost: s\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: "+v1.LiveProtocol+"\r\n\r\n")
	for _, b := range []byte{0x81, 0xfe, 0x00} { // the beginning of a message
		if _, err := slow.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	c := s.starts()
	c.sound(0, speechtest.Sound(0, speechtest.WordFrames))
	c.text(`{"type":"stop"}`)
	if final := c.until(event.Final); final.Text != speechtest.Script(0, 1) {
		t.Errorf("final %+v", final.Event)
	}
}

// A server that ends says so; the next one goes on with the session.
func TestSoundOverTheEndOfTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serveIn(t, dir, listening())
	c := s.starts()
	c.sound(0, speechtest.Sound(0, 3*speechtest.WordFrames))
	for acked := uint64(0); acked < 3*speechtest.WordFrames; {
		acked = c.until(v1.LiveTypeAck).Frames
	}
	closed := make(chan struct{})
	go func() { defer close(closed); s.close() }() // waited for
	if status, code := c.closed(); status != websocket.StatusServiceRestart || code != scout.CodeUnavailable {
		t.Errorf("closed with %d %s", status, code)
	}
	<-closed
	s = serveIn(t, dir, listening())
	again := s.resumes(c.id)
	if again.next != 3*speechtest.WordFrames {
		t.Errorf("the next frame is %d", again.next)
	}
	again.sound(again.next, speechtest.Sound(3*speechtest.WordFrames, 6*speechtest.WordFrames))
	again.text(`{"type":"stop"}`)
	if final := again.until(event.Final); final.Text != speechtest.Script(0, 6) {
		t.Errorf("final %+v", final.Event)
	}
}

// A connection ends with the key that let it in. Its session waits for another one.
func TestSoundEndsWithItsKey(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, listening(), func(s *served) { s.network.KeysAlways = true })
	key := s.addKey("key_a", "client", 0)
	c, _, err := s.dial(&websocket.DialOptions{HTTPClient: http.DefaultClient}, v1.KeyProtocol+key) //nolint:bodyclose // it is that of a WebSocket
	if err != nil {
		t.Fatal(err)
	}
	c.text(startMessage)
	c.ready()
	c.sound(0, speechtest.Sound(0, 2*speechtest.WordFrames))
	for acked := uint64(0); acked < 2*speechtest.WordFrames; {
		acked = c.until(v1.LiveTypeAck).Frames
	}
	if answer, body := s.do("DELETE", "/api/v1/keys/key_a", ""); answer.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", answer.StatusCode, body)
	}
	if status, code := c.closed(); status != websocket.StatusPolicyViolation || code != scout.CodeInvalidAPIKey {
		t.Errorf("closed with %d %s", status, code)
	}
	owner := s.resumes(c.id) // the owner sees everything
	owner.text(`{"type":"stop"}`)
	if final := owner.until(event.Final); final.Text != speechtest.Script(0, 2) {
		t.Errorf("final %+v", final.Event)
	}
}
