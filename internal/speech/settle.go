package speech

import (
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// CommitRule says which words of a growing piece are committed: docs/adr/0061-commit-rule.md.
type CommitRule struct {
	// Agree is how many hypotheses in a row must have a word, at least 2. They agree if the word is spelled the same,
	// and all words before it.
	Agree int
	// Behind is how much audio after the end of the word each of them must have heard.
	Behind time.Duration
	// Overdue is how much audio after the end of a word the last hypothesis must have heard to commit it alone; 0 for
	// never.
	Overdue time.Duration
	// Last is how many words at the end of a hypothesis are never committed, if the model gives no times.
	Last int
}

// DefaultCommitRule returns the rule that was measured best.
func DefaultCommitRule() CommitRule {
	return CommitRule{Agree: 2, Behind: 500 * time.Millisecond, Overdue: 2500 * time.Millisecond, Last: 3}
}

// settling turns the hypotheses of a stream into words that never change again. Its window is what later hypotheses may
// still say something about: the end of the last closed piece, if that was cut in speech, and the open piece. It is not
// safe for concurrent use.
type settling struct {
	rule    CommitRule
	state   settlingState
	pending []scout.Word   // of the last hypothesis, not committed
	before  []pendingWords // earlier ones since the last close, at most Agree-1, the newest last
}

// pendingWords are the words of a hypothesis that were not committed.
type pendingWords struct {
	words []scout.Word
	to    time.Duration // the end of the audio
}

// settlingState is what a settling remembers beyond its hypotheses.
type settlingState struct {
	// Held is the end of the last piece, if it was cut in speech; then the next one may correct it. It is never changed.
	Held *Decoded `json:"held,omitempty"`
	// Committed are the committed words of the window, at its beginning.
	Committed []scout.Word `json:"committed,omitempty"`
	// End is the end of the last committed word with a time, or of the last closed piece before a pause.
	End time.Duration `json:"end"`
	// Last is the text of the last committed word. Words is how many there are.
	Last  string `json:"last,omitempty"`
	Words int    `json:"words"`
}

// grow takes a hypothesis of the open piece and returns the words that it commits.
func (s *settling) grow(d Decoded) []scout.Word {
	words := s.window(d)
	words = words[align.After(s.state.Committed, words):]
	n := s.agreed(words, &d)
	s.before = append(s.before, pendingWords{words, d.To})
	if extra := len(s.before) - max(s.rule.Agree-1, 1); extra > 0 {
		s.before = slices.Delete(s.before, 0, extra)
	}
	for i := range s.before {
		s.before[i].words = s.before[i].words[n:]
	}
	s.pending = words[n:]
	return s.commit(words[:n])
}

// agreed returns how many words of a hypothesis are committed.
func (s *settling) agreed(words []scout.Word, d *Decoded) int {
	if d.Tokens > 0 && d.confidence() < believable {
		return 0
	}
	n, heard := len(words), d.To
	if len(s.before) < s.rule.Agree-1 {
		n = 0
	}
	for _, b := range s.before {
		n = min(n, sameWords(words, b.words))
		heard = min(heard, b.to)
	}
	n = s.settled(words[:n], heard-s.rule.Behind, len(words)-s.rule.Last)
	if s.rule.Overdue > 0 {
		n = max(n, s.settled(words, d.To-s.rule.Overdue, 0))
	}
	return n
}

// close takes the text of a piece that is complete and returns the words that it commits: all, if it ends in a pause or
// with the input, otherwise those that the next piece has not in its audio.
//
// A piece may be cut in a pause that lies some seconds back. Words after the cut may then be committed already. They stay
// in the window, and nothing can be committed before them.
func (s *settling) close(d Decoded, right segment.EdgeKind, overlap time.Duration) []scout.Word {
	all := s.window(d)
	words := all[align.After(s.state.Committed, all):]
	beyond := s.beyond(all, d.Core.To)
	n := len(words)
	switch {
	case beyond > 0:
		words, n = nil, 0
	case right == segment.EdgeSpeech:
		n = s.settled(words, d.Core.To-overlap, len(words)-int(2*overlap.Seconds()*wordsASecond))
	}
	s.before, s.pending = nil, words[n:]
	committed := s.commit(words[:n])
	if right != segment.EdgeSpeech {
		s.state.Held = nil
		s.state.Committed = slices.Clone(s.state.Committed[len(s.state.Committed)-beyond:])
		s.state.End = max(s.state.End, d.Core.To)
		return committed
	}
	line := append(slices.Clone(s.state.Committed), s.pending...)
	from := s.settled(line, d.Core.To-2*overlap, len(line)-beyond-int(3*overlap.Seconds()*wordsASecond))
	held := Decoded{Core: d.Core}
	held.From, held.To, held.EndLogProb, held.Words = d.From, d.To, d.EndLogProb, line[from:len(line):len(line)]
	if _, end := placed(held.Words); end != nil {
		held.To = max(held.To, *end)
	}
	s.state.Held = &held
	s.state.Committed = slices.Clone(s.state.Committed[min(from, len(s.state.Committed)):])
	return committed
}

// beyond returns how many of the last committed words were said after the end of a piece with these words.
func (s *settling) beyond(words []scout.Word, end time.Duration) int {
	committed := s.state.Committed
	within, after := 0, false // words up to the last one that begins before the end; whether one begins after it
	for i := range committed {
		switch w := &committed[i]; {
		case w.Start == nil:
		case *w.Start < end:
			within, after = i+1, false
		default:
			after = true
		}
	}
	if _, last := placed(committed); last == nil { // nothing is known but the text
		n := max(align.After(words, committed), min(len(words), len(committed)))
		return len(committed) - n
	}
	if !after {
		return 0
	}
	return len(committed) - within
}

// wordsASecond is how many words people say a second.
const wordsASecond = 3

// settled returns how many of the words end before a time. Of words without times it takes at most untimed.
func (s *settling) settled(words []scout.Word, until time.Duration, untimed int) int {
	n := 0
	for i := range words {
		switch end := words[i].End; {
		case end != nil && *end > until:
			return n
		case end != nil:
			n = i + 1 // and those without a time before it
		case i < untimed && !slices.ContainsFunc(words, func(w scout.Word) bool { return w.End != nil }):
			n = i + 1
		}
	}
	return n
}

// window returns the words of the window with a hypothesis at its end, in memory that may be changed.
func (s *settling) window(d Decoded) []scout.Word {
	words := slices.Clone(d.Words)
	if held := s.state.Held; held != nil {
		words = align.Splice(held.Heard, d.Heard, align.Join(held.Heard, d.Heard, d.Core.From))
	}
	return words
}

// commit adds words to those that are committed and returns them. Times that lie before the end of earlier words are
// removed or shortened, so that times never go back.
func (s *settling) commit(words []scout.Word) []scout.Word {
	if len(words) == 0 {
		return nil
	}
	words = slices.Clone(words)
	keepOrder(words, s.state.End)
	if _, end := placed(words); end != nil {
		s.state.End = max(s.state.End, *end)
	}
	s.state.Committed = append(s.state.Committed, words...)
	s.state.Last = words[len(words)-1].Text
	s.state.Words += len(words)
	return words
}

// snapshot returns the state in memory of its own.
func (s *settling) snapshot() settlingState {
	state := s.state
	state.Committed = slices.Clone(state.Committed)
	return state
}

// sameWords returns how many words two texts have in common at their beginning.
func sameWords(a, b []scout.Word) int {
	n := 0
	for n < min(len(a), len(b)) && a[n].Text == b[n].Text {
		n++
	}
	return n
}

// LiveSegments makes segments of committed words: sentences, which also end at audio that is set aside. It does not
// change the words.
func LiveSegments(words []scout.Word, aside []scout.SetAside) []scout.Segment {
	if len(words) == 0 {
		return nil
	}
	d := Decoded{SetAside: aside}
	d.Words = slices.Clone(words)
	if first, last := placed(words); first != nil && last != nil {
		d.Core = Span{*first, *last}
	}
	segments := segmentsOf(d)
	for i := range segments {
		s := &segments[i]
		if i > 0 {
			s.Start = max(s.Start, segments[i-1].End)
		}
		s.End = max(s.End, s.Start)
		s.AvgLogProb = nil // of tokens, which words no longer have
	}
	return segments
}
