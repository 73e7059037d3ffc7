package speech

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/text/sentence"
)

// CommitRule says which words of a growing piece are committed: docs/adr/0061-commit-rule.md.
type CommitRule struct {
	// Agree is how many hypotheses in a row must have a word, at least 2. They agree if the word is spelled the same,
	// and all words before it.
	Agree int
	// Behind is how much audio after the end of the word each of them must have heard.
	Behind time.Duration
	// Least is how much audio a hypothesis must have heard in all, unless Latest is over. The model knows little of a word without
	// what surrounds it.
	Least time.Duration
	// Doubtful takes the place of Behind where a file would be decoded in other ways too.
	Doubtful time.Duration
	// Overdue is how much audio after the end of a word the last hypothesis must have heard to commit it alone; 0 for
	// never.
	Overdue time.Duration
	// Latest is how long after its end a word of the last hypothesis is committed, if it has heard Behind after the word and
	// is believable; 0 for never.
	Latest time.Duration
	// LatestBehind takes the place of Behind for Latest; 0 for Behind.
	LatestBehind time.Duration
	// Apart is how much less audio each of them must have heard than the next one: two hypotheses of almost the same audio agree
	// on the same errors.
	Apart time.Duration
	// SentenceEnd is how much audio after the end of a word the last hypothesis must have heard if a sentence ends with it, unless
	// Latest is over. It does nothing for words without times.
	SentenceEnd time.Duration
	// Last is how many words at the end of a hypothesis are never committed, if the model gives no times.
	Last int
}

// DefaultCommitRule returns the rule that was measured best.
func DefaultCommitRule() CommitRule {
	return CommitRule{Agree: 2, Behind: 500 * time.Millisecond, Apart: 750 * time.Millisecond, SentenceEnd: 2500 * time.Millisecond, Least: 3700 * time.Millisecond, Doubtful: 1500 * time.Millisecond, Overdue: 2500 * time.Millisecond, Latest: 3200 * time.Millisecond, Last: 3}
}

// settling turns the hypotheses of a stream into words that never change again. Its window is what later hypotheses may
// still say something about: the end of the last closed piece, if that was cut in speech, and the open piece. It is not
// safe for concurrent use.
type settling struct {
	rule    CommitRule
	state   settlingState
	pending []scout.Word   // of the last hypothesis, not committed
	heard   time.Duration  // the end of its audio
	certain time.Duration  // words that end later are not committed before their piece is closed; 0 for no such bound
	before  []pendingWords // earlier ones since the last close with which the next may be compared, the newest last
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
	if s.earlier(&d) {
		return nil
	}
	words := s.fresh(s.window(d))
	n := s.agreed(words, &d)
	s.remember(pendingWords{words, d.To})
	s.pending, s.heard = words, d.To
	if d.Tokens > 0 && d.confidence() < believable {
		s.heard = 0 // it commits nothing, however late it gets
	}
	return s.take(n)
}

// earlier reports whether a hypothesis heard less than what is committed, which a process has from the one before it. None of its words comes
// next, although fewer of them than were committed do not fit together well.
func (s *settling) earlier(d *Decoded) bool { return d.To <= s.state.End }

// remember keeps a hypothesis for those that come, and forgets what none of them will be compared with.
func (s *settling) remember(p pendingWords) {
	s.before = append(s.before, p)
	first := len(s.before) - 1
	for range max(s.rule.Agree-1, 1) - 1 {
		first = s.apart(first)
	}
	first = s.apart(first) // a hypothesis that hears hardly more than the newest is compared with the one before it
	s.before = slices.Delete(s.before, 0, max(first, 0))
}

// apart returns the number of the newest hypothesis that heard clearly less than the one with a number; negative if there is none.
func (s *settling) apart(of int) int {
	if of < 0 {
		return of
	}
	k := of - 1
	for k >= 0 && s.before[k].to > s.before[of].to-s.rule.Apart {
		k--
	}
	return k
}

// guess takes a hypothesis of the open piece of which nothing may be committed.
func (s *settling) guess(d Decoded) {
	if s.earlier(&d) {
		return
	}
	s.before, s.pending, s.heard = nil, s.fresh(s.window(d)), 0
}

// resume takes up a hypothesis of the open piece that reaches beyond the closed one before it.
func (s *settling) resume(d Decoded) {
	s.pending, s.heard = s.fresh(s.window(d)), d.To
	s.before = []pendingWords{{s.pending, d.To}}
}

// forget forgets the hypotheses of the open piece.
func (s *settling) forget() { s.before, s.pending, s.heard = nil, nil, 0 }

// within returns how many of the first n words end before what is certain.
func (s *settling) within(words []scout.Word, n int) int {
	if s.certain <= 0 {
		return n
	}
	return s.settled(words[:n], s.certain, n)
}

// take commits the first n pending words.
func (s *settling) take(n int) []scout.Word {
	for i := range s.before {
		s.before[i].words = s.before[i].words[min(n, len(s.before[i].words)):]
	}
	words := s.pending[:n]
	s.pending = s.pending[n:]
	return s.commit(words)
}

