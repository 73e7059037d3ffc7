package api_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/browser"
	"github.com/scout-speech/scout/internal/browser/browsertest"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech/speechtest"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
)

// listening has a server take sound, whose text a model of the tests makes. change, where it is given, changes how.
func listening(change ...func(*browser.Options)) func(*served) {
	return func(s *served) {
		folder, err := recording.OpenBrowser(filepath.Join(s.dir, "browser"))
		if err != nil {
			s.t.Fatal(err)
		}
		s.history = history.New(observe.Scope{}, s.store, ondisk.Folders{{Folder: s.folder, Source: store.SourceMicrophone}, {Folder: folder, Source: store.SourceBrowser}})
		s.services.History, s.uploads.History = s.history, s.history
		scope := observe.NewScope(nil, s.registry, nil)
		failures := observe.NewFailures(scope)
		o := browser.Options{
			Folder: folder, Promises: &browsertest.Promises{}, See: s.history.See, Budget: freespace.NewBudget(s.dir, func() int64 { return 0 }),
			MostAudio: time.Hour, Resume: time.Minute, Most: 32, MostPerClient: 8, SyncEvery: 10 * time.Millisecond, MissingWithin: 100 * time.Millisecond,
			Scope: scope, Failures: failures,
		}
		for _, c := range change {
			c(&o)
		}
		sessions := browser.New(o)
		d := dictate.New(dictate.Options{
			Scope: scope, Failures: failures, Recorder: browsertest.Recorder{Nowhere: s.folder}, Sent: sessions, Store: s.store, See: s.history.See, Language: "en",
			Borrow: func(context.Context, string, string) (dictate.Recognizer, func(), error) {
				return dictate.Recognizer{Model: "a", Engine: speechtest.Model{}, Language: func(string) (string, error) { return "en", nil }}, func() {}, nil
			},
		})
		d.Open(s.t.Context())
		ctx, cancel := context.WithCancelCause(context.Background())
		ended := make(chan error, 2)
		go func() { ended <- d.Run(ctx) }()           // ended by the end of the server
		go func() { ended <- sessions.Run(ctx, d) }() // as above
		s.services.Live, s.services.Browser, s.services.Folders = d, sessions, append(s.services.Folders, folder)
		s.ends = append(s.ends, func() {
			cancel(errors.New("the server ends"))
			for range 2 {
				if err := <-ended; err != nil {
					s.t.Error(err)
				}
			}
		})
	}
}

// flaky passes connections on to a socket, and breaks them.
type flaky struct {
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// breakAll ends every connection, as a network does that goes away.
func (f *flaky) breakAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.open {
		_ = c.Close() // the other end sees it
		delete(f.open, c)
	}
}

// between passes connections on from a new socket to that of the server.
func (f *flaky) between(s *served) string {
	s.t.Helper()
	f.open = make(map[net.Conn]struct{})
	dir, err := os.MkdirTemp("", "flaky") // the path of a socket is short
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) }) // it is of no use any more
	path := filepath.Join(dir, "s")
	listener, err := new(net.ListenConfig).Listen(s.t.Context(), "unix", path)
	if err != nil {
		s.t.Fatal(err)
	}
	var work sync.WaitGroup
	s.t.Cleanup(func() {
		_ = listener.Close() // the loop sees it
		f.breakAll()
		work.Wait()
	})
	work.Go(func() { // ended by the end of the test
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := new(net.Dialer).DialContext(context.Background(), "unix", s.socket)
			if err != nil {
				_ = from.Close() // the server is not there
				continue
			}
			f.mu.Lock()
			f.open[from], f.open[to] = struct{}{}, struct{}{}
			f.mu.Unlock()
			pass := func(to, from net.Conn) {
				buffer := make([]byte, 4096)
				for {
					n, err := from.Read(buffer)
					if n > 0 {
						if _, err := to.Write(buffer[:n]); err != nil {
							break
						}
					}
					if err != nil {
						break
					}
				}
				_, _ = to.Close(), from.Close() // both ends see it
			}
			work.Go(func() { pass(to, from) })
			work.Go(func() { pass(from, to) })
		}
	})
	return path
}

