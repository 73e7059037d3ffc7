package moonshine

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/hotword"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// Special tokens.
const (
	startToken = 1
	endToken   = 2
)

// tieMargin is by how many nats another token must be better than the hypothesis's to replace it. A pass over several
// tokens sums attention in another order than one token at a time, and 8-bit rounding amplifies that to some hundredths
// of a nat, enough to change a comma. Without a margin 14 of 114 texts change when they are used as their own
// hypothesis, with it 1. Live text would flicker. See docs/adr/0011-decoding-loop.md.
const tieMargin = 0.1

// verifyTokens is how many tokens of a hypothesis are verified in one run. Each has 32768 logits, three times: runs of
// 32 tokens raise the peak by 5 MB, of 50 by 33 MB, and are no faster.
const verifyTokens = 16

// job is the work of a slot.
type job struct {
	samples    []float32
	hypothesis []int64        // at most limit
	limit      int            // most tokens of the result, at most capacity-2
	align      bool           // record in the slot's placer what every token attended to
	hot        *hotword.Words // nil if there are none
	step       *wire.Step
}

// decoding is the outcome of one request.
type decoding struct {
	tokens   []int64   // without the end token
	logprobs []float32 // of tokens
	ending   *float32  // log-probability of the end token, nil if decoding stopped without one
	agreed   int       // tokens taken from the hypothesis
	stop     wire.StopReason
	encoding time.Duration // the time of the encoder
}

// tokenLimit returns the most tokens that this much audio may give. Fast speech has 6.5 tokens a second. The limit
// leaves room above that and for short pieces, and only bounds the cost of a lost decoder.
func tokenLimit(samples int) int {
	const perSecond, slack = 9, 16
	return min(capacity-2, int(math.Ceil(perSecond*float64(samples)/scout.EngineSampleRateHz))+slack)
}

// transcribe decodes samples: greedily, after verifying the hypothesis in one pass. It ends soon after ctx.
func (l *slot) transcribe(ctx context.Context, j job) (d *decoding, err error) {
	err = l.during(ctx, func(owned *native.Tensors) (err error) {
		d, err = l.decode(j, owned)
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// decode is the work of transcribe.
func (l *slot) decode(j job, owned *native.Tensors) (d *decoding, err error) {
	began := time.Now()
	j.step.Encode()
	frames, err := l.encode(j.samples, owned)
	if err != nil {
		return nil, err
	}
	encoding := time.Since(began)
	l.placer.Begin(frames, len(j.samples))
	j.step.Decode(0)
	d = &decoding{tokens: make([]int64, 0, j.limit), logprobs: make([]float32, 0, j.limit), encoding: encoding}
	g := &greedy{decoding: d, slot: l, job: j, frames: frames, owned: owned}
	if d.agreed, g.next, err = l.verify(j, j.hypothesis, frames, d, owned); err != nil {
		return nil, err
	}
	g.known = d.agreed
	if g.pass, err = l.newPass(&l.step, 1, j.hot.Width(), frames, owned); err != nil {
		return nil, err
	}
	if err := g.run(); err != nil {
		return nil, err
	}
	return d, nil
}

// verify runs the last token of the text, or the start token, and the hypothesis after it, several tokens at a time.
// Each is favoured by tieMargin. It stops at the first token that the model does not choose. It appends the agreeing
// tokens, at most len(hypothesis) <= limit-len(d.tokens), to d and returns their number and the next token.
func (l *slot) verify(j job, hypothesis []int64, frames int, d *decoding, owned *native.Tensors) (agreed int, next candidate, err error) {
	input := []int64{startToken}
	if n := len(d.tokens); n > 0 {
		input[0] = d.tokens[n-1]
	}
	input = append(input, hypothesis...)
	before := len(d.tokens) // in the cache, with the start token in place of the last one
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
		rows := 0 // rows that belong to the text: those of tokens that agree
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

// repeating reports whether the tokens end in a phrase that repeats more often than people repeat: five times, and 48
// tokens in total, so that a dozen of "no, no, no" passes. Callers cut the audio differently and decode again, so a
// false alarm costs time but no words. It checks phrases of up to longest tokens, at every token.
func repeating(tokens []int64) bool {
	const longest, times, least = 48, 5, 48
	for period := 1; period <= longest; period++ {
		n := max(times*period, least)
		if n > len(tokens) {
			return false // longer phrases need at least as many
		}
		tail := tokens[len(tokens)-n:]
		if slices.Equal(tail[period:], tail[:n-period]) {
			return true
		}
	}
	return false
}
