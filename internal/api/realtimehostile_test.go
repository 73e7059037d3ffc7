package api_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/scout-speech/scout/internal/browser"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/realtime"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// hearing has a server make text of tones in realtime sessions.
func hearing(model speechtest.ToneModel, lasts time.Duration) func(*served) {
	return func(s *served) {
		scope := observe.NewScope(nil, s.registry, nil)
		s.services.Realtime = realtime.New(realtime.Options{
			Scope: scope, Failures: observe.NewFailures(scope), Dir: s.dir, Budget: freespace.NewBudget(s.dir, func() int64 { return 0 }), MostAudio: time.Hour, Lasts: lasts,
			Check: func(context.Context, realtime.Ask) *realtime.Problem { return nil },
			Borrow: func(context.Context, realtime.Ask) (realtime.Recognizer, func(), error) {
				return realtime.Recognizer{Model: "a", Engine: model, Known: "en"}, func() {}, nil
			},
		})
	}
}

// dialect is one of the two.
type dialect struct {
	name, update, created string
	header                http.Header
}

func dialects() []dialect {
	return []dialect{
		{"GA", `{"type":"session.update","session":{"audio":{"input":{"turn_detection":DETECTION}}}}`, "session.created", http.Header{}},
		{
			"beta", `{"type":"transcription_session.update","session":{"turn_detection":DETECTION}}`, "transcription_session.created",
			http.Header{"Openai-Beta": {"realtime=v1"}},
		},
	}
}

// talk is a client of a session that reads all the time.
type talk struct {
	t      *testing.T
	conn   *websocket.Conn
	events chan map[string]any // closed with the connection
	err    error               // why it ended, when events is closed
	open   map[string]string   // deltas of items that are committed, or about to be
	said   []string            // by item
	errors []string            // codes
}

// talks opens a session in which the client says how turns are found.
func (s *served) talks(t *testing.T, d dialect, client, detection string) *talk {
	t.Helper()
	header := d.header.Clone()
	header.Set("X-Scout-Client", client)
	conn, _, err := s.dialRealtime("", header) //nolint:bodyclose // it is that of a WebSocket
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	c := &talk{t: t, conn: conn, events: make(chan map[string]any, 1<<14), open: map[string]string{}}
	var work sync.WaitGroup
	t.Cleanup(func() {
		_ = conn.CloseNow() // it has ended, or the server has
		work.Wait()
	})
	work.Go(func() { // ended by the end of the connection
		defer close(c.events)
		for {
			_, data, err := conn.Read(context.WithoutCancel(t.Context()))
			if err != nil {
				c.err = err
				return
			}
			var e map[string]any
			if c.err = json.Unmarshal(data, &e); c.err != nil {
				return
			}
			c.events <- e
		}
	})
	if got := c.next()["type"]; got != d.created {
		t.Fatalf("the first event is %v", got)
	}
	tells(t, conn, strings.ReplaceAll(d.update, "DETECTION", detection))
	return c
}

// next returns the next event, nil at the end of the connection. It keeps what was said, and looks whether deltas and text agree.
func (c *talk) next() map[string]any {
	c.t.Helper()
	var e map[string]any
	select {
	case e = <-c.events:
	case <-time.After(time.Minute):
		c.t.Fatal("no event for a minute")
	}
	item, _ := e["item_id"].(string)
	kind, _ := e["type"].(string)
	switch kind[strings.LastIndex(kind, ".")+1:] {
	case "committed":
		c.open[item] += ""
	case "delta":
		delta, _ := e["delta"].(string)
		c.open[item] += delta
	case "completed":
		text, _ := e["transcript"].(string)
		if deltas, there := c.open[item]; !there || deltas != text {
			c.t.Fatalf("%s is %q, its deltas %q", item, text, deltas)
		}
		delete(c.open, item)
		c.said = append(c.said, strings.Fields(text)...)
	case "failed":
		c.t.Fatalf("%v", e)
	case "error":
		body, _ := e["error"].(map[string]any)
		code, _ := body["code"].(string)
		c.errors = append(c.errors, code)
	}
	return e
}

// hears waits for so many words in all.
func (c *talk) hears(words int) {
	c.t.Helper()
	for len(c.said) < words {
		if c.next() == nil {
			c.t.Fatalf("the session ended after %q: %v", c.said, c.err)
		}
	}
	if got := strings.Join(c.said, " "); got != speechtest.ToneScript(0, words) {
		c.t.Errorf("it heard %s", got)
	}
}