// spoken is the format of speechtest.Sound.
var spoken = v1.LiveFormat{SampleRate: speechtest.RateHz, Channels: 1, SampleFormat: "f32"}

// A client whose connections break at random places gets every word, with each event once and in order.
func TestSoundOverConnectionsThatBreak(t *testing.T) {
	t.Parallel()
	for round := range 8 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("%d, seed %d", round, seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			s := serve(t, listening())
			network := &flaky{}
			c, err := client.Connect(t.Context(), client.Options{Socket: network.between(s), Version: "test"})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var numbers []uint64
			var committed strings.Builder
			l, err := c.Live(t.Context(), client.LiveOptions{Begin: v1.LiveBegin{Format: spoken, Title: "a talk"}, Event: func(e event.Event) {
				if e.Seq > 0 {
					numbers = append(numbers, e.Seq)
				}
				if e.Type == event.Committed {
					committed.WriteString(e.Text)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			words := 1 + random.IntN(25)
			for at := 0; at < words*speechtest.WordFrames; {
				to := min(at+1+random.IntN(9000), words*speechtest.WordFrames)
				if err := l.Write(t.Context(), speechtest.Sound(at, to)); err != nil {
					t.Fatal(err)
				}
				at = to
				switch random.IntN(5) {
				case 0:
					network.breakAll()
				case 1:
					time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond) //nolint:forbidigo // speech takes time
				}
			}
			if random.IntN(2) == 0 {
				time.AfterFunc(time.Duration(random.IntN(20))*time.Millisecond, network.breakAll)
			}
			final, err := l.Stop(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := speechtest.Script(0, words)
			if final.Text != want || final.Complete == nil || !*final.Complete || strings.TrimSpace(committed.String()) != want {
				t.Errorf("final %q, committed %q, want %q", final.Text, committed.String(), want)
			}
			for i, n := range numbers {
				if n != uint64(i)+1 {
					t.Fatalf("events %v", numbers)
				}
			}
			if l.Acked() != uint64(words*speechtest.WordFrames) {
				t.Errorf("%d frames are acknowledged", l.Acked())
			}
			if r, err := s.store.Recording(t.Context(), l.ID()); err != nil || r.Title != "a talk" || r.Source != store.SourceBrowser || r.State != "finished" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// socket is a WebSocket of a test.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
	id   string
	next uint64
}

// dial opens a WebSocket. The answer is that of a refusal.
func (s *served) dial(options *websocket.DialOptions, subprotocols ...string) (*socket, *http.Response, error) {
	s.t.Helper()
	o := websocket.DialOptions{HTTPClient: s.client, Subprotocols: append([]string{v1.LiveProtocol}, subprotocols...)}
	at := "http://scout/api/v1/live"
	if options != nil {
		o.HTTPHeader, o.Host = options.HTTPHeader, options.Host
		if options.HTTPClient != nil {
			o.HTTPClient, at = options.HTTPClient, "http://"+s.address+"/api/v1/live"
		}
	}
	conn, response, err := websocket.Dial(s.t.Context(), at, &o)
	if err != nil {
		return nil, response, err
	}
	conn.SetReadLimit(1 << 20)
	s.t.Cleanup(func() { _ = conn.CloseNow() }) // most have ended
	return &socket{t: s.t, conn: conn}, response, nil
}

// opened opens a WebSocket that has said nothing yet.
func (s *served) opened() *socket {
	s.t.Helper()
	c, _, err := s.dial(nil) //nolint:bodyclose // as above
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (c *socket) text(message string) {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), websocket.MessageText, []byte(message)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *socket) sound(at uint64, pcm []byte) {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), websocket.MessageBinary, append(binary.LittleEndian.AppendUint64(nil, at), pcm...)); err != nil {
		c.t.Fatal(err)
	}
}

const startMessage = `{"type":"start","format":{"sample_rate":16000,"channels":1,"sample_format":"f32"}}`

// start begins a session.
func (s *served) starts() *socket {
	s.t.Helper()
	c := s.opened()
	c.text(startMessage)
	c.ready()
	return c
}

// ready reads the answer to a start.
func (c *socket) ready() {
	c.t.Helper()
	m := c.until(v1.LiveTypeReady)
	c.id, c.next = m.ID, m.NextFrame
}

// until reads messages until one of a type.
func (c *socket) until(kind string) v1.LiveMessage {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, data, err := c.conn.Read(ctx)
		if err != nil {
			c.t.Fatalf("before %s: %v", kind, err)
		}
		var m v1.LiveMessage
		if err := json.Unmarshal(data, &m); err != nil {
			c.t.Fatalf("%s: %v", data, err)
		}
		if m.Type == kind {
			return m
		}
	}
}

// closed reads to the end, and returns the status of the close and the code of the error before it.
func (c *socket) closed() (status websocket.StatusCode, code scout.Code) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, data, err := c.conn.Read(ctx)
		if err != nil {
			return websocket.CloseStatus(err), code
		}
		var m v1.LiveMessage
		if json.Unmarshal(data, &m) == nil && m.Type == v1.LiveTypeError {
			code = m.Error.Code
		}
	}
}

