package realtime_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
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
	most    time.Duration // of an item
	single  bool          // the model has one delta for each item
	events  []map[string]any
	ids     int
	kept    []float32
	sent    []int16 // samples of the client

	current *realtime.Item // at the engine
	heard   int64          // frames of the session up to which it heard
	told    int            // words of the item that never change
	spans   []span         // of the items that have ended
	clears  []int64        // where the client cleared its sound
	errors  int            // that are expected
	detects bool           // turns are found
	ended   time.Time      // when the last item did
	words   int            // that came
}

// span is where an item was.
type span struct {
	id       string
	from, to int64
}

func newWorld(t *testing.T, r *rand.Rand) *world {
	w := &world{t: t, r: r, now: time.Unix(1_800_000_000, 0)}
	model := []string{"", "whisper-1", "gpt-realtime-whisper"}[r.IntN(3)]
	w.detects, w.single = model != "gpt-realtime-whisper", model == "whisper-1"
	w.most = []time.Duration{time.Minute, 4 * time.Second}[r.IntN(2)]
	config, err := realtime.DefaultConfig(model).Update(json.RawMessage(`{"audio":{"input":{"format":{"type":"audio/pcm","rate":16000}}}}`), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.machine, err = realtime.NewMachine(realtime.MachineOptions{
		ID: "sess_1", Expires: w.now.Add(time.Hour), Config: config, Beta: r.IntN(4) == 0, Most: w.most,
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

// speak sends sound, cut anywhere.
func (w *world) speak(length time.Duration, silent bool) {
	frames := int64(length) * rate / int64(time.Second)
	data := make([]byte, 0, 2*frames)
	for range frames {
		at := int64(len(w.sent))
		v := sound(at)
		if silent {
			v = int16(8 * math.Sin(float64(at)))
		}
		data = append(data, byte(v), byte(v>>8))
		w.sent = append(w.sent, v)
	}
	for len(data) > 0 {
		n := min(len(data), 1+w.r.IntN(8000))
		w.append(data[:n])
		data = data[n:]
	}
}

func (w *world) append(data []byte) {
	w.t.Helper()
	w.say(`{"type":"input_audio_buffer.append","audio":"` + base64.StdEncoding.EncodeToString(data) + `"}`)
}

// clear has the client forget its sound, of which half a sample may be there.
func (w *world) clear() {
	if w.r.IntN(2) == 0 {
		w.append([]byte{77})
	}
	w.say(`{"type":"input_audio_buffer.clear"}`)
	w.clears = append(w.clears, int64(len(w.kept)))
}

// middle is where a word is known, behind its beginning: 100 ms of the tone.
const middle = rate / 10

// wordsIn are the words whose middle lies in a stretch of the session.
func (w *world) wordsIn(from, to int64) (words []scout.Word) {
	for at := (from/rate)*rate + rate/2 + middle; at < to; at += rate {
		loud := 0.0
		for _, v := range w.kept[at-8 : at] {
			loud = max(loud, math.Abs(float64(v)))
		}
		if at < from || loud < 0.01 {
			continue
		}
		start := time.Duration(max(0, at-middle-from)) * time.Second / rate
		end := time.Duration(at+rate/5-from) * time.Second / rate
		words = append(words, scout.Word{Text: fmt.Sprintf("w%d", at/rate), Start: &start, End: &end})
	}
	return words
}

func textOf(words []scout.Word) string {
	all := make([]string, len(words))
	for i := range words {
		all[i] = words[i].Text
	}
	return strings.Join(all, " ")
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
	text := textOf(words[w.told:certain])
	if w.told > 0 && text != "" {
		text = " " + text
	}
	fresh := words[w.told:certain]
	w.told = certain
	if certain == len(words) {
		w.machine.Through(it, to)
	}
	if len(fresh) > 0 || w.r.IntN(4) == 0 {
		w.machine.Add(it, text, fresh, to, w.now)
	}
	w.machine.Guess(it, words[certain:], to, w.now)
	w.machine.Hear(it, to, w.now)
	if !ended {
		return
	}
	w.spans = append(w.spans, span{it.ID, it.Start, it.End})
	if w.r.IntN(10) == 0 {
		w.machine.Failed(it, "it broke")
	} else {
		w.machine.Done(it, []string{"en", ""}, nil)
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
		w.clear()
	case 13:
		w.update()
	case 14:
		w.converse()
		w.machine.Advance(w.now)
	case 15:
		switch w.r.IntN(6) {
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
		case 5:
			w.speak(5*time.Second, false) // longer than an item may be
		}
	}
}

// converse has the client put an item anywhere, or delete one.
func (w *world) converse() {
	items := conversationOf(w.t, w.events)
	one := "root"
	if len(items) > 0 {
		one = items[w.r.IntN(len(items))]
	}
	switch w.r.IntN(5) {
	case 0:
		w.say(`{"type":"conversation.item.create","item":{"type":"message"}}`)
	case 1:
		w.say(`{"type":"conversation.item.create","previous_item_id":"root","item":{"type":"message"}}`)
	case 2:
		w.say(`{"type":"conversation.item.create","previous_item_id":"` + one + `","item":{"type":"message"}}`)
	case 3:
		w.errors++
		w.say(`{"type":"conversation.item.create","previous_item_id":"nobody","item":{"type":"message"}}`)
	case 4:
		if one == "root" {
			w.errors++
		}
		w.say(`{"type":"conversation.item.delete","item_id":"` + one + `"}`)
	}
}

// conversationOf are the items that events tell of, in their order.
func conversationOf(t *testing.T, events []map[string]any) (items []string) {
	t.Helper()
	for _, e := range events {
		switch e["type"] {
		case "conversation.item.added", "conversation.item.created":
			at := 0
			if previous, there := e["previous_item_id"].(string); there {
				if at = 1 + slices.Index(items, previous); at == 0 {
					t.Fatalf("an item was added behind %s, which nobody knows: %v", previous, items)
				}
			}
			body, _ := e["item"].(map[string]any)
			id, _ := body["id"].(string)
			items = slices.Insert(items, at, id)
		case "conversation.item.deleted":
			items = slices.DeleteFunc(items, func(id string) bool { return id == e["item_id"] })
		}
	}
	return items
}

// commit commits; OpenAI answers an empty commit with an error, and Scout with none right after an item.
func (w *world) commit() {
	from := realtime.OpenStart(w.machine)
	if n := len(w.clears); n > 0 {
		from = max(from, w.clears[n-1])
	}
	open, before := int64(len(w.kept))-from, len(w.events)
	late := w.detects && !w.ended.IsZero() && w.now.Sub(w.ended) <= 2*time.Second
	w.say(`{"type":"input_audio_buffer.commit"}`)
	committed, refused := false, false
	for _, e := range w.events[before:] {
		committed = committed || e["type"] == "input_audio_buffer.committed"
		if e["type"] == "error" {
			w.errors++
			if refused = true; codeOf(e) != "input_audio_buffer_commit_empty" {
				w.t.Fatalf("a commit was answered with %s", codeOf(e))
			}
		}
	}
	if enough := open >= rate*99/1000; committed != enough || refused != (!enough && !late) { // 1 ms may be lost by rounding
		w.t.Fatalf("a commit of %d frames, late %t: committed %t, refused %t", open, late, committed, refused)
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
	w.speak(time.Second, true)
	for range 2 { // what it heard may begin a turn
		w.hearAll()
		w.machine.Advance(w.now)
	}
	if err := w.machine.Finish(w.now); err != nil {
		w.t.Fatal(err)
	}
	w.hearAll()
	if items, _, _ := w.machine.Waiting(); items > 0 {
		w.t.Fatalf("%d items never become text", items)
	}
}

// hearAll lets the engine hear everything.
func (w *world) hearAll() {
	for range 10_000 {
		it := w.machine.Next()
		if it == nil || it == w.current && it.End < 0 && w.heard == w.machine.Until(it) {
			return
		}
		w.hear(true)
	}
}
