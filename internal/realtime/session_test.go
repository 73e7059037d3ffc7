package realtime_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/realtime"
)

// counting is an engine that hears a word in every second of the sound, by its number.
type counting struct {
	fails atomic.Int64 // so many requests fail
	most  atomic.Int64 // samples in a request
	slow  time.Duration
}

func (c *counting) Load(context.Context) (engine.Facts, error) { return engine.Facts{}, nil }

func (c *counting) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	if c.fails.Add(-1) >= 0 {
		return nil, scout.Errorf(scout.CodeEngineCrashed, "it was killed")
	}
	select {
	case <-time.After(c.slow):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c.most.Store(max(c.most.Load(), int64(len(request.Samples)))) // of one session, which asks for one thing at a time
	h := &scout.Hypothesis{}
	for at := 0; at < len(request.Samples); at++ {
		if v := request.Samples[at]; v > 0.5 { // one sample says which word it is
			start := time.Duration(at) * time.Second / rate
			end := start + 200*time.Millisecond
			prob := -0.1
			text := "w" + string(rune('a'+int(v*1000+0.5)-501))
			h.Words = append(h.Words, scout.Word{Text: text, Start: &start, End: &end, LogProb: &prob})
			h.Tokens = append(h.Tokens, scout.Token{ID: int32(len(h.Tokens)), Text: " " + text, Start: &start, LogProb: &prob})
			at += rate / 100
		}
	}
	return h, nil
}

// spoken is n seconds with a word in each.
func spoken(from, n int) string {
	data := make([]byte, 0, 2*rate*n)
	for i := range rate * n {
		v := int16(300)
		if i%2 == 0 {
			v = -300
		}
		if i%rate == rate/2 {
			v = int16(32768 * (0.501 + float64(from+i/rate)/1000))
		}
		data = append(data, byte(v), byte(v>>8))
	}
	return base64.StdEncoding.EncodeToString(data)
}

func sessions(t *testing.T, e *counting, borrow func() error) *realtime.Sessions {
	t.Helper()
	return realtime.New(realtime.Options{
		Failures: observe.NewFailures(observe.Scope{}), Dir: t.TempDir(), Budget: freespace.NewBudget(t.TempDir(), func() int64 { return 0 }), MostAudio: time.Hour,
		Check: func(context.Context, realtime.Ask) *realtime.Problem { return nil },
		Borrow: func(context.Context, realtime.Ask) (realtime.Recognizer, func(), error) {
			if borrow != nil {
				if err := borrow(); err != nil {
					return realtime.Recognizer{}, nil, err
				}
			}
			return realtime.Recognizer{Model: "counting", Engine: e, Known: "en"}, func() {}, nil
		},
	})
}

// client is one of a session.
type client struct {
	t       *testing.T
	session *realtime.Session
}

func open(t *testing.T, s *realtime.Sessions) client {
	t.Helper()
	one, err := s.Open(realtime.Order{Config: realtime.DefaultConfig("")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { one.Close("closed", "") })
	c := client{t, one}
	c.say(`{"type":"session.update","session":{"audio":{"input":{"turn_detection":null,"format":{"type":"audio/pcm","rate":16000}}}}}`)
	return c
}

func (c client) say(message string) {
	c.t.Helper()
	if err := c.session.Take([]byte(message), false); err != nil {
		c.t.Fatal(err)
	}
}

// until returns the next event of a type.
func (c client) until(suffix string) map[string]any {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for {
		data, err := c.session.Next(ctx)
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", suffix, err)
		}
		var e map[string]any
		if err := json.Unmarshal(data, &e); err != nil {
			c.t.Fatal(err)
		}
		if kind, _ := e["type"].(string); strings.HasSuffix(kind, suffix) {
			return e
		}
	}
}