// due commits the words of the last hypothesis that may not wait any longer, when the stream has come to a time.
func (s *settling) due(to time.Duration) []scout.Word {
	if s.rule.Latest <= 0 {
		return nil
	}
	return s.take(s.within(s.pending, s.settled(s.pending, min(to-s.rule.Latest, s.heard-cmp.Or(s.rule.LatestBehind, s.rule.Behind)), 0)))
}

// agreed returns how many words of a hypothesis are committed.
func (s *settling) agreed(words []scout.Word, d *Decoded) int {
	if d.Tokens > 0 && d.confidence() < believable || d.To-d.From < s.rule.Least {
		return 0
	}
	n, heard, behind := len(words), d.To, s.rule.Behind
	if d.doubtful() {
		behind = max(behind, s.rule.Doubtful)
	}
	others := s.rule.Agree - 1
	for k, to := len(s.before)-1, d.To; others > 0 && k >= 0; k-- {
		b := &s.before[k]
		// What follows a word decides about the punctuation behind it, and about the next capital: they must agree on that too.
		n = max(0, min(n, sameWords(words, b.words)-1))
		if heard = min(heard, b.to); b.to <= to-s.rule.Apart {
			others, to = others-1, b.to
		}
	}
	if others > 0 {
		n = 0
	}
	n = s.settled(words[:n], heard-behind, len(words)-s.rule.Last)
	if s.rule.Overdue > 0 && !d.doubtful() {
		n = max(n, s.settled(words, d.To-s.rule.Overdue, 0))
	}
	return s.within(words, s.beforeEnd(words[:n], d.To))
}

// beforeEnd returns how many words lie before the first with which a sentence ends, of which too little is heard behind it.
func (s *settling) beforeEnd(words []scout.Word, heard time.Duration) int {
	for i := range words {
		if end := words[i].End; end != nil && *end > heard-s.rule.SentenceEnd && sentence.Ends([]string{words[i].Text}, 0) {
			return i
		}
	}
	return len(words)
}

// close takes the text of a piece that is complete and returns the words that it commits: all, if it ends in a pause or
// with the input, otherwise those that the next piece has not in its audio. A full stop before a pause may be one that
// the model puts behind every text, so its word waits for what follows.
//
// A piece may be cut in a pause that lies some seconds back. Words after the cut may then be committed already. They stay
// in the window, and nothing can be committed before them.
func (s *settling) close(d Decoded, right segment.EdgeKind, overlap time.Duration) []scout.Word {
	all := s.window(d)
	words := s.fresh(all)
	beyond := s.beyond(all, d.Core.To)
	n := len(words)
	switch {
	case beyond > 0:
		words, n = nil, 0
	case right == segment.EdgeSpeech:
		n = s.settled(words, d.Core.To-overlap, len(words)-int(2*overlap.Seconds()*wordsASecond))
	case right == segment.EdgePause && n > 0 && s.rule.Latest > 0 && words[n-1].End != nil && stopped(words[n-1].Text):
		n--
	}
	s.before, s.pending, s.heard = nil, words[n:], d.To
	committed := s.commit(words[:n])
	if right == segment.EdgePause && len(s.pending) > 0 {
		held := Decoded{Core: d.Core}
		held.From, held.To, held.Words = d.From, d.Core.To, s.pending
		s.state.Held, s.state.Committed = &held, nil
		return committed
	}
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
	held := s.state.Held
	if held == nil {
		return slices.Clone(d.Words)
	}
	words := align.Splice(held.Heard, d.Heard, align.Join(held.Heard, d.Heard, d.Core.From))
	if last := len(held.Words) - 1; held.To <= d.From && last >= 0 && last+1 < len(words) && stopped(words[last].Text) && goesOn(words[last+1].Text) {
		words[last].Text = strings.TrimSuffix(words[last].Text, ".")
	}
	return words
}

// fresh returns those words of a window that are not committed. Where a full stop was committed and the sentence goes on
// after all, another sentence begins.
func (s *settling) fresh(all []scout.Word) []scout.Word {
	n := align.After(s.state.Committed, all)
	if n < len(all) && stopped(s.state.Last) && goesOn(all[n].Text) && (n == 0 || !stopped(all[n-1].Text)) {
		all = slices.Clone(all)
		all[n].Text = capitalised(all[n].Text)
	}
	return all[n:]
}

// stopped reports whether a word ends in a full stop that is not part of it, as in "Mr." or "e.g.".
func stopped(word string) bool {
	return strings.HasSuffix(word, ".") && !strings.HasSuffix(word, "..") && sentence.Ends([]string{word}, 0)
}

// goesOn reports whether a word is written as in the middle of a sentence.
func goesOn(word string) bool {
	first, _ := utf8.DecodeRuneInString(word)
	return unicode.IsLower(first)
}

// capitalised returns a word as it begins a sentence.
func capitalised(word string) string {
	first, size := utf8.DecodeRuneInString(word)
	return string(unicode.ToUpper(first)) + word[size:]
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
