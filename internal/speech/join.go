package speech

import (
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
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
		settled := *j.held
		settled.Words = align.Splice(j.held.Heard, align.Heard{From: h.From, To: h.To, Words: h.Words[:seam.Right]},
			align.Seam{Left: seam.Left, Right: seam.Right, Agreed: seam.Agreed, First: seam.First})
		h.Words = h.Words[seam.Right:]
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
	j.segments = append(j.segments, segmentsOf(h, j.core)...)
}

// segmentsOf makes segments of the words of one piece: one for each sentence where the words have
// times, else one for the whole core.
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
	for _, words := range sentences(h.Words) {
		s := scout.Segment{Start: core.from, End: core.to, Text: strings.Join(texts(words), " "), AvgLogProb: average}
		if known(words) {
			s.Words = words
		}
		if placed(words) {
			s.Start, s.End = *words[0].Start, *words[len(words)-1].End
		}
		segments = append(segments, s)
	}
	return segments
}

// sentences divides words behind a full stop, question or exclamation mark, provided that all
// words around the division have times; else it leaves them in one.
func sentences(words []scout.Word) [][]scout.Word {
	if !placed(words) {
		return [][]scout.Word{words}
	}
	var out [][]scout.Word
	from := 0
	for i := range words[:len(words)-1] {
		ends := strings.ContainsAny(words[i].Text[len(words[i].Text)-1:], ".?!")
		if ends && placed(words[from:i+1]) && placed(words[i+1:]) {
			out = append(out, words[from:i+1])
			from = i + 1
		}
	}
	return append(out, words[from:])
}

// placed is true when the first and the last word have times.
func placed(words []scout.Word) bool {
	return len(words) > 0 && words[0].Start != nil && words[len(words)-1].End != nil
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
