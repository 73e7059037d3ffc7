package realtime_test

import (
	"context"
	"encoding/base64"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/realtime"
)

const appendOf, commitMessage = `{"type":"input_audio_buffer.append","audio":"`, `{"type":"input_audio_buffer.commit"}`

// scripted is a counting engine of which each request does something first.
type scripted struct {
	counting
	before func(ctx context.Context, n int64) error // the number of the request, from 1
	n      atomic.Int64
}

func (s *scripted) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	if err := s.before(ctx, s.n.Add(1)); err != nil {
		return nil, err
	}
	return s.counting.Transcribe(ctx, request)
}

// impatient are sessions whose items fail after a time.
func impatient(t *testing.T, e realtime.Engine, patience time.Duration, borrow func() error) *realtime.Sessions {
	t.Helper()
	return realtime.New(realtime.Options{
		Failures: observe.NewFailures(observe.Scope{}), Dir: t.TempDir(), Budget: freespace.NewBudget(t.TempDir(), func() int64 { return 0 }), MostAudio: time.Hour,
		Check: func(context.Context, realtime.Ask) *realtime.Problem { return nil }, Patience: patience, MostUnheard: time.Minute,
		Borrow: func(context.Context, realtime.Ask) (realtime.Recognizer, func(), error) {
			if err := borrow(); err != nil {
				return realtime.Recognizer{}, nil, err
			}
			return realtime.Recognizer{Model: "counting", Engine: e, Known: "en"}, func() {}, nil
		},
	})
}

// TestAQueueOutlivesAFailure has items wait for longer than one may wait for an engine that fails, which it does when it is their turn.
func TestAQueueOutlivesAFailure(t *testing.T) {
	t.Parallel()
	const patience = 2 * time.Second
	e := &scripted{}
	e.before = func(ctx context.Context, n int64) error {
		switch n {
		case 1:
			select {
			case <-time.After(patience + patience/4):
			case <-ctx.Done():
			}
		case 2, 3:
			return scout.Errorf(scout.CodeEngineCrashed, "it was killed")
		}
		return nil
	}
	var lent atomic.Int64
	c := open(t, impatient(t, e, patience, func() error {
		if lent.Add(1) == 2 {
			return scout.Errorf(scout.CodeEngineCrashed, "it starts")
		}
		return nil
	}))
	for i := range 3 {
		c.say(appendOf + spoken(i, 1) + `"}`)
		c.say(commitMessage)
	}
	for _, want := range []string{"wa", "wb", "wc"} {
		if got := c.until("completed")["transcript"]; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestAnEngineThatFailsForGood ends each item after its patience.
func TestAnEngineThatFailsForGood(t *testing.T) {
	t.Parallel()
	for situation, borrow := range map[string]func() error{
		"the engine fails":   func() error { return nil },
		"there is no engine": func() error { return scout.Errorf(scout.CodeEngineCrashed, "it does not start") },
	} {
		e := &counting{}
		e.fails.Store(1 << 60)
		c := open(t, impatient(t, e, 300*time.Millisecond, borrow))
		for i := range 2 {
			c.say(appendOf + spoken(i, 1) + `"}`)
			c.say(commitMessage)
		}
		for range 2 {
			if body, _ := c.until("failed")["error"].(map[string]any); body["type"] != "server_error" {
				t.Errorf("%s: %v", situation, body)
			}
		}
	}
}

// TestAnOldErrorIsForgotten lets a session wait for a model, which then works; health must not repeat the error.
func TestAnOldErrorIsForgotten(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	var once atomic.Bool
	e := &scripted{}
	e.before = func(context.Context, int64) error {
		if once.CompareAndSwap(false, true) {
			close(began)
		}
		return nil
	}
	var lent atomic.Int64
	all := impatient(t, e, time.Minute, func() error {
		if lent.Add(1) == 1 {
			return scout.Errorf(scout.CodeEngineCrashed, "it starts")
		}
		return nil
	})
	c := open(t, all)
	c.say(appendOf + spoken(0, 2) + `"}`)
	<-began
	if owed := realtime.Owed(c.session); owed != nil {
		t.Errorf("the engine works, and %v is kept", owed)
	}
	if got := all.Health().Probe(t.Context()); got.Status != health.Healthy {
		t.Errorf("%v", got)
	}
}

// TestNoWordIsSaidTwice breaks off an attempt after text was told.
func TestNoWordIsSaidTwice(t *testing.T) {
	t.Parallel()
	e := &counting{}
	c := open(t, sessions(t, e, nil))
	c.say(appendOf + spoken(0, 12) + `"}`)
	first := c.until("delta")["delta"]
	mend, err := realtime.BreakTape(c.session)
	if err != nil {
		t.Fatal(err)
	}
	c.say(appendOf + spoken(12, 6) + `"}`)
	for realtime.Owed(c.session) == nil {
		time.Sleep(time.Millisecond)
	}
	mend()
	c.say(commitMessage)
	deltas, _ := first.(string)
	for {
		event := c.until("")
		switch event["type"] {
		case "conversation.item.input_audio_transcription.delta":
			text, _ := event["delta"].(string)
			deltas += text
			continue
		case "conversation.item.input_audio_transcription.completed":
			const want = "wa wb wc wd we wf wg wh wi wj wk wl wm wn wo wp wq wr"
			if got := event["transcript"]; got != want || deltas != want {
				t.Errorf("%q, its deltas %q", got, deltas)
			}
			return
		case "conversation.item.input_audio_transcription.failed":
			t.Fatalf("%v", event)
		}
	}
}

// TestASessionThatEndsInSpeech ends while an item is open: its work must end, too.
func TestASessionThatEndsInSpeech(t *testing.T) {
	t.Parallel()
	all := sessions(t, &counting{}, nil)
	c := open(t, all)
	c.say(appendOf + spoken(0, 2) + `"}`)
	ended := make(chan struct{})
	go func() { c.session.Close("closed", ""); close(ended) }() // waited for
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on transcribing for nobody")
	}
	if all.Count() != 0 {
		t.Error("the session keeps its place")
	}
}

// TestAStuckSessionEnds fills a session whose engine hears nothing: a client that has gone must not keep its place.
func TestAStuckSessionEnds(t *testing.T) {
	t.Parallel()
	e := &counting{}
	e.fails.Store(1 << 60)
	c := open(t, impatient(t, e, 300*time.Millisecond, func() error { return nil }))
	c.say(`{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcmu"}}}}}`)
	quarter := appendOf + base64.StdEncoding.EncodeToString(make([]byte, 8000*15)) + `"}`
	for range 5 {
		c.say(quarter)
	}
	if err := c.session.Room(t.Context(), func() {}); err == nil {
		t.Error("there is room for more than a minute that nobody hears")
	}
}
