package speech

import (
	"context"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Window says how much of the end of a growing piece a peek hears, where the text before it is known. The zero value means all of
// it. Measured: docs/adr/0063-live-cuts.md.
//
// A window begins at a quiet point, at least Least before the end of the audio, and the next ones begin there too until they would
// be longer than Most. So two hypotheses in a row differ only in what they heard last, and the model continues the tokens of
// the one before.
type Window struct{ Least, Most time.Duration }

// windows reports whether a peek hears only the end of a long piece.
func (t *Trait) windows() bool { return t.Window.Most > 0 }

// window returns the end of the open piece that a peek hears, and false if it must hear all of it.
func (g *growth) window(p segment.Piece) (segment.Piece, bool) {
	w := g.options.Trait.Window
	if !g.options.Trait.windows() || p.HeardTo()-p.HeardFrom() <= w.Most || !g.hyp.of(p.Start) {
		return segment.Piece{}, false
	}
	shared := segment.Duration(g.hyp.to) - tailSharedMost // it must begin before
	if at := segment.Duration(g.windowAt); at > p.From() && at <= shared && p.To()-at <= w.Most {
		return p.Behind(g.windowAt), true
	}
	latest := min(p.To()-w.Least, shared)
	earliest := max(p.To()-w.Most, latest-(w.Most-w.Least)/2)
	if earliest > latest {
		return segment.Piece{}, false // the text before it is not known
	}
	end, ok := p.Tail(earliest, latest)
	if ok {
		g.windowAt = end.Start
	}
	return end, ok
}

// peekWindow decodes the window of a growing piece and joins it to what is known before it. It returns false if the two do not fit.
func (t *task) peekWindow(ctx context.Context, d *Decoder, o *outcome) bool {
	end, doubt, err := d.Peek(ctx, t.ends[0], t.endHow)
	o.heard = t.ends[0].HeardTo() - t.ends[0].HeardFrom()
	if err != nil || doubt != "" {
		o.decoded, o.doubt, o.err = end, doubt, err
		return true
	}
	// Behind the first words, which lack what was said before them, the text that has heard more is the better one.
	text, ok := t.from.extendAt(t.piece, end, min(end.From+tailShared, (end.From+t.from.text.To)/2))
	if !ok {
		o.heard += t.piece.HeardTo() - t.piece.HeardFrom() // all of it is decoded
		return false
	}
	text.Core, text.Peak = coreOf(t.piece), t.piece.Peak()
	text.Tokens, text.LogProb, text.Sureness = end.Tokens, end.LogProb, end.Sureness
	text.Language, text.LanguageProb = end.Language, end.LanguageProb
	o.decoded, o.known = text, knownTokens{end.From, end.tokens}
	return true
}

// carries makes the hypothesis one of the open piece, after a close, if it is known which of its words belong there.
func (g *growth) carries() {
	if g.options.Trait.windows() && slices.ContainsFunc(g.hyp.text.Words, func(w scout.Word) bool { return w.Start == nil || w.End == nil }) {
		g.hyp = hypothesis{}
		return
	}
	g.hyp.carry(g.next)
}

// reuse lets a closed piece take the text that is known of it: where peeks hear windows, all but the first were heard with more
// around them than the piece has at its end, and most of the words are committed.
func (g *growth) reuse(t *task) {
	p := t.piece
	if !g.options.Trait.windows() || !g.hyp.of(p.Start) || segment.Duration(g.hyp.to) < p.HeardTo() || g.hyp.text.confidence() < believable {
		return
	}
	known := g.hyp
	words := known.text.Words
	n := slices.IndexFunc(words, func(w scout.Word) bool { return w.Start != nil && w.End != nil && (*w.Start+*w.End)/2 >= p.HeardTo() })
	if n < 0 {
		n = len(words)
	}
	if n > 0 && words[n-1].End == nil {
		return // it may have been said after the piece
	}
	known.text.To, known.text.EndLogProb, known.text.Words = p.HeardTo(), nil, slices.Clone(words[:n])
	t.from, t.whole, t.reused = &known, true, true
}
