package service

import (
	"strings"
	"time"
	"unicode"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/speech/align"
)

// heardItems is what a client hears of a session.
type heardItems struct {
	order []string // items that were committed
	items map[string]*heardItem
}

// heardItem is what a client hears of an item.
type heardItem struct {
	words []heardWord
	ended bool
	end   time.Duration // where the server ended it; 0 if it did not say
	text  string
}

// heardWord is a word of a delta.
type heardWord struct {
	text  string
	at    time.Duration // since the beginning of the sound
	early bool          // it came before the end of its item
}

func (h *heardItems) of(id string) *heardItem {
	if h.items == nil {
		h.items = make(map[string]*heardItem)
	}
	if h.items[id] == nil {
		h.items[id] = &heardItem{}
	}
	return h.items[id]
}

func (h *heardItems) delta(id, delta string, at time.Duration) {
	it := h.of(id)
	for _, word := range strings.Fields(delta) {
		it.words = append(it.words, heardWord{word, at, !it.ended})
	}
}

func (h *heardItems) committed(id string) {
	h.of(id).ended = true
	h.order = append(h.order, id)
}

func (h *heardItems) stopped(id string, at time.Duration) { h.of(id).end = at }

func (h *heardItems) completed(id, text string) { h.of(id).text = text }

// measure completes a measurement of clips that were said one after the other.
func (h *heardItems) measure(clips []RealtimeClip, found RealtimeAlone) RealtimeAlone {
	var words []heardWord
	var texts, references, files []string
	from := time.Duration(0)
	for _, id := range h.order {
		it := h.items[id]
		words, texts = append(words, it.words...), append(texts, it.text)
		if it.end > from {
			found.Items = append(found.Items, RealtimeItem{from, it.end, it.text})
			from = it.end
		}
	}
	var known []scout.Word // their ends count from the beginning of the first clip, and are those of the messages that have them
	began := time.Duration(0)
	for i := range clips {
		c := &clips[i]
		length := time.Duration(len(c.Samples)) * time.Second / rate
		references, files = append(references, c.Reference), append(files, c.Text)
		for _, w := range c.Words {
			if w.End != nil {
				end := began + min((*w.End+frameEvery-1).Truncate(frameEvery), length)
				known = append(known, scout.Word{Text: w.Text, End: &end})
			}
		}
		began += length
	}
	var ages, early []time.Duration
	for _, pair := range align.Kept(len(known), len(words), func(i, j int) bool { return spoken(known[i].Text) == spoken(words[j].text) }) {
		w := words[pair.B]
		age := w.at - *known[pair.A].End
		if ages = append(ages, age); w.early {
			early = append(early, age)
		}
	}
	found.Known, found.Age, found.Early = len(known), bench.SpreadOf(ages), bench.SpreadOf(early)
	for _, age := range ages {
		if age <= found.Within {
			found.InTime++
		}
	}
	reference := bench.Words(strings.Join(references, " "))
	found.Live = bench.CountEdits(reference, bench.Words(strings.Join(texts, " ")))
	found.reference = reference
	found.File = bench.CountEdits(reference, bench.Words(strings.Join(files, " ")))
	found.WER, found.FileWER = shareOf(found.Live), shareOf(found.File)
	return found
}

// AsFiles takes what a single pass hears in each of the items.
func (r *RealtimeAlone) AsFiles(texts []string) {
	r.ItemWER = shareOf(bench.CountEdits(r.reference, bench.Words(strings.Join(texts, " "))))
}

// shareOf is how many errors there are for each word of the reference.
func shareOf(e bench.Edits) float64 { return float64(e.Errors()) / float64(max(e.Reference, 1)) }

// spoken is a word as it is compared.
func spoken(word string) string {
	return strings.ToLower(strings.TrimFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }))
}
