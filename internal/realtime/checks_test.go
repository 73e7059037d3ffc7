package realtime_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// reader is a client that believes what OpenAI documents.
type reader struct {
	w         *world
	ids       map[string]bool
	committed map[string]bool
	ended     map[string]bool // completed or failed
	deltas    map[string]string
	pieces    map[string]int // deltas
	texts     map[string]string
	speaks    string // the item in which somebody does
	last      any    // the item before
	errors    int
}

// check reads all events, and looks for every sample and every word.
func (w *world) check() {
	r := reader{w: w, last: nil, ids: map[string]bool{}, committed: map[string]bool{}, ended: map[string]bool{}, deltas: map[string]string{}, pieces: map[string]int{}, texts: map[string]string{}}
	for i, e := range w.events {
		r.read(i, e)
	}
	if r.speaks != "" {
		w.t.Fatalf("%s started and never stopped", r.speaks)
	}
	for item := range r.committed {
		if !r.ended[item] {
			w.t.Fatalf("%s has no end", item)
		}
	}
	if r.errors != w.errors {
		w.t.Fatalf("%d errors, %d were expected", r.errors, w.errors)
	}
	w.compareSound()
	w.compareWords(&r)
}

func (r *reader) read(i int, e map[string]any) {
	t := r.w.t
	kind, _ := e["type"].(string)
	id, _ := e["event_id"].(string)
	item, _ := e["item_id"].(string)
	if r.ids[id] || id == "" {
		t.Fatalf("event %d has the id %q", i, id)
	}
	r.ids[id] = true
	switch kind {
	case "session.created", "transcription_session.created":
		if i != 0 {
			t.Fatalf("%s is event %d", kind, i)
		}
	case "input_audio_buffer.speech_started":
		if r.speaks != "" {
			t.Fatalf("%s started while %s does", item, r.speaks)
		}
		r.speaks = item
	case "input_audio_buffer.speech_stopped":
		if r.speaks != item {
			t.Fatalf("%s stopped, %s started", item, r.speaks)
		}
		r.speaks = ""
	case "input_audio_buffer.committed":
		if r.committed[item] || e["previous_item_id"] != r.last || r.speaks != "" {
			t.Fatalf("%s was committed behind %v, the last was %v; %q started and did not stop", item, e["previous_item_id"], r.last, r.speaks)
		}
		r.committed[item] = true
	case "conversation.item.added", "conversation.item.created", "conversation.item.deleted":
		r.last = nil
		if items := conversationOf(t, r.w.events[:i+1]); len(items) > 0 {
			r.last = items[len(items)-1]
		}
	case "conversation.item.input_audio_transcription.delta":
		r.delta(item, e)
	case "conversation.item.input_audio_transcription.completed":
		transcript, _ := e["transcript"].(string)
		if !r.committed[item] || r.ended[item] || r.deltas[item] != transcript {
			t.Fatalf("%s is %q, its deltas %q, committed %t, ended %t", item, transcript, r.deltas[item], r.committed[item], r.ended[item])
		}
		r.ended[item], r.texts[item] = true, transcript
	case "conversation.item.input_audio_transcription.failed":
		if !r.committed[item] || r.ended[item] {
			t.Fatalf("%s failed, committed %t, ended %t", item, r.committed[item], r.ended[item])
		}
		r.ended[item] = true
	case "error":
		r.errors++
	}
}

func (r *reader) delta(item string, e map[string]any) {
	delta, _ := e["delta"].(string)
	if strings.TrimSpace(delta) == "" || r.ended[item] {
		r.w.t.Fatalf("a delta %q of %s", delta, item)
	}
	if r.w.machine.Beta() && !r.committed[item] {
		r.w.t.Fatalf("a delta of %s before it was committed", item)
	}
	if r.pieces[item]++; r.w.single && r.pieces[item] > 1 {
		r.w.t.Fatalf("%s has %d deltas", item, r.pieces[item])
	}
	r.deltas[item] += delta
}

// compareSound compares the recording with what the client sent.
func (w *world) compareSound() {
	if len(w.kept) != len(w.sent) {
		w.t.Fatalf("%d samples were kept, %d were sent", len(w.kept), len(w.sent))
	}
	for i, v := range w.sent {
		if w.kept[i] != float32(v)/32768 {
			w.t.Fatalf("sample %d of %d is %g, and was %d", i, len(w.sent), w.kept[i], v)
		}
	}
}

// compareWords compares the text of each item with what was said in it. What is in no item has no word, unless the client cleared it.
func (w *world) compareWords(r *reader) {
	at := int64(0)
	unheard := func(to int64) {
		for _, cleared := range w.clears {
			if cleared > at && cleared <= to {
				at = cleared
			}
		}
		if lost := w.wordsIn(at, to); len(lost) > 0 {
			w.t.Fatalf("%s is in no item: from %d to %d of %d", textOf(lost), at, to, len(w.kept))
		}
	}
	for _, s := range w.spans {
		if s.from < at {
			w.t.Fatalf("%s begins at %d, the item before ends at %d", s.id, s.from, at)
		}
		for _, cleared := range w.clears {
			if s.from < cleared && cleared < s.to {
				w.t.Fatalf("%s, from %d to %d, has sound that was cleared at %d", s.id, s.from, s.to, cleared)
			}
		}
		unheard(s.from)
		at = s.to
		if got, there := r.texts[s.id]; there && got != textOf(w.wordsIn(s.from, s.to)) {
			w.t.Fatalf("%s is %q, and %q was said", s.id, got, textOf(w.wordsIn(s.from, s.to)))
		}
		w.words += len(strings.Fields(r.texts[s.id]))
	}
	if len(w.spans) != len(r.committed) {
		w.t.Fatalf("%d items were committed, %d heard", len(r.committed), len(w.spans))
	}
	unheard(int64(len(w.kept)))
}

// TestRandomOrders has clients send their messages in any order, while the engine answers when it likes. $SCOUT_REALTIME_ORDERS says how many.
func TestRandomOrders(t *testing.T) {
	t.Parallel()
	orders := 40
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
