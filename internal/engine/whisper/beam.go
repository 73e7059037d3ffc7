package whisper

import (
	"cmp"
	"context"
	"slices"

	"github.com/scout-speech/scout/internal/engine/wire"
)

// hypothesis of a beam search: a text, how probable it is, and the text of the step before that it extends.
type branch struct {
	tokens   []int64
	logprobs []float32
	sum      float64 // of logprobs
	parent   int
	ending   *float32
}

// score is what finished texts are compared by.
func (b branch) score() float64 { return b.sum / float64(len(b.tokens)+1) }

// with returns the branch extended by a token.
func (b branch) with(c candidate, parent int) branch {
	return branch{
		tokens:   append(slices.Clone(b.tokens), c.token),
		logprobs: append(slices.Clone(b.logprobs), c.logprob),
		sum:      b.sum + float64(c.logprob), parent: parent,
	}
}

// ended returns the branch with the end token.
func (b branch) ended(logprob float32) branch {
	b.sum, b.ending = b.sum+float64(logprob), &logprob
	return b
}

// beam follows the width most probable texts at once and takes the best of the width that end first. All texts share one run
// of the decoder.
func (s *session) beam(ctx context.Context, d *decoding, width, limit int) error {
	done, stop, err := s.search(ctx, d, width, limit)
	if err != nil {
		return err
	}
	best, surest := s.choose(done), mostProbable(done).score()
	d.surest, d.texts, d.width = &surest, done, width
	d.tokens, d.logprobs, d.ending, d.stop = best.tokens, best.logprobs, best.ending, stop
	if s.align {
		return s.retrace(d)
	}
	return nil
}

// mostProbable returns the text with the highest mean log-probability, the end included.
func mostProbable(texts []branch) branch {
	return slices.MaxFunc(texts, func(a, b branch) int { return cmp.Compare(a.score(), b.score()) })
}

// search returns the width texts that end first, or those that it followed where it stopped before one ended.
func (s *session) search(ctx context.Context, d *decoding, width, limit int) (done []branch, stop wire.StopReason, err error) {
	if err := s.begin(d, -1, width+1); err != nil {
		return nil, "", err
	}
	prompt := d.prompt
	alive, done := s.grow([]branch{{}}, width, width+1, nil)
	if err := s.room(width, len(prompt)+cacheStep, len(prompt), &s.owned); err != nil {
		return nil, "", err
	}
	stop = wire.StopEnd
	for len(done) < width && len(alive) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		if len(alive[0].tokens) >= limit {
			stop = wire.StopLength
			break
		}
		if repeating(alive[0].tokens) {
			stop = wire.StopRepeats
			break
		}
		in := input{hearing: s.heard, past: len(prompt) + len(alive[0].tokens) - 1, bias: s.model.later, count: width + 1}
		for i := range width { // a text that is missing is computed as the first
			b := alive[0]
			if i < len(alive) {
				b = alive[i]
			}
			in.tokens, in.rows = append(in.tokens, b.tokens[len(b.tokens)-1]), append(in.rows, int64(i))
		}
		if err := s.decodeRun(in); err != nil {
			return nil, "", err
		}
		s.step.Decode(len(alive[0].tokens))
		before := alive
		alive, done = s.grow(before, width, width+1, done)
		s.follow(before, alive, len(prompt), in.past+1)
	}
	if len(done) == 0 {
		return alive, stop, nil
	}
	return done, wire.StopEnd, nil
}

// grow extends branches by the count candidates of each that the last run found: the width best go on, those that end
// before are added to done.
func (s *session) grow(branches []branch, width, count int, done []branch) (alive, finished []branch) {
	type extension struct {
		candidate
		of  int
		sum float64
	}
	var all []extension
	for i, b := range branches {
		for j := i * count; j < (i+1)*count; j++ {
			c := candidate{s.next[j], s.logprob[j]}
			all = append(all, extension{c, i, b.sum + float64(c.logprob)})
		}
	}
	slices.SortStableFunc(all, func(a, b extension) int { return cmp.Compare(b.sum, a.sum) })
	for _, e := range all {
		switch {
		case !(e.logprob >= leastLogProb): // suppressed
		case e.token == int64(s.model.vocabulary.End):
			done = append(done, branches[e.of].ended(e.logprob))
		default:
			alive = append(alive, branches[e.of].with(e.candidate, e.of))
		}
		if len(alive) == width {
			break
		}
	}
	return alive, done
}

// leastLogProb is below that of every token that is not suppressed.
const leastLogProb = -1e4

// follow brings the cache, which the branches before have filled up to end, into the order of their extensions. Only
// tokens in which two texts differ are copied: most branches differ in the last few.
func (s *session) follow(before, alive []branch, prompt, end int) {
	var moves []move
	for i, b := range alive {
		if b.parent == i {
			continue
		}
		since := prompt
		if i < len(before) {
			old, parent := before[i].tokens, before[b.parent].tokens
			for since-prompt < len(old) && old[since-prompt] == parent[since-prompt] {
				since++
			}
		}
		moves = append(moves, move{from: b.parent, to: i, since: since})
	}
	if len(moves) > 0 {
		s.moveTexts(moves, end)
	}
}

// retrace runs a finished text once more, several tokens at a time, to see what each of them attended to.
func (s *session) retrace(d *decoding) error {
	prompt := d.prompt
	if err := s.room(1, len(prompt)+len(d.tokens), len(prompt), &s.owned); err != nil {
		return err
	}
	tokens := append([]int64{prompt[len(prompt)-1]}, d.tokens...)
	for past := 0; past < len(d.tokens); past += verifyTokens {
		n := min(len(d.tokens)-past, verifyTokens)
		if err := s.decodeRun(input{
			hearing: s.heard, tokens: tokens[past : past+n], past: len(prompt) - 1 + past, rows: []int64{0}, bias: s.model.later, count: 1,
		}); err != nil {
			return err
		}
		d.placer.Add(s.alignment, n, n)
	}
	return nil
}
