package whisper

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// A text of which the model is not sure hangs on chance: with other silence around the same audio, another text is the most
// probable. Two hearings together err less than either. Measured: docs/adr/0072-whisper-padding.md, docs/adr/0098-single-words.md.
const (
	// unsure is the mean log-probability below which a text written without spaces is weighed. There each wrong sound is a wrong
	// character, and each word has several spellings.
	unsure = -0.25
	// leadIn is the silence in front of a brief piece when it is heard again, in samples.
	leadIn = scout.EngineSampleRateHz
	// weighedFrames is the most frames of a first hearing that is kept while the piece is heard again: 26 MB of keys and values
	// of Whisper base.
	weighedFrames = 1050
)

// weigh hears a piece of which the model is not sure a second time, and returns of the texts of both hearings the one that both
// together make the most probable, with the probabilities of the first. It returns nil if the piece is not weighed.
func (s *session) weigh(ctx context.Context, first *decoding) (d *decoding, err error) {
	samples, w, ok := s.secondHearing(first)
	if !ok {
		return nil, nil //nolint:nilnil // it is not weighed
	}
	heard, cross := s.heard, s.cross
	s.cross = nil
	texts, err := s.hearSecond(ctx, first, samples, w)
	for i := range s.cross {
		err = errors.Join(err, s.cross[i].Release())
	}
	s.heard, s.cross = heard, cross
	if err != nil {
		return nil, err
	}
	f := &forcer{session: s, prompt: first.prompt}
	for i := range texts {
		b := &texts[i]
		logprobs, sum, err := f.whole(ctx, b.tokens)
		if err != nil {
			return nil, err
		}
		end := len(logprobs) - 1
		b.logprobs, b.ending, b.sum = logprobs[:end:end], &logprobs[end], (sum+b.sum)/2
	}
	best := s.choose(texts)
	second := *first
	second.tokens, second.logprobs, second.ending = best.tokens, best.logprobs, best.ending
	if s.align && !slices.Equal(second.tokens, first.tokens) {
		second.placer, s.placer = s.placer, s.model.placer()
		second.placer.Begin(second.frames, len(s.samples))
		return &second, s.retrace(&second)
	}
	return &second, nil
}

// secondHearing returns what is heard the second time and how. It returns false if the piece is not weighed: one text was followed, it
// is sure enough, or no other hearing helps.
func (s *session) secondHearing(first *decoding) (samples []float32, w how, ok bool) {
	switch {
	case first.surest == nil || first.ending == nil:
		return nil, w, false
	case len(s.samples) < brief:
		samples = append(make([]float32, leadIn, leadIn+len(s.samples)), s.samples...)
		return samples, how{tail: safeTail}, *first.surest < doubtful
	case !strings.ContainsFunc(s.text(first), scout.Spaceless):
		return nil, w, false
	}
	w = how{tail: wholeTail}
	return s.samples, w, *first.surest < unsure && first.frames <= weighedFrames && s.framesWith(w.tail) > first.frames
}

// hearSecond hears samples, searches for texts, and returns them and those of the first hearing, with their probability in this one.
func (s *session) hearSecond(ctx context.Context, first *decoding, samples []float32, w how) ([]branch, error) {
	frames := s.model.framesFor(len(samples), w.tail)
	s.longest = max(s.longest, frames)
	s.step.Encode()
	began := time.Now()
	var err error
	if s.heard, err = s.hear(samples, frames, w.blank(), &s.owned); err != nil {
		return nil, err
	}
	s.encoding += time.Since(began)
	s.step.Decode(0)
	if err := s.room(1, len(first.prompt)+cacheStep, 0, &s.owned); err != nil {
		return nil, err
	}
	limit := min(tokenLimit(len(samples)), s.model.Positions-len(first.prompt)-1)
	found, _, err := s.search(ctx, &decoding{prompt: first.prompt, start: first.start}, first.width, limit)
	if err != nil {
		return nil, err
	}
	texts := slices.Clone(first.texts)
	if err := s.room(1, len(first.prompt)+cacheStep, 0, &s.owned); err != nil {
		return nil, err
	}
	f := &forcer{session: s, prompt: first.prompt}
	for i := range texts {
		if _, texts[i].sum, err = f.whole(ctx, texts[i].tokens); err != nil {
			return nil, err
		}
	}
	for _, b := range found {
		known := slices.ContainsFunc(texts, func(t branch) bool { return slices.Equal(t.tokens, b.tokens) })
		if !known && b.ending != nil && !repetitive(s.model.vocabulary.text(b.tokens)) {
			texts = append(texts, b)
		}
	}
	return texts, nil
}

// whole returns the log-probabilities of tokens, the end behind them last, and their sum.
func (f *forcer) whole(ctx context.Context, tokens []int64) (logprobs []float32, sum float64, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	forced, err := f.Force(append(slices.Clone(tokens), f.End()), 0)
	for _, p := range forced {
		sum += float64(p)
	}
	return slices.Clone(forced), sum, err
}
