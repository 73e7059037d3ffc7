package moonshine

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// Tokens with a meaning of their own.
const (
	startToken = 1
	endToken   = 2
)

// tieMargin is by how much, in nats, another token must be better than the hypothesis's to replace it. A pass
// over several tokens sums attention in another order than one token at a time; 8-bit rounding amplifies that to
// some hundredths of a nat, enough to turn a comma. Without a margin a text fed back to itself changes in 14 of
// 114 pieces, with it in 1, and live text would flicker. See docs/adr/0011-decoding-loop.md.
const tieMargin = 0.1

// verifyTokens is how many tokens of a hypothesis are verified in one run. Each has 32768 logits, three times
// over: runs of 32 tokens raise the peak by 5 MB, of 50 by 33 MB, and are no faster.
const verifyTokens = 16

// job is what a slot decodes.
type job struct {
	samples    []float32
	hypothesis []int64   // at most limit
	limit      int       // most tokens that may come out, at most capacity-2
	align      bool      // keep in the slot's placer what every token attended to
	hot        *hotWords // nil for none
	step       *wire.Step
}

// decoding is the outcome of one request.
type decoding struct {
	tokens   []int64   // end token left out
	logprobs []float32 // of tokens
	ending   *float32  // log-probability of the end token, nil where decoding stopped without one
	agreed   int       // tokens taken from the hypothesis
	stop     wire.StopReason
	encoding time.Duration // of which the encoder took so long
}

// tokenLimit returns the most tokens that so much audio may give. Fast speech has 6.5 tokens a second; the
// limit leaves room above it and for short pieces, and only bounds what a lost decoder costs.
func tokenLimit(samples int) int {
	const perSecond, slack = 9, 16
	return min(capacity-2, int(math.Ceil(perSecond*float64(samples)/scout.EngineSampleRateHz))+slack)
}

// transcribe decodes samples: greedily, after verifying the hypothesis in one pass. It ends soon after ctx.
func (l *slot) transcribe(ctx context.Context, j job) (d *decoding, err error) {
	if err := ctx.Err(); err != nil {
		return nil, scout.Errorf(scout.CodeOf(err), "%w", err)
	}
	var owned tensors
	stop := l.watch(ctx)
	defer func() {
		err = errors.Join(err, stop(), owned.free())
		if err == nil {
			return
		}
		d = nil
		if ctx.Err() != nil { // what a terminated run says about itself is of no use
			err = scout.Errorf(scout.CodeOf(ctx.Err()), "%w", ctx.Err())
		} else {
			err = scout.Errorf(scout.CodeEngineFailed, "%w", err)
		}
	}()

	began := time.Now()
	j.step.Encode()
	frames, err := l.encode(j.samples, &owned)
	if err != nil {
		return nil, err
	}
	encoding := time.Since(began)
	l.placer.Begin(frames)
	j.step.Decode(0)
	d = &decoding{tokens: make([]int64, 0, j.limit), logprobs: make([]float32, 0, j.limit), encoding: encoding}
	g := &greedy{decoding: d, slot: l, job: j, frames: frames, owned: &owned}
	if d.agreed, g.next, err = l.verify(j, j.hypothesis, frames, d, &owned); err != nil {
		return nil, err
	}
	g.known = d.agreed
	if g.pass, err = l.newPass(&l.step, 1, j.hot.width(), frames, &owned); err != nil {
		return nil, err
	}
	if err := g.run(); err != nil {
		return nil, err
	}
	return d, nil
}

// verify runs the last token of the text, or the start token, and the hypothesis after it, some tokens at a time and
// each favoured by tieMargin, until one is not what the model says. It puts the agreeing tokens, at most len(hypothesis)
// <= limit-len(d.tokens), into d and returns how many there are and what comes next.
func (l *slot) verify(j job, hypothesis []int64, frames int, d *decoding, owned *tensors) (agreed int, next candidate, err error) {
	input := []int64{startToken}
	if n := len(d.tokens); n > 0 {
		input[0] = d.tokens[n-1]
	}
	input = append(input, hypothesis...)
	before := len(d.tokens) // in the cache, the start token in place of the last one
	for past := 0; ; past += verifyTokens {
		n := min(len(input)-past, verifyTokens)
		p, err := l.newPass(&l.pass, n, 1, frames, owned)
		if err != nil {
			return agreed, next, err
		}
		copy(p.tokens, input[past:])
		for i := range n {
			if past+i < len(hypothesis) {
				p.boostTokens[i], p.boost[i] = hypothesis[past+i], tieMargin
			}
		}
		if err := p.run(before + past); err != nil {
			return agreed, next, err
		}
		rows := 0 // that belong to the text: those of tokens that agree
		done := false
		for i, token := range p.next {
			rows++
			if agreed == len(hypothesis) || token != hypothesis[agreed] {
				next, done = candidate{token, p.logprob[i]}, true
				break
			}
			d.tokens, d.logprobs = append(d.tokens, token), append(d.logprobs, p.logprob[i])
			agreed++
			j.step.Decode(len(d.tokens))
		}
		if j.align {
			l.placer.Add(p.alignment, n, rows)
		}
		if done {
			return agreed, next, nil
		}
	}
}

// repeating reports whether the tokens end in a phrase repeated beyond what people say: five times, and 48 tokens
// in all, so that a dozen of "no, no, no" passes. Callers cut the audio otherwise and decode again: a wrong
// alarm costs time and no words. Phrases of up to longest tokens are looked for, at every token.
func repeating(tokens []int64) bool {
	const longest, times, least = 48, 5, 48
	for period := 1; period <= longest; period++ {
		n := max(times*period, least)
		if n > len(tokens) {
			return false // longer phrases take no less
		}
		tail := tokens[len(tokens)-n:]
		if slices.Equal(tail[period:], tail[:n-period]) {
			return true
		}
	}
	return false
}
