package realtime_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/realtime"
)

// rate is that of the sound in the tests, so that no sample is converted.
const rate = scout.EngineSampleRateHz

// world is a session with an engine and a client, on a clock of its own. In its sound a word is said in every second half of a second, unless
// the client pauses.
type world struct {
	t       *testing.T
	r       *rand.Rand
	now     time.Time
	machine *realtime.Machine
	events  []map[string]any
	ids     int
	kept    []float32
	sent    int64 // frames that the client sent

	current *realtime.Item // at the engine
	heard   int64          // frames of the session up to which it heard
	told    int            // words of the item that never change
	errors  int            // that are expected
	detects bool           // turns are found
	ended   time.Time      // when the last item did
	words   int            // that came
}

func newWorld(t *testing.T, r *rand.Rand) *world {
	w := &world{t: t, r: r, now: time.Unix(1_800_000_000, 0)}
	model := []string{"", "whisper-1", "gpt-realtime-whisper"}[r.IntN(3)]
	w.detects = model != "gpt-realtime-whisper"
	config, err := realtime.DefaultConfig(model).Update(json.RawMessage(`{"audio":{"input":{"format":{"type":"audio/pcm","rate":16000}}}}`), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.machine, err = realtime.NewMachine(realtime.MachineOptions{
		ID: "sess_1", Expires: w.now.Add(time.Hour), Config: config, Beta: r.IntN(4) == 0, Most: time.Minute,
		NewID: func(prefix string) string {
			w.ids++
			return fmt.Sprint(prefix, w.ids)
		},
		Send: func(e realtime.Event) {
			data, err := w.machine.Encode(&e)
			if err != nil {
				t.Fatal(err)
			}
			var decoded map[string]any
			if err := json.Unmarshal(data, &decoded); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			if decoded["type"] == "input_audio_buffer.committed" {
				w.ended = w.now
			}
			w.events = append(w.events, decoded)
		},
		Keep: func(samples []float32) error {
			w.kept = append(w.kept, samples...)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.machine.Start()
	return w
}

func (w *world) say(message string) {
	w.t.Helper()
	if err := w.machine.Message([]byte(message), w.now); err != nil {
		w.t.Fatalf("%s: %v", message, err)
	}
}

// sound is what the client says at a frame: a tone in the second half of every second.
func sound(frame int64) int16 {
	noise := 8 * math.Sin(float64(frame))
	if frame/(rate/2)%2 == 0 {
		return int16(noise)
	}
	return int16(noise + 8000*math.Sin(float64(frame)/4))
}

// speak sends so many bytes, of which a sample may be half.
func (w *world) speak(length time.Duration, silent bool) {
	frames := int64(length) * rate / int64(time.Second)
	data := make([]byte, 0, 2*frames)
	for range frames {
		v := sound(w.sent)
		if silent {
			v = int16(8 * math.Sin(float64(w.sent)))
		}
		data = append(data, byte(v), byte(v>>8))
		w.sent++
	}
	for len(data) > 0 {
		n := min(len(data), 1+w.r.IntN(8000))
		w.say(`{"type":"input_audio_buffer.append","audio":"` + base64.StdEncoding.EncodeToString(data[:n]) + `"}`)
		data = data[n:]
	}
}

// wordsIn are the words that begin in a stretch of the session: where the tone does.
func (w *world) wordsIn(from, to int64) (words []scout.Word) {
	for at := from; at < to; at++ {
		if at%rate == rate/2 && at+100 < int64(len(w.kept)) && math.Abs(float64(w.kept[at+2])) > 0.01 {
			start := time.Duration(at-from) * time.Second / rate
			end := start + 300*time.Millisecond
			words = append(words, scout.Word{Text: fmt.Sprintf("w%d", at/rate), Start: &start, End: &end})
		}
	}
	return words
}

// hear lets the engine go on.
func (w *world) hear(all bool) {
	it := w.machine.Next()
	if it == nil {
		return
	}
	if it != w.current {
		w.current, w.heard, w.told = it, it.Start, 0
	}
	until := w.machine.Until(it)
	if !all {
		until = w.heard + w.r.Int64N(until-w.heard+1)
	}
	w.heard = until
	words := w.wordsIn(it.Start, w.heard)
	to := time.Duration(w.heard-it.Start) * time.Second / rate
	ended := it.End >= 0 && w.heard == it.End
	certain := len(words)
	if !ended {
		certain = w.told + w.r.IntN(len(words)-w.told+1)
	}
	var text strings.Builder
	for i := w.told; i < certain; i++ {
		if i > 0 {
			text.WriteString(" ")
		}
		text.WriteString(words[i].Text)
	}
	fresh := words[w.told:certain]
	w.told = certain
	if len(fresh) > 0 || w.r.IntN(4) == 0 {
		w.machine.Add(it, text.String(), fresh, to, w.now)
	}
	w.machine.Guess(it, words[certain:], to, w.now)
	w.machine.Hear(it, to, w.now)
	if !ended {
		return
	}
	if w.r.IntN(10) == 0 {
		w.machine.Failed(it, "it broke")
	} else {
		w.machine.Done(it, []string{"en", ""})
	}
}

// step does something.
func (w *world) step() {
	w.now = w.now.Add(time.Duration(w.r.IntN(1500)) * time.Millisecond)
	length := time.Duration(w.r.IntN(1200)) * time.Millisecond
	refused := func(message string) {
		w.errors++
		w.say(message)
	}
	switch w.r.IntN(16) {
	case 0, 1, 2, 3:
		w.speak(length, false)
	case 4, 5:
		w.speak(length, true)
	case 6, 7, 8, 9:
		w.hear(w.r.IntN(2) == 0)
	case 10, 11:
		w.commit()
	case 12:
		w.say(`{"type":"input_audio_buffer.clear"}`)
	case 13:
		w.update()
	case 14:
		w.say(`{"type":"conversation.item.create","item":{"type":"message"}}`)
		if w.machine.Advance(w.now) != nil {
			w.t.Fatal("it does not go on")
		}
	case 15:
		switch w.r.IntN(5) {
		case 0:
			refused(`{"type":"response.create","event_id":"mine"}`)
		case 1:
			refused(`{"type":"input_audio_buffer.append","audio":"!"}`)
		case 2:
			refused(`{"type":"conversation.item.retrieve","item_id":"nobody"}`)
		case 3:
			refused(`[1]`)
		case 4:
			w.errors++
			if err := w.machine.Binary(); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// commit commits; OpenAI answers an empty commit with an error, and Scout with none right after an item.
func (w *world) commit() {
	before := len(w.events)
	w.say(`{"type":"input_audio_buffer.commit"}`)
	for _, e := range w.events[before:] {
		if e["type"] == "error" {
			w.errors++
			if code := codeOf(e); code != "input_audio_buffer_commit_empty" {
				w.t.Fatalf("a commit was answered with %s", code)
			}
			if w.detects && !w.ended.IsZero() && w.now.Sub(w.ended) <= 2*time.Second {
				w.t.Fatal("a commit right after an item was answered with an error")
			}
		}
	}
}

func codeOf(e map[string]any) string {
	body, _ := e["error"].(map[string]any)
	code, _ := body["code"].(string)
	return code
}

func (w *world) update() {
	detections := []string{
		`null`, `{"type":"server_vad"}`, `{"type":"server_vad","silence_duration_ms":200,"threshold":0}`, `{"type":"semantic_vad","eagerness":"high"}`,
	}
	detection := detections[w.r.IntN(len(detections))]
	delay := []string{`null`, `"minimal"`, `"xhigh"`}[w.r.IntN(3)]
	message := fmt.Sprintf(`{"type":"session.update","session":{"type":"transcription","audio":{"input":{"turn_detection":%s,"transcription":{"delay":%s}}}}}`, detection, delay)
	if w.machine.Beta() {
		message = fmt.Sprintf(`{"type":"transcription_session.update","session":{"turn_detection":%s}}`, detection)
	}
	w.say(message)
	w.detects = detection != "null"
}

// finish lets everything become text.
func (w *world) finish() {
	if err := w.machine.Finish(w.now); err != nil {
		w.t.Fatal(err)
	}
	for i := 0; ; i++ {
		if items, _ := w.machine.Waiting(); items == 0 {
			return
		}
		if w.hear(true); i > 10_000 {
			w.t.Fatal("items never become text")
		}
	}
}

// check reads all events as a client that believes what OpenAI documents.
func (w *world) check() {
	t := w.t
	ids := map[string]bool{}
	committed, ended, deltas, started := map[string]bool{}, map[string]bool{}, map[string]string{}, ""
	last, errors := any(nil), 0
	said := map[string]int{}
	for i, e := range w.events {
		kind, _ := e["type"].(string)
		id, _ := e["event_id"].(string)
		item, _ := e["item_id"].(string)
		if ids[id] || id == "" {
			t.Fatalf("event %d has the id %q", i, id)
		}
		ids[id] = true
		switch kind {
		case "session.created", "transcription_session.created":
			if i != 0 {
				t.Fatalf("%s is event %d", kind, i)
			}
		case "input_audio_buffer.speech_started":
			started = item
		case "input_audio_buffer.speech_stopped":
			if started != item {
				t.Fatalf("%s stopped, %s started", item, started)
			}
			started = ""
		case "input_audio_buffer.committed":
			if committed[item] || e["previous_item_id"] != last {
				t.Fatalf("%s was committed behind %v, the last was %v", item, e["previous_item_id"], last)
			}
			committed[item], last = true, item
		case "conversation.item.added", "conversation.item.created":
			body, _ := e["item"].(map[string]any)
			last = body["id"]
		case "conversation.item.input_audio_transcription.delta":
			delta, _ := e["delta"].(string)
			if strings.TrimSpace(delta) == "" || ended[item] {
				t.Fatalf("a delta %q of %s", delta, item)
			}
			if w.machine.Beta() && !committed[item] {
				t.Fatalf("a delta of %s before it was committed", item)
			}
			deltas[item] += delta
		case "conversation.item.input_audio_transcription.completed":
			transcript, _ := e["transcript"].(string)
			if !committed[item] || ended[item] || deltas[item] != transcript {
				t.Fatalf("%s is %q, its deltas %q, committed %t, ended %t", item, transcript, deltas[item], committed[item], ended[item])
			}
			ended[item] = true
			for _, word := range strings.Fields(transcript) {
				w.words++
				if said[word]++; said[word] > 1 {
					t.Fatalf("%s is in two items", word)
				}
			}
		case "conversation.item.input_audio_transcription.failed":
			if !committed[item] || ended[item] {
				t.Fatalf("%s failed, committed %t, ended %t", item, committed[item], ended[item])
			}
			ended[item] = true
		case "error":
			errors++
		}
	}
	for item := range committed {
		if !ended[item] {
			t.Fatalf("%s has no end", item)
		}
	}
	if errors != w.errors {
		t.Fatalf("%d errors, %d were expected", errors, w.errors)
	}
}

// TestRandomOrders has clients send their messages in any order, while the engine answers when it likes. $SCOUT_REALTIME_ORDERS says how many.
func TestRandomOrders(t *testing.T) {
	t.Parallel()
	orders := 300
	if text := os.Getenv("SCOUT_REALTIME_ORDERS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		orders = n
	}
	var words atomic.Int64
	t.Cleanup(func() {
		if words.Load() < int64(orders) {
			t.Errorf("only %d words came in %d orders", words.Load(), orders)
		}
	})
	for seed := range orders {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			w := newWorld(t, rand.New(rand.NewPCG(1, uint64(seed)))) //nolint:gosec // an order that can be repeated
			for range 20 + w.r.IntN(40) {
				w.step()
			}
			w.finish()
			w.check()
			words.Add(int64(w.words))
		})
	}
}
