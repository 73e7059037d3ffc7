package speech

import (
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// said is what the callbacks are told, in this order. What is nil is not told.
type said struct {
	committed *LiveCommitted
	partial   *LivePartial
	closed    *Decoded // the text of a piece that nothing changes any more
	tongue    *newTongue
	kept      Span // words of it were lost by a later text, and kept
}

// tell makes what the callbacks are told after words were committed, and remembers it. closed is the piece that was
// closed, nil if none was. to is the end of the audio that was heard.
func (g *growth) tell(words []scout.Word, closed *Decoded, to time.Duration) (s said) {
	through := g.settling.state.End
	if closed != nil && g.settling.state.Held == nil {
		through = closed.Core.To
	}
	if len(words) > 0 || closed != nil {
		g.through = max(g.through, through)
		c := LiveCommitted{Words: words, Through: g.through, Text: following(g.last, words)}
		if closed != nil {
			c.SetAside, s.closed = closed.SetAside, closed
		}
		g.last = g.settling.state.Last
		c.State = g.snapshot()
		s.committed = &c
	}
	pending := g.settling.pending
	if text := following(g.last, pending); text != g.shown || s.committed != nil && text != "" {
		g.shown = text
		s.partial = &LivePartial{Text: text, Words: slices.Clone(pending), To: to}
	}
	return s
}

// following returns the text of words that come behind a word, with the separator before it.
func following(last string, words []scout.Word) string {
	var text strings.Builder
	for _, w := range words {
		text.WriteString(scout.Between(last, w.Text))
		text.WriteString(w.Text)
		last = w.Text
	}
	return text.String()
}

// snapshot returns where to continue after what was told. Nothing in it is changed later.
func (g *growth) snapshot() LiveState {
	heard := g.heard
	heard.Empty = slices.Clone(heard.Empty)
	return LiveState{
		Version: liveStateVersion, Model: g.options.Model, Language: g.options.Language, Cut: g.cut,
		Next: g.next, Through: g.through, Settled: g.settling.snapshot(), Heard: heard,
		Tongue: g.tongue.code, TongueProb: g.tongue.prob, Spoken: g.spoken.clone(),
	}
}

// owing returns what is owed now, and whether that is news. asked is when the stop came.
func (g *growth) owing(in *intake, now time.Time) (LiveOwed, bool) {
	head, stopped := in.clock()
	behind := segment.Duration(head - g.peekedTo)
	late := g.err != nil && (behind > 0 || g.closed) || stopped && now.Sub(in.stoppedAt()) > finalLate
	var owed LiveOwed
	if behind > owedAfter || late && !g.finished() {
		owed = LiveOwed{From: g.through, To: segment.Duration(head), Err: g.err}
	}
	if owed.From >= owed.To {
		owed = LiveOwed{}
	}
	was := g.owed
	switch {
	case owed == LiveOwed{} && was == LiveOwed{}:
		return owed, false
	case owed == LiveOwed{}:
		owed.From, owed.To = g.through, g.through
		g.owed = LiveOwed{}
		return owed, true
	case was != LiveOwed{} && (owed.Err == nil) == (was.Err == nil) && owed.To-was.To < time.Second && owed.From-was.From < time.Second:
		return was, false
	}
	g.owed = owed
	return owed, true
}

// finalLate is how long after a stop the text is still on time.
const finalLate = time.Second

// final is the end of the transcription.
func (g *growth) final() LiveFinal {
	length := segment.Duration(g.pos)
	language, prob := g.spoken.most()
	return LiveFinal{
		Language: language, LanguageProb: prob,
		Duration: length, Words: g.settling.state.Words, Tail: g.tail, Warnings: g.heard.warnings(g.settling.state.Words, length),
	}
}
