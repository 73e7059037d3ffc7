package whisper

import (
	"context"
	"slices"
)

// doubtful is the mean log-probability below which a text is decoded again.
const doubtful = -0.5

// doubtfulBeam is how many texts are followed where one was not convincing.
const doubtfulBeam = 5

// settle decodes a piece and decides whether to believe the text.
//
// A suspicious text is decoded again with more silence behind the audio, until it is not suspicious, or two decodes say
// the same: then it was said twice. A doubtful one is decoded once more, by beam if it was not, and the more probable
// text is taken.
func (s *session) settle(ctx context.Context, w how) (*decoding, error) {
	first, err := s.decode(ctx, w)
	if err != nil || first.nothing() {
		return first, err
	}
	if !s.model.suspicious(first) {
		if first.average() >= doubtful {
			return first, nil
		}
		return s.doubt(ctx, first, w)
	}
	best, last := first, first
	for _, tail := range []int{safeTail, wholeTail} {
		if s.model.framesFor(len(s.samples), tail) <= last.frames {
			continue
		}
		s.hypothesis = nil // it may be what led here
		again, err := s.decode(ctx, how{tail: tail, beam: w.beam})
		if err != nil {
			return nil, err
		}
		if !s.model.suspicious(again) || s.same(last, again) {
			return again, nil
		}
		if s.better(again, best) {
			best = again
		}
		last = again
	}
	return best, nil
}

// doubt decodes a doubtful piece once more and returns the more probable text.
func (s *session) doubt(ctx context.Context, first *decoding, w how) (*decoding, error) {
	other := how{tail: max(w.tail, safeTail), beam: max(w.beam, doubtfulBeam)}
	if s.hot != nil {
		other.beam = 1
	}
	if other.beam == w.beam && s.model.framesFor(len(s.samples), other.tail) == first.frames {
		other.tail = wholeTail
		if s.model.framesFor(len(s.samples), other.tail) == first.frames {
			return first, nil // it would be the same again
		}
	}
	again, err := s.decode(ctx, other)
	if err != nil {
		return nil, err
	}
	if s.model.suspicious(again) || again.average() <= first.average() {
		return first, nil
	}
	return again, nil
}

// same reports whether two decodes ended by themselves with the same words.
func (s *session) same(a, b *decoding) bool {
	v := s.model.vocabulary
	return a.ending != nil && b.ending != nil && slices.Equal(words(v.text(a.tokens)), words(v.text(b.tokens)))
}

// better reports whether of two suspicious texts the first is the lesser evil: it ended by itself, or repeats itself
// less.
func (s *session) better(a, b *decoding) bool {
	if (a.ending != nil) != (b.ending != nil) {
		return a.ending != nil
	}
	v := s.model.vocabulary
	return compression(v.text(a.tokens)) < compression(v.text(b.tokens))
}
