package speech

import (
	"cmp"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// A word that a person has seen as partial text must not vanish because a later decode of the same audio finds nothing in
// its place: the model sometimes loses a text when silence follows it. Only other, likelier words take its place.

// reasonForgets is why a hypothesis is doubted that has lost words although nobody spoke since.
const reasonForgets = "forgets"

// see takes a hypothesis of the open piece, and reports whether it may be used.
func (g *growth) see(p segment.Piece, d Decoded) bool {
	if g.seen.pausesSince(p) {
		if _, lost := g.seen.keep(p, d); lost.To > lost.From {
			return false
		}
	}
	g.hyp = hypothesis{start: p.Start, to: p.End(), text: d}
	g.ready.hear(&g.hyp)
	g.remember(g.hyp)
	return true
}

// remember keeps a hypothesis whose words must not vanish, if it is believable.
func (g *growth) remember(h hypothesis) {
	if h.text.confidence() >= believable {
		g.seen = h
	}
}

// keep returns the text of a piece with the believable words of this hypothesis that the text has lost, and the stretch in
// which they are, empty for none. If the text is doubtful, and the hypothesis has heard all that was said, that is one look
// more: the likelier words of both are taken.
func (h *hypothesis) keep(p segment.Piece, d Decoded) (Decoded, Span) {
	if !h.of(p.Start) {
		return d, Span{}
	}
	seen := h.text.Heard
	seen.Words = slices.DeleteFunc(slices.Clone(seen.Words), func(w scout.Word) bool {
		return w.Start != nil && w.End != nil && !inside(*w.Start, *w.End, d.Core.From, d.Core.To)
	})
	if len(seen.Words) == 0 {
		return d, Span{}
	}
	if d.doubtful() && h.text.Tokens > 0 && h.covers(p) {
		base, other := d.Heard, seen
		if h.text.confidence() > d.confidence() {
			base, other = other, base
		}
		merged := align.Merge(base, other)
		merged.From, merged.To = d.From, d.To
		d.replace(merged)
	}
	var found []scout.Word
	text := align.Fill(d.Heard, seen, func(lost []scout.Word) bool {
		if !d.misses(lost) {
			return false
		}
		found = append(found, lost...)
		return true
	})
	if len(found) == 0 {
		return d, Span{}
	}
	d.Heard = text
	d.Tokens, d.LogProb, d.Failed = d.Tokens+len(found), d.LogProb+sumLogProb(found), false
	until := segment.Duration(h.to)
	rest := hypothesis{start: h.start, to: h.to + restOfWord}
	if rest.covers(p) {
		until = max(until, d.Core.To) // nobody spoke after it
	}
	kept := d.recover(found, until)
	return d, kept
}

// misses reports whether words that another decode found, where this text has none, belong into it. Where the text is
// doubted they must be believable, anywhere else the model must be as sure of them as of a text that is not doubtful.
func (d *Decoded) misses(words []scout.Word) bool {
	doubted := d.doubtful() || d.Failed
	for _, w := range words {
		if w.Start == nil || w.End == nil {
			doubted = doubted || len(d.SetAside) > 0
			continue
		}
		for _, a := range d.SetAside {
			doubted = doubted || inside(*w.Start, *w.End, a.Start, a.End)
		}
		for _, e := range d.Empty {
			doubted = doubted || e.Least < wavering && inside(*w.Start, *w.End, e.From, e.To)
		}
	}
	if slices.ContainsFunc(words, func(w scout.Word) bool { return w.LogProb == nil }) {
		return doubted
	}
	least := EffortNormal.doubtful()
	if doubted {
		least = believable
	}
	return sumLogProb(words)/float64(len(words))*cmp.Or(d.Sureness, 1) >= least
}

// beside is how far a stretch that is set aside may be from found words and still be theirs: words end late or early.
const beside = 500 * time.Millisecond

// restOfWord is how much speech behind a hypothesis is the rest of its last word, in frames: 0.2 s.
const restOfWord = scout.EngineSampleRateHz / 5

// recover takes the stretches out of what was set aside, or has no words, in which words were found by a decode that heard
// the audio until a time. It returns the stretch of the words.
func (d *Decoded) recover(found []scout.Word, until time.Duration) Span {
	first, last := placed(found)
	if first == nil || last == nil {
		first, last = &d.Core.From, &d.Core.To
	}
	is := Span{*first, *last}
	var aside []scout.SetAside
	for _, a := range d.SetAside {
		if a.Start < is.To+beside && is.From-beside < a.End {
			a.Start = max(a.Start, until)
		}
		if a.Start < a.End {
			aside = append(aside, a)
		}
	}
	d.SetAside = aside
	d.Empty = slices.DeleteFunc(slices.Clone(d.Empty), func(e Empty) bool { return e.From < is.To && is.From < e.To })
	return is
}

// inside reports whether the middle of a word lies between two times.
func inside(start, end, from, to time.Duration) bool {
	middle := (start + end) / 2
	return middle >= from && middle < to
}
