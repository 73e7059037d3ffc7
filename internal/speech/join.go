package speech

import (
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/text/sentence"
)

// joiner puts pieces together in order. It holds one piece back, because the next one may correct
// its end.
type joiner struct {
	held     *heard
	core     span
	segments []scout.Segment
	aside    []scout.SetAside
	count    int
	decoded  int
	end      time.Duration // of the last segment
}

type span struct{ from, to time.Duration }

func newJoiner() *joiner { return &joiner{} }

// add takes the next piece and settles the one before it.
func (j *joiner) add(piece segment.Piece, h heard) {
	if h.aside != nil {
		j.aside = append(j.aside, *h.aside)
	} else {
		j.decoded++
	}
	core := span{piece.From(), piece.To()}
	if j.held != nil {
		seam := align.Join(j.held.Heard, h.Heard, core.from)
		words := align.Splice(j.held.Heard, h.Heard, seam)
		settled := *j.held
		settled.Words, h.Words = words[:seam.Left], words[seam.Left:]
		j.settle(settled)
	}
	j.held, j.core = &h, core
}

// finish settles the last piece and returns everything.
func (j *joiner) finish() ([]scout.Segment, []scout.SetAside) {
	if j.held != nil {
		j.settle(*j.held)
		j.held = nil
	}
	return j.segments, j.aside
}

// words is how many are settled or held.
func (j *joiner) words() int {
	if j.held == nil {
		return j.count
	}
	return j.count + len(j.held.Words)
}

func (j *joiner) settle(h heard) {
	j.count += len(h.Words)
	for _, s := range segmentsOf(h, j.core) {
		if first, _ := placed(s.Words); first != nil {
			j.endBefore(*first)
		}
		s.Start = max(s.Start, j.end)
		s.End = max(s.End, s.Start)
		j.end = s.End
		j.segments = append(j.segments, s)
	}
}

// endBefore ends segments at a word that follows them. Only those reach further whose own last words have no times: where
// these end is an estimate, the core's end, while the word is known, and may lie in the context in front of its core.
func (j *joiner) endBefore(word time.Duration) {
	j.end = min(j.end, word)
	for i := len(j.segments) - 1; i >= 0 && j.segments[i].End > word; i-- {
		s := &j.segments[i]
		s.Start, s.End = min(s.Start, word), word
	}
}

// segmentsOf makes segments of the words of one piece: one for each sentence where the words have
// times, else one for the whole core. A segment whose first or last word has no time is bounded by what is known
// of its neighbour, or by the core.
func segmentsOf(h heard, core span) []scout.Segment {
	if len(h.Words) == 0 {
		return nil
	}
	var average *float64
	if h.tokens > 0 {
		mean := h.logProb / float64(h.tokens)
		average = &mean
	}
	var segments []scout.Segment
	from := core.from
	rest := h.Words
	for len(rest) > 0 {
		n := firstSentence(rest)
		words := rest[:n]
		rest = rest[n:]
		s := scout.Segment{Start: from, End: core.to, Text: strings.Join(texts(words), " "), AvgLogProb: average}
		if known(words) {
			s.Words = words
		}
		first, last := placed(words)
		switch first {
		case nil:
		case words[0].Start:
			s.Start = *first
		default: // known words may lie outside of the core, in its context
			s.Start = min(s.Start, *first)
		}
		switch last {
		case nil:
		case words[n-1].End:
			s.End = *last
		default:
			s.End = max(s.End, *last)
		}
		from = s.End
		segments = append(segments, s)
	}
	return segments
}

// firstSentence is how many words the first sentence has. It ends only where a word beside the division has a time.
func firstSentence(words []scout.Word) int {
	spelt := texts(words)
	for i := range words[:len(words)-1] {
		if (words[i].End != nil || words[i+1].Start != nil) && sentence.Ends(spelt, i) {
			return i + 1
		}
	}
	return len(words)
}

// placed returns where the first word with a time begins, and where the last one ends; nil where there is none.
func placed(words []scout.Word) (first, last *time.Duration) {
	for i := range words {
		if first == nil {
			first = words[i].Start
		}
		if words[i].End != nil {
			last = words[i].End
		}
	}
	return first, last
}

// known is true when anything is known about the words beyond their text.
func known(words []scout.Word) bool {
	for i := range words {
		if words[i].Start != nil || words[i].LogProb != nil {
			return true
		}
	}
	return false
}
