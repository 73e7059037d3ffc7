package realtime_test

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/realtime"
)

const (
	withoutTurns = `{"type":"session.update","session":{"audio":{"input":{"turn_detection":null}}}}`
	withTurns    = `{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"type":"server_vad"},"transcription":{"delay":"xhigh"}}}}}`
)

// TestTurnsAreSwitchedOff has the client find turns itself while somebody speaks, and leave them to the server again.
func TestTurnsAreSwitchedOff(t *testing.T) {
	t.Parallel()
	w := quiet(t)
	w.say(withTurns)
	w.events = nil
	w.speak(1700*time.Millisecond, false) // a tone from 0.5 to 1 s, and from 1.5 s
	w.want("speech_started")
	w.say(withoutTurns)
	w.want("speech_started", "speech_stopped", "updated")
	if item := w.events[0]["item_id"]; w.events[1]["item_id"] != item || w.events[1]["audio_end_ms"] != 1700.0 {
		t.Fatalf("%v, %v", w.events[0], w.events[1])
	}
	w.speak(time.Second, false)
	w.hear(true)
	w.say(withTurns)
	w.want("speech_started", "speech_stopped", "updated", "speech_started", "updated")
	if w.events[3]["item_id"] != w.events[0]["item_id"] || w.events[3]["audio_start_ms"] != 1700.0 {
		t.Fatalf("the second turn of the item: %v", w.events[3])
	}
	w.say(`{"type":"input_audio_buffer.clear"}`)
	if types := w.types(); types[5] != "speech_stopped" || types[6] != "cleared" {
		t.Fatalf("%v", types)
	}
}

// TestTurnsAreSwitchedOn has the server find turns where there are words already.
func TestTurnsAreSwitchedOn(t *testing.T) {
	t.Parallel()
	w := quiet(t)
	w.speak(3*time.Second, true)
	w.speak(time.Second, false) // a tone from 3.5 s
	w.hear(true)
	w.events = nil
	w.say(withTurns)
	w.want("speech_started", "updated")
	if got := w.events[0]["audio_start_ms"]; got != 3200.0 {
		t.Errorf("it began at %v ms, and the word 300 ms after 3200", got)
	}
}

// TestItemsAreAsLongAsTheyMay sends more than an item may have in one message.
func TestItemsAreAsLongAsTheyMay(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		update string
		silent bool
		least  int64
	}{
		"the client commits": {withoutTurns, true, 0},
		"the server does":    {withTurns, false, rate / 50},
	} {
		w := quiet(t)
		for seed := uint64(0); w.most != 4*time.Second; seed++ {
			w = newWorld(t, rand.New(rand.NewPCG(4, seed))) //nolint:gosec // the same for every run
		}
		w.say(c.update)
		data := make([]byte, 0, 2*rate*13)
		for i := range 13 * rate {
			v := int16(8000)
			if c.silent || i%rate < rate/5 {
				v = 8
			}
			if i%2 == 0 {
				v = -v
			}
			data = append(data, byte(v), byte(v>>8))
		}
		w.say(appendOf + base64.StdEncoding.EncodeToString(data) + `"}`)
		w.now = w.now.Add(time.Minute) // it does not wait for the engine
		w.machine.Advance(w.now)
		w.hearAll()
		if len(w.spans) != 3 {
			t.Fatalf("%s: %d items of 13 s, of which one may have 4 s", situation, len(w.spans))
		}
		for i, s := range w.spans {
			if long := s.to - s.from; long < 4*rate || long > 4*rate+c.least || i > 0 && s.from != w.spans[i-1].to {
				t.Errorf("%s: an item from %d to %d", situation, s.from, s.to)
			}
		}
	}
}

// TestAGuessIsWithdrawn lets the engine take words back: they do not keep a turn open.
func TestAGuessIsWithdrawn(t *testing.T) {
	t.Parallel()
	ends := map[bool]int{}
	for _, guessed := range []bool{false, true} {
		w := quiet(t)
		w.say(`{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"type":"server_vad","silence_duration_ms":1000},"transcription":{"delay":"xhigh"}}}}}`)
		w.speak(time.Second, false)
		it := w.machine.Next()
		for step := 1; ends[guessed] == 0 && step < 100; step++ {
			w.speak(100*time.Millisecond, true)
			to := time.Second + time.Duration(step)*100*time.Millisecond
			if guessed && step == 5 {
				w.machine.Guess(it, []scout.Word{{Text: "noise", Start: &to, End: &to}}, to, w.now)
				w.machine.Guess(it, nil, to, w.now)
			}
			w.machine.Hear(it, to, w.now)
			if strings.HasSuffix(strings.Join(w.types(), " "), "committed added") {
				ends[guessed] = step
			}
		}
	}
	if ends[true] != ends[false] || ends[true] == 0 {
		t.Errorf("the turn ends after %d steps, with words that were withdrawn after %d", ends[false], ends[true])
	}
}

