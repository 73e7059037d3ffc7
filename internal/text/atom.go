package text

import (
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text/sentence"
)

// atom is a stretch of text that is never divided: a word, or part of a word inside which a line may be broken.
type atom struct {
	text   string
	width  int  // columns
	spaced bool // a space precedes it within a line
	within within
	// start and end are when it is said.
	start, end time.Duration
	// estimated is set if neither its start nor the end of the atom before it is known.
	estimated bool
	begins    bool    // a sentence
	ends      bool    // a sentence
	border    float64 // cost of a border between it and the atom before it
}

// within says what the border before an atom divides.
type within uint8

const (
	betweenWords within = iota
	withinScript        // two characters of a script without spaces
	withinWord          // a word that is wider than a line
)

// atomsOf returns all atoms of a transcript, none wider than columns. Their times are in order and do not overlap.
func atomsOf(t *scout.Transcript, columns int) []atom {
	var atoms []atom
	var tokens []string // the text between two spaces
	var last []int      // the last atom of each token
	for i := range t.Segments {
		l := newTimeline(&t.Segments[i])
		from := 0
		for token := range strings.FieldsSeq(l.text) {
			for _, p := range pieces(token, columns) {
				a := atom{text: p.text, width: width(p.text), within: p.within}
				a.start, a.end, a.estimated = l.times(from, from+len(p.text))
				from += len(p.text)
				if n := len(atoms); n > 0 && a.within == betweenWords {
					a.spaced = space(atoms[n-1].text, a.text) != ""
				}
				atoms = append(atoms, a)
			}
			from++ // the space
			tokens, last = append(tokens, token), append(last, len(atoms)-1)
		}
	}
	for i := range atoms {
		if i+1 < len(atoms) && atoms[i+1].within == withinScript {
			atoms[i].ends = sentence.Ends([]string{atoms[i].text}, 0)
		}
	}
	for i, k := range last {
		atoms[k].ends = sentence.Ends(tokens, i)
	}
	for i := range atoms {
		atoms[i].begins = i == 0 || atoms[i-1].ends
	}
	order(atoms, t.Duration)
	for i := 1; i < len(atoms); i++ {
		atoms[i].border = borderCost(&atoms[i-1], &atoms[i])
	}
	return atoms
}

// order moves times into the audio and into order, whatever they were.
func order(atoms []atom, audio time.Duration) {
	if audio <= 0 {
		audio = 1<<63 - 1
	}
	for i := range atoms {
		a := &atoms[i]
		a.start = min(max(a.start, 0), audio)
		a.end = min(max(a.end, a.start), audio)
		if i == 0 {
			continue
		}
		before := &atoms[i-1]
		a.start = max(a.start, before.start)
		a.end = max(a.end, a.start)
		before.end = min(before.end, a.start)
	}
}

// timeline is the text of a segment and the time of each part of it.
type timeline struct {
	text  string
	words []timed
	at    int // the word in which the last question to times began
}

// timed is a word of a timeline. An unknown start or end is estimated between the known times before and after it, in
// proportion to the columns. Such times only place cues and appear nowhere else.
type timed struct {
	from, to               int // bytes of the text
	start, end             time.Duration
	startKnown, endKnown   bool
	startColumn, endColumn int
}

// newTimeline takes the words of a segment. If it has none, the whole text is one word without times.
func newTimeline(s *scout.Segment) *timeline {
	words := s.Words
	if len(words) == 0 {
		words = []scout.Word{{Text: s.Text}}
	}
	l := &timeline{}
	column := 0
	var b strings.Builder
	previous := ""
	for i := range words {
		word := clean(words[i].Text)
		if word == "" {
			continue
		}
		between := space(previous, word)
		b.WriteString(between)
		w := timed{from: b.Len(), to: b.Len() + len(word), startColumn: column + len(between)}
		b.WriteString(word)
		w.endColumn = w.startColumn + width(word)
		column, previous = w.endColumn, word
		if t := words[i].Start; t != nil {
			w.start, w.startKnown = *t, true
		}
		if t := words[i].End; t != nil {
			w.end, w.endKnown = *t, true
		}
		l.words = append(l.words, w)
	}
	l.text = b.String()
	l.estimate(s.Start, s.End)
	return l
}

// point is a place in the text and the time at which it is said.
type point struct {
	column int
	at     time.Duration
}

// between returns the time of column on the straight line from p to q.
func between(p, q point, column int) time.Duration {
	if q.column <= p.column {
		return p.at
	}
	return p.at + time.Duration(float64(q.at-p.at)*float64(column-p.column)/float64(q.column-p.column))
}

// estimate fills in the unknown times, between start and end of the segment.
func (l *timeline) estimate(start, end time.Duration) {
	for i := 0; i < len(l.words); i++ {
		w := &l.words[i]
		if !w.startKnown {
			from := point{0, start}
			if i > 0 {
				from = point{l.words[i-1].endColumn, l.words[i-1].end}
			}
			w.start = between(from, l.nextKnown(i, end), w.startColumn)
		}
		if !w.endKnown {
			w.end = max(w.start, between(point{w.startColumn, w.start}, l.nextKnown(i, end), w.endColumn))
		}
	}
}

// nextKnown returns the next known point at or after word i. The word's own start does not count, because it has been
// used already.
func (l *timeline) nextKnown(i int, end time.Duration) point {
	for k := i; k < len(l.words); k++ {
		w := &l.words[k]
		if w.startKnown && k > i {
			return point{w.startColumn, w.start}
		}
		if w.endKnown {
			return point{w.endColumn, w.end}
		}
	}
	return point{l.words[len(l.words)-1].endColumn, end}
}

// times returns when the bytes from..to are said, and whether the border before them is estimated; at the beginning of
// the segment it is not. The calls must come in the order of the text.
func (l *timeline) times(from, to int) (start, end time.Duration, estimated bool) {
	for l.at+1 < len(l.words) && l.words[l.at].to <= from {
		l.at++
	}
	first := &l.words[l.at]
	start = l.inside(first, from)
	knownBefore := l.at > 0 && l.words[l.at-1].endKnown
	estimated = from > 0 && (from != first.from || !first.startKnown && !knownBefore)
	last := first
	for k := l.at; k < len(l.words) && l.words[k].from < to; k++ {
		last = &l.words[k]
	}
	return start, l.inside(last, to), estimated
}

// inside returns when a byte of a word is said.
func (l *timeline) inside(w *timed, at int) time.Duration {
	switch at {
	case w.from:
		return w.start
	case w.to:
		return w.end
	}
	column := w.startColumn + width(l.text[w.from:at])
	return between(point{w.startColumn, w.start}, point{w.endColumn, w.end}, column)
}