// pcm is the sound of words at 24 kHz, 16 bits.
func pcm(from, to int) []byte {
	var data []byte
	for _, v := range speechtest.ToneSound(from, to, 24000) {
		data = binary.LittleEndian.AppendUint16(data, uint16(int16(math.Round(v*32767))))
	}
	return data
}

const commitsRealtime = `{"type":"input_audio_buffer.commit"}`

func (c *talk) sends(data []byte) {
	c.t.Helper()
	tells(c.t, c.conn, `{"type":"input_audio_buffer.append","audio":"`+base64.StdEncoding.EncodeToString(data)+`"}`)
}

// TestClientsOfRealtime has clients of both dialects do what they should not, or do rarely. Each gets all of its words.
func TestClientsOfRealtime(t *testing.T) {
	t.Parallel()
	everyone := listening(func(o *browser.Options) { o.MostPerClient = o.Most }) // one key has all of them, and a session ends a moment after its client
	s := serve(t, networked, everyone, hearing(speechtest.ToneModel{}, 0))
	const byServer = `{"type":"server_vad","silence_duration_ms":400}`
	for _, situation := range []struct {
		name, detection string
		words           int
		errors          string // all of them, and how often
		times           int
		do              func(c *talk)
	}{
		{"halves of samples", "null", 4, "", 0, func(c *talk) {
			data := pcm(0, 4)
			for n := 1; len(data) > 0; n += 2 {
				c.sends(data[:min(n, len(data))])
				data = data[min(n, len(data)):]
			}
			tells(c.t, c.conn, commitsRealtime)
		}},
		{"noise that is no base64", "null", 2, "invalid_value", 200, func(c *talk) {
			r := rand.New(rand.NewPCG(5, 5)) //nolint:gosec // the same for every run
			c.sends(pcm(0, 1))
			for range 200 {
				noise := make([]byte, 1+r.IntN(99))
				for i := range noise {
					noise[i] = "AB+/=-_ ~é"[r.IntN(11)]
				}
				text, err := json.Marshal(string(noise) + "!")
				if err != nil {
					c.t.Fatal(err)
				}
				tells(c.t, c.conn, `{"type":"input_audio_buffer.append","audio":`+string(text)+`}`)
			}
			c.sends(pcm(1, 2))
			tells(c.t, c.conn, commitsRealtime)
		}},
		{"a thousand commits of nothing", "null", 2, "input_audio_buffer_commit_empty", 1000, func(c *talk) {
			for range 1000 {
				tells(c.t, c.conn, commitsRealtime)
			}
			c.sends(pcm(0, 2))
			tells(c.t, c.conn, commitsRealtime)
		}},
		{"a thousand commits after an item", byServer, 2, "", 0, func(c *talk) {
			c.sends(pcm(0, 2))
			for range 1000 {
				tells(c.t, c.conn, commitsRealtime)
			}
		}},
		{"as fast as it takes it, with commits", "null", 200, "", 0, func(c *talk) {
			data := pcm(0, 200)
			for n := 1; len(data) > 0; n++ {
				c.sends(data[:min(4800, len(data))])
				if data = data[min(4800, len(data)):]; n%50 == 0 {
					tells(c.t, c.conn, commitsRealtime)
				}
			}
		}},
		{"as fast as it takes it, with turns", byServer, 200, "", 0, func(c *talk) {
			for k := range 200 {
				c.sends(pcm(k, k+1))
				if k%4 == 3 {
					c.sends(make([]byte, 48000)) // a second in which nobody speaks
				}
			}
			tells(c.t, c.conn, commitsRealtime)
		}},
		{"one large message", byServer, 60, "", 0, func(c *talk) {
			c.sends(append(pcm(0, 60), make([]byte, 2*48000)...))
			tells(c.t, c.conn, commitsRealtime)
		}},
	} {
		for _, d := range dialects() {
			t.Run(situation.name+", "+d.name, func(t *testing.T) {
				t.Parallel()
				c := s.talks(t, d, situation.name+d.name, situation.detection)
				situation.do(c)
				c.hears(situation.words)
				for len(c.errors) < situation.times && c.next() != nil {
				}
				for _, code := range c.errors {
					if code != situation.errors {
						t.Fatalf("an error %q", code)
					}
				}
				if len(c.errors) > situation.times {
					t.Errorf("%d errors, want %d", len(c.errors), situation.times)
				}
			})
		}
	}
}

