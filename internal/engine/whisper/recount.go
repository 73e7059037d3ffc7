package whisper

import (
	"context"
	"slices"

	"github.com/scout-speech/scout/internal/engine/wire"
)

// Of a word that is said six times in a row the model may write nine: each time the word is likelier than what follows, and only the
// whole text shows that it was too often. Measured: docs/adr/0072-whisper-padding.md.
const (
	// manyTimes is how often a phrase stands in a row whose number of times is looked at, fewerTimes how many times less are tried.
	manyTimes  = 7
	fewerTimes = 5
	// longestPhrase is the most tokens of such a phrase.
	longestPhrase = 6
)

// row is a phrase that stands several times in a row.
type row struct{ from, to, period int } // tokens; the last time may be a part of the phrase

// rowIn returns the longest row of tokens in which a phrase stands manyTimes or more; period is 0 if there is none.
func rowIn(tokens []int64) (longest row) {
	for period := 1; period <= longestPhrase; period++ {
		for from := 0; from+manyTimes*period <= len(tokens); from++ {
			to := from + period
			for to < len(tokens) && tokens[to] == tokens[to-period] {
				to++
			}
			if to-from >= manyTimes*period && to-from > longest.to-longest.from {
				longest = row{from, to, period}
			}
		}
	}
	return longest
}

// recount decodes a text that ended by itself, and in which a phrase stands many times in a row, with the phrase fewer times, and returns
// the likeliest text. shortened continues the first tokens of the text with another token than that which follows there. tried is how
// many texts that took.
func recount(ctx context.Context, d *decoding, shortened func(ctx context.Context, tokens int) (*decoding, error)) (best *decoding, tried int, err error) {
	best = d
	r := rowIn(d.tokens)
	if r.period == 0 || d.stop != wire.StopEnd {
		return d, 0, nil
	}
	for less := 1; less <= fewerTimes; less++ {
		other, err := shortened(ctx, r.to-less*r.period)
		if err != nil {
			return nil, tried, err
		}
		tried++
		if other.stop == wire.StopEnd && other.sum() > best.sum() {
			best = other
		}
	}
	return best, tried, nil
}

// recount does that with the audio as it was heard for the text, and places the tokens of a text that is taken.
func (s *session) recount(ctx context.Context, d *decoding) (*decoding, error) {
	if s.hot != nil || d.nothing() {
		return d, nil
	}
	best, tried, err := recount(ctx, d, func(ctx context.Context, tokens int) (*decoding, error) {
		if err := s.listen(d.frames, d.blank); err != nil {
			return nil, err
		}
		return s.shortened(ctx, d, tokens)
	})
	s.again = append(s.again, slices.Repeat([]wire.AgainReason{wire.AgainRepeats}, tried)...)
	if err != nil || best == d || !s.align {
		return best, err
	}
	best.placer, s.placer = s.placer, s.model.placer()
	best.placer.Begin(best.frames, len(s.samples))
	return best, s.retrace(best)
}

// shortened continues the first tokens of a text with the most probable token other than the one that follows there.
func (s *session) shortened(ctx context.Context, d *decoding, tokens int) (*decoding, error) {
	if err := s.room(1, len(d.prompt)+cacheStep, 0, &s.owned); err != nil {
		return nil, err
	}
	f := &forcer{session: s, prompt: d.prompt}
	logprobs, err := f.Force(d.tokens[:tokens], 0)
	if err != nil {
		return nil, err
	}
	other := *d
	other.tokens, other.logprobs, other.ending = slices.Clone(d.tokens[:tokens]), slices.Clone(logprobs), nil
	err = s.decodeRun(input{
		hearing: s.heard, tokens: d.tokens[tokens-1 : tokens], past: len(d.prompt) + tokens - 1, rows: []int64{0}, bias: s.model.later, count: 1,
		favoured: d.tokens[tokens : tokens+1], bonus: []float32{-forcing},
	})
	if err != nil {
		return nil, err
	}
	align := s.align
	s.align = false // only a text that is taken is placed
	defer func() { s.align = align }()
	g := &greedy{session: s, decoding: &other, limit: min(tokenLimit(len(s.samples)), s.model.Positions-len(d.prompt)-1)}
	g.found()
	return &other, g.run(ctx)
}