// A conversation, message by message.
func TestAConversationOfSound(t *testing.T) {
	t.Parallel()
	s := serve(t, listening())
	c := s.starts()
	if !recording.ID(c.id).Valid() || c.next != 0 {
		t.Fatalf("ready: %q, next frame %d", c.id, c.next)
	}
	const frames = 5 * speechtest.WordFrames
	c.sound(0, speechtest.Sound(0, frames))
	for acked := uint64(0); acked < frames; {
		acked = c.until(v1.LiveTypeAck).Frames
	}
	c.text(fmt.Sprintf(`{"type":"stop","frames":%d}`, frames))
	if final := c.until(event.Final); final.Text != speechtest.Script(0, 5) || final.Version != 1 {
		t.Errorf("final %+v", final.Event)
	}
	if done := c.until(event.State); done.State != event.Done {
		t.Errorf("the last event is %+v", done.Event)
	}
	if status, code := c.closed(); status != websocket.StatusNormalClosure || code != "" {
		t.Errorf("closed with %d %s", status, code)
	}
	_, body := s.do("GET", "/api/v1/recordings/"+c.id, "")
	if !strings.Contains(body, `"source":"browser"`) || !strings.Contains(body, `"state":"finished"`) {
		t.Error(body)
	}
	if answer, body := s.do("GET", "/api/v1/recordings/"+c.id+"/audio", ""); answer.StatusCode != 200 || len(body) != recording.HeaderBytes+4*frames {
		t.Errorf("%d, %d bytes of audio", answer.StatusCode, len(body))
	}

	// Who comes back when all is over is told so, and gets what was said.
	again := s.opened()
	again.text(`{"type":"start","id":"` + c.id + `","after":1}`)
	ready := again.until(v1.LiveTypeReady)
	if ready.NextFrame != frames || ready.Ended != "stopped" {
		t.Errorf("ready %+v", ready)
	}
	again.sound(frames, speechtest.Sound(0, 100))
	if final := again.until(event.Final); final.Text != speechtest.Script(0, 5) {
		t.Errorf("final %+v", final.Event)
	}
	if status, code := again.closed(); status != websocket.StatusNormalClosure || code != "" {
		t.Errorf("closed with %d %s", status, code)
	}
}

// A cancelled session has sound and no text.
func TestSoundThatIsCancelled(t *testing.T) {
	t.Parallel()
	s := serve(t, listening())
	c := s.starts()
	c.sound(0, speechtest.Sound(0, speechtest.WordFrames))
	c.text(`{"type":"cancel"}`)
	for state := c.until(event.State); state.State != event.Failed; state = c.until(event.State) {
		if state.State == event.Done {
			t.Fatalf("%+v", state)
		}
	}
	if status, code := c.closed(); status != websocket.StatusNormalClosure || code != "" {
		t.Errorf("closed with %d %s", status, code)
	}
	if answer, body := s.do("GET", "/api/v1/transcripts/"+c.id, ""); answer.StatusCode != 404 {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
	if answer, _ := s.do("GET", "/api/v1/recordings/"+c.id+"/audio", ""); answer.StatusCode != 200 {
		t.Errorf("%d", answer.StatusCode)
	}
}