// TestTheEndOfASession ends sessions with sound that is in no item yet.
func TestTheEndOfASession(t *testing.T) {
	t.Parallel()
	w := quiet(t)
	w.speak(2*time.Second, false)
	w.finish()
	if types := strings.Join(w.types(), " "); !strings.Contains(types, "committed added") || !strings.HasSuffix(types, "completed") {
		t.Errorf("the client was to commit: %s", types)
	}
	w = quiet(t)
	w.say(withTurns)
	w.events = nil
	w.speak(time.Second, true)
	start, end := 500*time.Millisecond, 700*time.Millisecond
	w.machine.Guess(w.machine.Next(), []scout.Word{{Text: "soft", Start: &start, End: &end}}, time.Second, w.now)
	if err := w.machine.Finish(w.now); err != nil {
		t.Fatal(err)
	}
	w.want("speech_started", "speech_stopped", "committed", "added")
}

// TestSpellings sends what means the same in other ways.
func TestSpellings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ message, kinds string }{
		{`{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"type":"server_vad","silence_duration_ms":500.0,"prefix_padding_ms":3e2,"idle_timeout_ms":6000.0},"format":{"type":"audio/pcm","rate":16000.0}}}}}`, "updated"},
		{`{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"silence_duration_ms":500.5}}}}}`, "error"},
		{`{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"silence_duration_ms":1e300}}}}}`, "error"},
		{`{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"silence_duration_ms":"500"}}}}}`, "error"},
		{`{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"silence_duration_ms":null,"idle_timeout_ms":null}}}}}`, "updated"},
		{`{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcmu","rate":8000.0}}}}}`, "updated"},
		{`{"type":"input_audio_buffer.append","audio":"AAA="}`, ""},
		{`{"type":"input_audio_buffer.append","audio":"AAA"}`, ""},
		{`{"type":"input_audio_buffer.append","audio":"\/\/8="}`, ""},
		{`{"type":"input_audio_buffer.append","audio":""}`, ""},
		{`{"type":"input_audio_buffer.append","audio":"===="}`, "error"},
		{`{"type":"input_audio_buffer.append","audio":"A"}`, "error"},
		{`{"type":"input_audio_buffer.append","audio":"AA=A"}`, "error"},
		{`{"type":"input_audio_buffer.append","audio":null}`, "error"},
		{`{"type":"input_audio_buffer.append","audio":7}`, "error"},
		{`{"type":"input_audio_buffer.append","audio":["AAA="]}`, "error"},
		{`{"type":"input_audio_buffer.append"}`, "error"},
		{`{"type":"conversation.item.create","item":{"id":"own"}}`, "error"},
		{`{"type":"conversation.item.create","item":{"type":null}}`, "error"},
	} {
		w := quiet(t)
		w.say(c.message)
		if got := strings.Join(w.types(), " "); got != c.kinds {
			t.Errorf("%s: %q, want %q", c.message, got, c.kinds)
		}
	}
}

// TestSamplesOfDays counts more samples than fit into nanoseconds at once.
func TestSamplesOfDays(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{8000, 24000, 48000} {
		const days = 400 * 24 * time.Hour
		if got := realtime.Lasting(int64(days/time.Second)*int64(rate)+int64(rate)/2, rate); got != days+time.Second/2 {
			t.Errorf("%d Hz: %s", rate, got)
		}
	}
}

// TestWhereItemsGo has the client put items between others.
func TestWhereItemsGo(t *testing.T) {
	t.Parallel()
	w := quiet(t)
	for _, c := range []struct {
		id, previous string
		after        any
		wrong        string
	}{
		{id: "b", previous: `null`},
		{id: "a", previous: `"root"`},
		{id: "c", previous: `"b"`, after: "b"},
		{id: "bb", previous: `"b"`, after: "b"},
		{id: "d", previous: `""`, after: "c"},
		{id: "e", previous: `"nobody"`, wrong: "previous_item_id"},
		{id: "e", previous: `7`, wrong: "previous_item_id"},
		{id: "a", previous: `null`, wrong: "item.id"},
		{id: "root", previous: `null`, wrong: "item.id"},
	} {
		w.events = nil
		w.say(`{"type":"conversation.item.create","previous_item_id":` + c.previous + `,"item":{"type":"message","id":"` + c.id + `"}}`)
		if c.wrong != "" {
			w.want("error")
			if body, _ := w.events[0]["error"].(map[string]any); body["param"] != c.wrong {
				t.Errorf("%s behind %s: %v", c.id, c.previous, body)
			}
			continue
		}
		w.want("added", "done")
		if got := w.events[0]["previous_item_id"]; got != c.after {
			t.Errorf("%s behind %s: behind %v, want %v", c.id, c.previous, got, c.after)
		}
	}
	w.say(`{"type":"conversation.item.delete","item_id":"d"}`)
	w.events = nil
	w.speak(time.Second, false)
	w.say(`{"type":"input_audio_buffer.commit"}`)
	for _, e := range w.events {
		if e["type"] == "input_audio_buffer.committed" && e["previous_item_id"] != "c" {
			t.Errorf("an item follows %v, and c is the last one that there is", e["previous_item_id"])
		}
	}
}
