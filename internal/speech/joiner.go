package speech

import (
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/text/sentence"
)

// Joiner joins decoded pieces in order, and hands out segments as soon as nothing can change them any more. It holds
// one piece back, because the next one may correct its end. Segments that were handed out never change. It knows
// nothing about files, and is not safe for concurrent use.
type Joiner struct {
	emit  func(scout.Segment)
	state JoinerState
}

// JoinerState is everything that a Joiner remembers. It can be stored as JSON, and a new Joiner continues from it.
type JoinerState struct {
	// Held is the last piece, nil before the first one and after the last one. It is never changed.
	Held *Decoded `json:"held,omitempty"`
	// End is the end of the last segment that was handed out.
	End time.Duration `json:"end"`
	// Words is how many words were handed out.
	Words int `json:"words"`
}

// NewJoiner returns a joiner that hands segments to emit, from inside Add and Finish. The zero state is that of the
// beginning.
func NewJoiner(state JoinerState, emit func(scout.Segment)) *Joiner {
	return &Joiner{emit: emit, state: state}
}

// State returns what the joiner remembers now.
func (j *Joiner) State() JoinerState { return j.state }

// Words returns how many words were handed out or are held.
func (j *Joiner) Words() int {
	if j.state.Held == nil {
		return j.state.Words
	}
	return j.state.Words + len(j.state.Held.Words)
}

// Add takes the next piece and hands out the words of the one before it.
func (j *Joiner) Add(d Decoded) {
	if held := j.state.Held; held != nil {
		seam := align.Join(held.Heard, d.Heard, d.Core.From)
		words := align.Splice(held.Heard, d.Heard, seam)
		at := seam.Left - lead(words[:seam.Left])
		settled := *held
		settled.Words, d.Words = words[:at:at], words[at:]
		j.settle(settled, d.Words)
	}
	j.state.Held = &d
}

// Finish hands out what is held.
func (j *Joiner) Finish() {
	if held := j.state.Held; held != nil {
		j.state.Held = nil
		last := *held
		last.Words = slices.Clone(held.Words)
		j.settle(last, nil)
	}
}

// Break hands out what is held if no further piece will come although there is more audio. It drops words that begin
// after the core of the held piece: they come only from its context, and the last one may be cut through.
func (j *Joiner) Break() {
	held := j.state.Held
	if held == nil {
		return
	}
	last := *held
	last.Words = slices.Clone(held.Words)
	for i, w := range last.Words {
		if w.Start != nil && *w.Start >= last.Core.To {
			last.Words = last.Words[:i]
			break
		}
	}
	j.state.Held = nil
	j.settle(last, nil)
}

// settle hands out the words of a piece, which are followed by next. If the last words of a segment have no times, its
// end is an estimate, the end of the core. A word of next with a known time may begin before that, in the context of
// its core. Then the segment ends at that word.
func (j *Joiner) settle(d Decoded, next []scout.Word) {
	j.state.Words += len(d.Words)
	keepOrder(d.Words, j.state.End)
	segments := segmentsOf(d)
	limit, _ := placed(next)
	for i := len(segments) - 1; i >= 0; i-- {
		s := &segments[i]
		if limit != nil && s.End > *limit {
			s.Start, s.End = min(s.Start, *limit), *limit
		}
		if first, _ := placed(s.Words); first != nil {
			limit = first
		}
	}
	for i := range segments {
		s := &segments[i]
		s.Start = max(s.Start, j.state.End)
		s.End = max(s.End, s.Start)
		j.state.End = s.End
		j.emit(*s)
	}
}

// keepOrder removes the times of words that lie before end, where the words handed out already end. A word that reaches
// into them begins after them.
func keepOrder(words []scout.Word, end time.Duration) {
	for i := range words {
		w := &words[i]
		switch {
		case w.Start == nil || w.End == nil:
		case *w.Start >= end:
			return
		case *w.End <= end:
			w.Start, w.End = nil, nil
		default:
			start := end
			w.Start = &start
			return
		}
	}
}

// segmentsOf makes segments of the words of one piece: one for each sentence if the words have times, else one for the
// whole core. If the first or last word of a segment has no time, the segment is bounded by a known time of its
// neighbour, or by the core.
func segmentsOf(d Decoded) []scout.Segment {
	if len(d.Words) == 0 {
		return nil
	}
	var average *float64
	if d.Tokens > 0 {
		mean := d.LogProb / float64(d.Tokens)
		average = &mean
	}
	var segments []scout.Segment
	from := d.Core.From
	rest := d.Words
	for len(rest) > 0 {
		n := firstSentence(rest, d.SetAside)
		words := rest[:n:n]
		rest = rest[n:]
		s := scout.Segment{Start: from, End: d.Core.To, Text: joined(texts(words)), Language: d.Language, AvgLogProb: average}
		if known(words) {
			s.Words = words
		}
		first, last := placed(words)
		switch first {
		case nil:
		case words[0].Start:
			s.Start = *first
		default: // known words may lie outside the core, in its context
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

// joined returns the text of words, with spaces where their scripts are written with spaces.
func joined(words []string) string {
	var text strings.Builder
	for i, w := range words {
		if i > 0 {
			text.WriteString(scout.Between(words[i-1], w))
		}
		text.WriteString(w)
	}
	return text.String()
}

// firstSentence returns how many words the first sentence has. The sentence ends only where a word beside the division
// has a time. It also ends at audio that is set aside between two words, because nobody knows what was said there.
func firstSentence(words []scout.Word, aside []scout.SetAside) int {
	spelt := texts(words)
	for i := range words[:len(words)-1] {
		end, start := words[i].End, words[i+1].Start
		if (end != nil || start != nil) && sentence.Ends(spelt, i) || end != nil && start != nil && lostBetween(aside, *end, *start) {
			return i + 1
		}
	}
	return len(words)
}

// lostBetween reports whether most of the audio between two times is set aside.
func lostBetween(aside []scout.SetAside, from, to time.Duration) bool {
	for _, a := range aside {
		if min(a.End, to)-max(a.Start, from) > (to-from)/2 {
			return true
		}
	}
	return false
}

// lead returns how many of the last words belong to what follows: titles, and other abbreviations that do not end a
// sentence.
func lead(words []scout.Word) int {
	spelt := texts(words)
	at := len(spelt)
	for at > 0 && strings.HasSuffix(spelt[at-1], ".") && !sentence.Ends(spelt[:at], at-1) {
		at--
	}
	return len(spelt) - at
}

// placed returns the start of the first word with a time and the end of the last one, nil if there is none.
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

// known reports whether anything is known about the words except their text.
func known(words []scout.Word) bool {
	for i := range words {
		if words[i].Start != nil || words[i].LogProb != nil {
			return true
		}
	}
	return false
}
