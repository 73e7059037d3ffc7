package speech

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// In a stream whose language nobody has named, the model tells the language of what it hears. Nothing is committed before it
// is sure of it, and then only what lies before the end of the audio in which it was sure last. The end of the open piece is
// asked again and again; where another language begins, the piece is closed.
const (
	// sureProb and sureLength are how probable a language must be, in how much audio, to be known.
	sureProb   = 0.8
	sureLength = 3 * time.Second
	// askEvery is how much new audio there is between two questions, askSoon the same after one without a clear answer.
	askEvery, askSoon = 2 * time.Second, time.Second
	// askMost bounds the audio that is asked about, at the end of the piece. It begins at a quiet point.
	askMost = 4500 * time.Millisecond
	// askLongest is how long text waits for a clear answer.
	askLongest = 8 * time.Second
)

// tongue is what is known of the language of a stream in which nobody has named it.
type tongue struct {
	tell bool    // the model tells languages
	code string  // of the language, empty while it is not known
	prob float64 // when the model was sure of it last
	to   int64   // up to where it is spoken
	ask  int64   // the position at which to ask again
	// was is the language before the frame since, from a change until what lies before it is closed.
	was   string
	since int64
}

// newTongue is a language that the model became sure of.
type newTongue struct {
	from, to string // from is empty for the first one
	at       time.Duration
	prob     float64
}

// unnamed reports whether the language of a text is one that the model found.
func (g *growth) unnamed(d *Decoded) bool { return g.options.Language == "" && d.Language != "" }

// sure reports whether the model is sure of the language.
func (d *Decoded) sure() bool {
	return d.LanguageProb != nil && *d.LanguageProb > sureProb && d.To-d.From >= sureLength
}

// languageOf returns the language in which a piece is decoded, empty to let the model find it.
func (g *growth) languageOf(p segment.Piece) string {
	switch t := &g.tongue; {
	case g.options.Language != "":
		return g.options.Language
	case t.was != "" && p.End() <= t.since:
		return t.was
	case t.code == "" && g.stopped && g.hyp.of(g.next.Start):
		return g.hyp.text.Language // the end must not be taken for another one than all of it
	default:
		return t.code
	}
}

// learn takes the language of a text of a piece. It reports whether words of the piece may be committed, and whether the
// language is new.
func (g *growth) learn(p segment.Piece, d *Decoded) (may bool, news *newTongue) {
	t := &g.tongue
	if !g.unnamed(d) || t.code != "" {
		return true, nil
	}
	t.tell = true
	if !d.sure() {
		return false, nil
	}
	t.code, t.prob, t.to, t.ask = d.Language, *d.LanguageProb, p.End(), g.pos+frames(askEvery)
	return true, &newTongue{to: t.code, at: p.From(), prob: t.prob}
}

// certain is up to where words may be committed because of their language, 0 if it was named.
func (g *growth) certain() time.Duration {
	if g.tongue.code == "" {
		return 0
	}
	return segment.Duration(g.tongue.to)
}

// closes takes the language of a piece that is closed.
func (g *growth) closes(p segment.Piece, d *Decoded) (news *newTongue) {
	if !g.unnamed(d) {
		return nil
	}
	t := &g.tongue
	_, news = g.learn(p, d)
	if d.LanguageProb == nil {
		prob := t.prob
		d.LanguageProb = &prob
	}
	g.spoken.hear(d)
	if t.was != "" && p.End() >= t.since {
		t.was = ""
	}
	return news
}

// asks returns the end of the open piece, if it is time to ask for its language.
func (g *growth) asks() (segment.Piece, bool) {
	t := &g.tongue
	if !t.tell && t.code == "" || g.pos < t.ask {
		return segment.Piece{}, false
	}
	p := g.cutter.Open()
	length := p.To() - p.From()
	if length < sureLength || t.code == "" && length < askMost { // the next hypothesis may tell
		return segment.Piece{}, false
	}
	if length > askMost {
		if end, ok := p.Tail(p.To()-askMost, p.To()-sureLength-100*time.Millisecond); ok {
			return end, true
		}
	}
	return p, true
}

// answered takes the language of the end of the open piece. What the decoder doubts (a loop, no words where somebody speaks) is no answer.
func (g *growth) answered(asked segment.Piece, d *Decoded, doubted bool) (*newTongue, error) {
	t := &g.tongue
	t.ask = g.pos + frames(askEvery)
	same := d.Language == t.code
	switch {
	case asked.Start < g.next.Start: // its piece is closed by now
		return nil, nil
	case len(d.Words) == 0 && !doubted: // nobody speaks
		t.to = max(t.to, asked.End())
		return nil, nil
	case doubted || !d.sure():
		t.ask = g.pos + frames(askSoon)
		if same && !doubted || asked.End()-t.to > frames(askLongest) {
			t.to = max(t.to, asked.Start) // another language may begin in it
		}
		return nil, nil
	case t.code == "":
		_, news := g.learn(asked, d)
		return news, nil
	case same:
		t.prob, t.to = *d.LanguageProb, max(t.to, asked.End())
		return nil, nil
	}
	return g.change(asked, d)
}

// change closes the open piece where another language begins.
func (g *growth) change(asked segment.Piece, d *Decoded) (*newTongue, error) {
	t := &g.tongue
	at, p := asked.Start, g.cutter.Open()
	// It was the old language up to t.to, or a little less: the model was sure of some seconds as a whole.
	if better, ok := p.Tail(segment.Duration(t.to)-sureLength/2, segment.Duration(asked.Start)+sureLength/2); ok {
		at = better.Start
	}
	news := &newTongue{from: t.code, to: d.Language, at: segment.Duration(at), prob: *d.LanguageProb}
	g.hyp, g.ready, g.seen, g.known = hypothesis{}, hypothesis{}, hypothesis{}, knownTokens{} // in the wrong language from there on
	g.settling.forget()
	cut, err := g.cutter.CutAt(at)
	if cut {
		t.was, t.since = t.code, at
	}
	t.code, t.prob, t.to = d.Language, *d.LanguageProb, asked.End()
	g.peekedTo = min(g.peekedTo, at)
	return news, err
}

// frames is a length in frames.
func frames(d time.Duration) int64 { return int64(d) * scout.EngineSampleRateHz / int64(time.Second) }
