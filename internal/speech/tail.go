package speech

import (
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// When the stop comes, most of the open piece is known: the last hypothesis heard all of it but the last moments. So only
// its end is decoded again, and the two texts are joined where they agree. Measured: docs/adr/0067-text-at-the-stop.md.
const (
	// tailShared bounds how much of that audio the hypothesis must have heard too, so that they can agree.
	tailShared, tailSharedMost = 1500 * time.Millisecond, 3 * time.Second
	// shortPause is how long nobody speaks before the text of what was said is made ready for a stop.
	shortPause = 120 * time.Millisecond
	// brief is by how much the times of a word differ between two decodes.
	brief = 100 * time.Millisecond
)

// Ends bounds what is decoded of the end of a piece at a stop. Ends begin at quiet points.
type Ends struct {
	// Least and Most bound how much audio is decoded, Longest bounds it for an old hypothesis.
	Least, Most, Longest time.Duration
	// SecondLeast and SecondMost bound the end that is decoded if the first one gave a text that is doubted or does not fit.
	SecondLeast, SecondMost time.Duration
	// Whole is the longest piece that is decoded whole, Rest the longest that is finished from a hypothesis, with a closed piece
	// before the open one.
	Whole, Rest time.Duration
}

// DefaultEnds returns what was measured best with Moonshine.
func DefaultEnds() Ends {
	return Ends{
		Least: 2500 * time.Millisecond, Most: 4500 * time.Millisecond, Longest: 6 * time.Second,
		SecondLeast: 5 * time.Second, SecondMost: 7 * time.Second, Whole: 6 * time.Second, Rest: 20 * time.Second,
	}
}

// ends are those of the trait.
func (t *Trait) ends() Ends {
	if t.Ends == (Ends{}) {
		return DefaultEnds()
	}
	return t.Ends
}

// hypothesis is a text of the open piece.
type hypothesis struct {
	start int64 // of the core of the piece
	to    int64 // the end of the audio that was heard
	text  Decoded
	// final says that it was decoded with the care of a final text.
	final bool
}

// of reports whether it is a text of a piece.
func (h *hypothesis) of(start int64) bool { return h.to > 0 && h.start == start }

// carry makes it a text of the piece that begins at next.
func (h *hypothesis) carry(next segment.Position) {
	from := segment.Duration(next.First())
	if h.to <= next.Start {
		*h = hypothesis{}
		return
	}
	words := make([]scout.Word, 0, len(h.text.Words))
	for _, w := range h.text.Words {
		if w.Start != nil && w.End != nil && (*w.Start+*w.End)/2 >= from {
			words = append(words, w)
		}
	}
	text := Decoded{Core: Span{segment.Duration(next.Start), h.text.Core.To}}
	text.From, text.To, text.EndLogProb, text.Words = from, h.text.To, h.text.EndLogProb, words
	*h = hypothesis{start: next.Start, to: h.to, text: text}
}

// tails returns the ends of a piece of which one must be decoded to finish this text of it, in the order in which they are
// tried; none if all of the piece must.
func (h *hypothesis) tails(p segment.Piece, e Ends) []segment.Piece {
	end, heard := p.To(), segment.Duration(h.to)
	if !h.of(p.Start) || p.HeardTo()-p.HeardFrom() <= e.Whole || p.After > 0 {
		return nil
	}
	earliest, latest := min(end-e.Most, heard-tailSharedMost), min(end-e.Least, heard-tailShared)
	if earliest = max(earliest, end-e.Longest); earliest > latest || earliest <= p.From() {
		return nil
	}
	var ends []segment.Piece
	if first, ok := p.Tail(earliest, latest); ok {
		ends = append(ends, first)
		if second, ok := p.Tail(end-e.SecondMost, min(end-e.SecondLeast, heard-tailShared)); ok && second.Start < first.Start {
			ends = append(ends, second)
		}
	}
	return ends
}

// extend returns the text of a piece whose end has been decoded, and false if the two do not fit together.
func (h *hypothesis) extend(p segment.Piece, end Decoded) (Decoded, bool) {
	return h.extendAt(p, end, (end.From+h.text.To)/2)
}

// extendAt is extend with the place at which the texts are joined, or near it.
func (h *hypothesis) extendAt(p segment.Piece, end Decoded, cut time.Duration) (Decoded, bool) {
	left, right := h.text.Heard, end.Heard
	seam := align.Join(left, right, cut)
	if seam.Agreed == 0 && len(left.Words) > 0 {
		_, last := placed(left.Words)
		first, _ := placed(right.Words)
		switch {
		case last == nil, len(right.Words) > 0 && first == nil:
			return Decoded{}, false // where they meet is not known
		case *last > right.From+brief && (first == nil || *first < left.To-brief):
			return Decoded{}, false // they contradict each other, or the end lost what was heard before
		case moved(left, right):
			return Decoded{}, false
		}
	}
	d := Decoded{Tokens: h.text.Tokens, LogProb: h.text.LogProb, Sureness: h.text.Sureness, Language: h.text.Language, LanguageProb: h.text.LanguageProb}
	d.From, d.To, d.EndLogProb, d.Words = p.HeardFrom(), p.HeardTo(), end.EndLogProb, align.Splice(left, right, seam)
	return d, true
}

// moved reports whether the last words of a text are also the first of the end, which lie where the text was heard and has no words: it
// may have placed them elsewhere.
func moved(left, right align.Heard) bool {
	for n := min(len(left.Words), len(right.Words)); n > 0; n-- {
		if end := right.Words[n-1].End; (end == nil || *end <= left.To+brief) && align.Alike(left.Words[len(left.Words)-n:], right.Words[:n]) {
			return true
		}
	}
	return false
}

// covers reports whether nothing of a piece is left to decode behind what was heard, because it is silent. What is merely
// as quiet as a pause is decoded: somebody may speak softly there, and only the decoder can tell.
func (h *hypothesis) covers(p segment.Piece) bool {
	if !h.of(p.Start) || h.to >= p.End() {
		return h.of(p.Start)
	}
	// Levels are those of whole steps of 10 ms, two at least: where less is left, what is heard already counts too.
	const step = scout.EngineSampleRateHz / 100
	steps := max(2, (p.End()-h.to+step-1)/step)
	return p.Behind(p.End()-steps*step).Peak() < silence
}

// pausesSince reports whether a piece is as quiet as a pause behind what was heard.
func (h *hypothesis) pausesSince(p segment.Piece) bool {
	return h.of(p.Start) && (h.to >= p.End() || p.Loudest(h.to).Kind == segment.EdgePause)
}

// hear takes a later text of the same piece: if none of its words ends behind those of this one, nothing was said in between.
// A text that is doubted stays as it is.
func (h *hypothesis) hear(later *hypothesis) {
	if !h.final || !h.of(later.start) || later.to <= h.to {
		return
	}
	_, last := placed(h.text.Words)
	behind := func(w scout.Word) bool {
		return w.Start == nil || w.End == nil || last == nil || *w.Start >= *last || *w.End > *last+brief
	}
	if slices.ContainsFunc(later.text.Words, behind) {
		*h = hypothesis{}
		return
	}
	h.to = later.to
}
