package moonshine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scout-speech/scout/internal/engine/forced"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// forcing is by how many nats a token is favoured to be the next one, whatever the model says. Its log-probability is given
// without it.
const forcing = 1e4

// score answers a request for scores: it hears the samples, and decodes nothing.
func (b *backend) score(ctx context.Context, request *wire.Request) (*wire.Result, error) {
	if err := forced.Check(request.Options.Score); err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong with the request
	}
	l, err := b.slots.Take(ctx)
	if err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	defer b.slots.Add(l)
	defer l.shed(len(request.Samples))
	result := &wire.Result{Stop: wire.StopEnd}
	err = l.during(ctx, func(owned *native.Tensors) (err error) {
		began := time.Now()
		request.Step.Encode()
		frames, err := l.encode(request.Samples, owned)
		if err != nil {
			return err
		}
		result.EncodeMS = float64(time.Since(began)) / float64(time.Millisecond)
		f := &forcer{slot: l, vocabulary: b.vocabulary, frames: frames, owned: owned, step: request.Step}
		result.Scores, err = forced.Scores(ctx, f, request.Options.Score, capacity-1)
		return err //nolint:wrapcheck // it says what it was doing
	})
	if err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	return result, nil
}

// during does work with a slot that ends soon after ctx. What the work adds to owned is freed. Its errors are those of native.During.
func (l *slot) during(ctx context.Context, work func(owned *native.Tensors) error) error {
	var owned native.Tensors
	return native.During(ctx, l.options, &owned, func() error { return work(&owned) }) //nolint:wrapcheck // it says what failed
}

// forcer makes the model say given tokens.
type forcer struct {
	*slot
	*vocabulary
	frames   int
	owned    *native.Tensors
	step     *wire.Step
	logprobs []float32
	done     int // tokens that were forced, for the progress
}

// End implements forced.Decoder.
func (f *forcer) End() int64 { return endToken }

// Force implements forced.Decoder.
func (f *forcer) Force(text []int64, at int) ([]float32, error) {
	f.logprobs = f.logprobs[:0]
	for at < len(text) {
		n := min(len(text)-at, verifyTokens)
		var owned native.Tensors
		p, err := f.newPass(&f.pass, n, 1, f.frames, &owned)
		if err == nil {
			for i := range n {
				p.tokens[i] = startToken
				if at+i > 0 {
					p.tokens[i] = text[at+i-1]
				}
				p.boostTokens[i], p.boost[i] = text[at+i], forcing
			}
			err = p.run(at)
		}
		if err := errors.Join(err, owned.Free()); err != nil {
			return nil, err
		}
		for i := range n {
			logprob := p.logprob[i]
			if p.next[i] != text[at+i] {
				logprob = forced.Least
			}
			f.logprobs = append(f.logprobs, logprob)
		}
		at += n
		f.done += n
		f.step.Decode(f.done)
	}
	return f.logprobs, nil
}
