// Package forced finds how probable a model finds words that it is made to say (teacher forcing): the known text of a piece, and
// that text with changes. It belongs to the engine process and serves every backend that has a decoder of its own.
package forced

import (
	"cmp"
	"context"
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// Decoder is a model that has heard a piece.
type Decoder interface {
	// Encode returns the tokens of a text, which begins with a space where its script has any.
	Encode(text string) []int64
	// End is the token that ends a text.
	End() int64
	// Force returns the log-probabilities of text[at:]. The tokens before have been forced in an earlier call and are those of the
	// last text that was longer than at, so that their keys and values are still there. The result is valid until the next call.
	Force(text []int64, at int) ([]float32, error)
}

// Most are the most changes of one request, and MostWords the most words of a text.
const (
	Most      = 1000
	MostWords = 4096
)

// Least is the log-probability of a token that the model may not say.
const Least = -100

// Check refuses a request that cannot be answered, with invalid_argument.
func Check(s *wire.Score) error {
	if len(s.Words) > MostWords || len(s.Changes) > Most || s.Behind < 0 {
		return scout.Errorf(scout.CodeInvalidArgument, "%d changes of %d words, %d tokens behind: at most %d of %d",
			len(s.Changes), len(s.Words), s.Behind, Most, MostWords)
	}
	for i, c := range s.Changes {
		if c.From < 0 || c.From > c.To || c.To > len(s.Words) || len(c.Words) > MostWords {
			return scout.Errorf(scout.CodeInvalidArgument, "change %d replaces words %d to %d of %d by %d", i, c.From, c.To, len(s.Words), len(c.Words))
		}
	}
	return nil
}

// Scores answers a request that Check accepted. Texts with more than limit tokens, the end included, are refused with
// invalid_argument. The known text is run once; then the changes from its end to its beginning, so that the keys and values of what
// stands before a change are still those of the known text.
func Scores(ctx context.Context, d Decoder, s *wire.Score, limit int) ([]wire.ChangeScore, error) {
	text, starts := encode(d, s.Words)
	if len(text) > limit {
		return nil, tooLong(len(text), limit)
	}
	known, err := d.Force(text, 0)
	if err != nil {
		return nil, err //nolint:wrapcheck // the backend says what it was doing
	}
	known = slices.Clone(known)
	order := make([]int, len(s.Changes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.Changes[b].From, s.Changes[a].From) })
	scores := make([]wire.ChangeScore, len(s.Changes))
	for _, i := range order {
		if err := ctx.Err(); err != nil {
			return nil, scout.Errorf(scout.CodeOf(err), "%w", err)
		}
		c := s.Changes[i]
		from, to := starts[c.From], starts[c.To]
		behind := text[to:min(to+s.Behind, len(text))]
		before := "a" // a word of a script with spaces
		if c.From > 0 {
			before = s.Words[c.From-1]
		}
		changed := slices.Concat(text[:from], words(d, before, c.Words), behind)
		if len(changed) > limit {
			return nil, tooLong(len(changed), limit)
		}
		other, err := d.Force(changed, from)
		if err != nil {
			return nil, err //nolint:wrapcheck // as above
		}
		scores[i] = wire.ChangeScore{Own: sum(known[from : to+len(behind)]), Other: sum(other)}
	}
	return scores, nil
}

func tooLong(n, limit int) error {
	return scout.Errorf(scout.CodeInvalidArgument, "the known text has %d tokens: the model takes %d", n, limit)
}

// encode returns the tokens of a text with its end, and where each word begins, and the end.
func encode(d Decoder, text []string) (tokens []int64, starts []int) {
	before := "a"
	for _, word := range text {
		starts = append(starts, len(tokens))
		tokens = append(tokens, words(d, before, []string{word})...)
		before = word
	}
	starts = append(starts, len(tokens))
	return append(tokens, d.End()), starts
}

// words returns the tokens of words behind another one. Each is encoded alone: no token reaches over a space.
func words(d Decoder, before string, text []string) (tokens []int64) {
	for _, word := range text {
		tokens = append(tokens, d.Encode(scout.Between(before, word)+word)...)
		before = word
	}
	return tokens
}

func sum(logprobs []float32) (s float64) {
	for _, p := range logprobs {
		s += max(float64(p), Least)
	}
	return s
}