// left waits until so many sessions are left.
func (s *served) left(sessions int) {
	for s.services.Realtime.Count() > sessions {
		time.Sleep(time.Millisecond) //nolint:forbidigo // the end of a connection takes a moment
	}
}

// TestARealtimeClientThatNeverReads is cut off, and costs only itself.
func TestARealtimeClientThatNeverReads(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, listening(), hearing(speechtest.ToneModel{}, 0), func(s *served) { s.times.Write = 200 * time.Millisecond })
	other := s.talks(t, dialects()[0], "other", "null")
	deaf, _, err := s.dialRealtime("", nil) //nolint:bodyclose // it is that of a WebSocket
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for nonsense := []byte(`{"type":"nonsense","event_id":"` + strings.Repeat("x", 500) + `"}`); deaf.Write(ctx, websocket.MessageText, nonsense) == nil; {
	}
	if ctx.Err() != nil {
		t.Fatal("it was not cut off")
	}
	s.left(1)
	other.sends(pcm(0, 1))
	tells(t, other.conn, commitsRealtime)
	other.hears(1)
}

// TestARealtimeClientWithoutPongs is cut off. One that answers may be silent.
func TestARealtimeClientWithoutPongs(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, listening(), hearing(speechtest.ToneModel{}, 0), func(s *served) { s.times.Ping, s.times.Pong = 20*time.Millisecond, 2*time.Second })
	silent := s.talks(t, dialects()[0], "silent", "null")
	if _, _, err := s.dialRealtime("", nil); err != nil { //nolint:bodyclose // it is that of a WebSocket; nobody reads it, so that no ping is answered
		t.Fatal(err)
	}
	s.left(1)
	silent.sends(pcm(0, 1))
	tells(t, silent.conn, commitsRealtime)
	silent.hears(1)
}

// TestPingsAreAnsweredWhileSoundWaits sends sound that nobody hears, and asks behind it whether the server is there.
func TestPingsAreAnsweredWhileSoundWaits(t *testing.T) {
	t.Parallel()
	hear := make(chan struct{})
	s := serve(t, networked, listening(), hearing(speechtest.ToneModel{Before: func(ctx context.Context) error { return waitFor(ctx, hear) }}, 0))
	c := s.talks(t, dialects()[0], "client", "null")
	const words = 240
	for k := 0; k < words; k += 20 {
		c.sends(pcm(k, k+20))
		tells(t, c.conn, commitsRealtime)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.conn.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	close(hear)
	c.hears(words)
}

func waitFor(ctx context.Context, what <-chan struct{}) error {
	select {
	case <-what:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// TestARealtimeSessionExpires while items wait for the engine, and one is open. All of them become text.
func TestARealtimeSessionExpires(t *testing.T) {
	t.Parallel()
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for lasts := 400 * time.Millisecond; ; lasts *= 2 { // until the sound comes in time
				hear := make(chan struct{})
				s := serve(t, networked, listening(), hearing(speechtest.ToneModel{Before: func(ctx context.Context) error { return waitFor(ctx, hear) }}, lasts))
				c := s.talks(t, d, "client", "null")
				time.AfterFunc(lasts+50*time.Millisecond, func() { close(hear) })
				const items = 3
				for i := range items {
					c.sends(pcm(2*i, 2*i+2))
					tells(t, c.conn, commitsRealtime)
				}
				c.sends(pcm(2*items, 2*items+2))
				if !c.ends(2*items+2, items+1) && lasts < 30*time.Second {
					continue
				}
				if websocket.CloseStatus(c.err) != websocket.StatusNormalClosure {
					t.Errorf("it was closed with %v", c.err)
				}
				return
			}
		})
	}
}

// ends reads to the end of a session that expires. It returns false if so many items did not come before.
func (c *talk) ends(words, items int) bool {
	committed, last := 0, ""
	for e := c.next(); e != nil; e = c.next() {
		last, _ = e["type"].(string)
		if last == "input_audio_buffer.committed" {
			committed++
		}
	}
	if len(c.open) > 0 || last != "error" || len(c.errors) != 1 || c.errors[0] != "session_expired" {
		c.t.Fatalf("the last event is %s; %d items are no text; errors %v; %v", last, len(c.open), c.errors, errors.Unwrap(c.err))
	}
	if committed < items {
		return false
	}
	c.hears(words)
	return true
}