// TestNoWordIsLostWithTheEngine lets the engine fail in the middle of a session.
func TestNoWordIsLostWithTheEngine(t *testing.T) {
	t.Parallel()
	e := &counting{}
	c := open(t, sessions(t, e, nil))
	const say, commit = `{"type":"input_audio_buffer.append","audio":"`, `{"type":"input_audio_buffer.commit"}`
	c.say(say + spoken(0, 3) + `"}`)
	e.fails.Store(3)
	c.say(say + spoken(3, 2) + `"}`)
	c.say(commit)
	c.say(say + spoken(5, 2) + `"}`)
	c.say(commit)
	for _, want := range []string{"wa wb wc wd we", "wf wg"} {
		if got := c.until("completed")["transcript"]; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestWhatWasSaidBeforeIsHeardAgain has items follow each other: their words are known better with those before them. What the client has
// forgotten, or wants in another language, is not heard again.
func TestWhatWasSaidBeforeIsHeardAgain(t *testing.T) {
	t.Parallel()
	e := &counting{}
	c := open(t, sessions(t, e, nil))
	for _, item := range []struct {
		before    string // a message
		from, n   int    // words
		want      string
		longest   time.Duration
		situation string
	}{
		{from: 0, n: 6, want: "wa wb wc wd we wf", longest: 6 * time.Second, situation: "the first item"},
		{from: 6, n: 2, want: "wg wh", longest: 6 * time.Second, situation: "one that follows, with 4 s"},
		{from: 8, n: 1, want: "wi", longest: 5 * time.Second, situation: "one that follows two"},
		{before: `{"type":"input_audio_buffer.append","audio":"` + spoken(20, 1) + `"}`, situation: "what is forgotten"},
		{before: `{"type":"input_audio_buffer.clear"}`, from: 9, n: 2, want: "wj wk", longest: 2 * time.Second, situation: "one behind sound that was forgotten"},
		{before: `{"type":"session.update","session":{"audio":{"input":{"transcription":{"language":"de"}}}}}`, from: 11, n: 2, want: "wl wm", longest: 2 * time.Second, situation: "another language"},
	} {
		if item.before != "" {
			c.say(item.before)
		}
		if item.n == 0 {
			continue
		}
		e.most.Store(0)
		c.say(`{"type":"input_audio_buffer.append","audio":"` + spoken(item.from, item.n) + `"}`)
		c.say(`{"type":"input_audio_buffer.commit"}`)
		if got := c.until("completed")["transcript"]; got != item.want {
			t.Errorf("%s: %q, want %q", item.situation, got, item.want)
		}
		if got := time.Duration(e.most.Load()) * time.Second / rate; got > item.longest || got <= item.longest-time.Second { // its end may be known already
			t.Errorf("%s: %v were heard at once, want %v", item.situation, got, item.longest)
		}
	}
}

// TestAModelThatIsGone tells that there will be no text, and goes on.
func TestAModelThatIsGone(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	gone.Store(true)
	c := open(t, sessions(t, &counting{}, func() error {
		if gone.Load() {
			return scout.Errorf(scout.CodeModelNotInstalled, "it was removed")
		}
		return nil
	}))
	c.say(`{"type":"input_audio_buffer.append","audio":"` + spoken(0, 1) + `"}`)
	c.say(`{"type":"input_audio_buffer.commit"}`)
	if body, _ := c.until("failed")["error"].(map[string]any); body["type"] != "server_error" || body["message"] != "it was removed" {
		t.Errorf("%v", body)
	}
	gone.Store(false)
	c.say(`{"type":"input_audio_buffer.append","audio":"` + spoken(1, 1) + `"}`)
	c.say(`{"type":"input_audio_buffer.commit"}`)
	if got := c.until("completed")["transcript"]; got != "wb" {
		t.Errorf("%q", got)
	}
}

// TestASessionThatReadsNothing is kept from sending more, and costs only itself.
func TestASessionThatReadsNothing(t *testing.T) {
	t.Parallel()
	all := sessions(t, &counting{}, nil)
	deaf, other := open(t, all), open(t, all)
	waits := false
	for range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		if err := deaf.session.Room(ctx, func() { waits = true; cancel() }); err != nil {
			cancel()
			break
		}
		cancel()
		deaf.say(`{"type":"input_audio_buffer.commit"}`) // of nothing
	}
	if !waits {
		t.Error("2000 answers wait for a client that reads nothing")
	}
	other.say(`{"type":"input_audio_buffer.append","audio":"` + spoken(0, 1) + `"}`)
	other.say(`{"type":"input_audio_buffer.commit"}`)
	if got := other.until("completed")["transcript"]; got != "wa" {
		t.Errorf("the other session has %q", got)
	}
}

// TestTheEndOfADaemon finishes what was committed.
func TestTheEndOfADaemon(t *testing.T) {
	t.Parallel()
	c := open(t, sessions(t, &counting{}, nil))
	c.say(`{"type":"input_audio_buffer.append","audio":"` + spoken(0, 1) + `"}`)
	c.say(`{"type":"input_audio_buffer.commit"}`)
	c.session.Finish(t.Context())
	c.session.Over()
	if got := c.until("completed")["transcript"]; got != "wa" {
		t.Errorf("%q", got)
	}
	if _, err := c.session.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}

func TestNoRoomForSound(t *testing.T) {
	t.Parallel()
	s := realtime.New(realtime.Options{Dir: t.TempDir(), Budget: freespace.NewBudget(t.TempDir(), func() int64 { return 1 << 60 }), MostAudio: time.Hour})
	if _, err := s.Open(realtime.Order{Config: realtime.DefaultConfig("")}); scout.CodeOf(err) != scout.CodeDiskLow {
		t.Errorf("%v", err)
	}
	if s.Count() != 0 {
		t.Error("a session is open")
	}
}

// TestLargeAnswersCount keeps a client from sending more while few large answers wait for it.
func TestLargeAnswersCount(t *testing.T) {
	t.Parallel()
	c := open(t, sessions(t, &counting{}, nil))
	item := `{"type":"conversation.item.create","item":{"type":"message","content":"` + strings.Repeat("x", 600<<10) + `"}}`
	c.say(item)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := c.session.Room(ctx, cancel); err == nil {
		t.Error("a client with 1 MiB to read may send more")
	}
}
