package whisper

import (
	"context"
	"slices"

	"github.com/scout-speech/scout/internal/engine/wire"
)

// Limits of what is believed at once; docs/adr/0072-whisper-padding.md has the measurements.
const (
	doubtful     = -0.5 // mean log-probability below which a text is decoded again
	doubtfulBeam = 5    // texts that are then followed
)

// piece is audio that can be decoded in several ways.
type piece interface {
	// decode decodes it once.
	decode(ctx context.Context, w how) (*decoding, error)
	// weigh returns the text that two hearings together make the most probable, nil if the piece is not heard a second time.
	weigh(ctx context.Context, first *decoding) (*decoding, error)
	// framesWith returns how many frames are heard with a tail of silence.
	framesWith(tail int) int
	// text returns what a decoding says.
	text(d *decoding) string
	// favours reports whether words are to be favoured: then one text is followed.
	favours() bool
}

// settle decodes a piece and decides whether to believe the text. again has a reason for each decode after the first.
//
// If nobody speaks, but the text is likelier than that of noise, the piece is heard again with 5 s of silence, which tells
// speech better from other sounds, unless the request asks for a text at once.
// A suspicious text is decoded again with more silence behind the audio, until it is not suspicious, or two decodes say
// the same: then it was said twice. A doubtful one is decoded once more, by beam if it was not, and the more probable
// text is taken, or both are weighed together, unless the request asks for a text at once.
func settle(ctx context.Context, p piece, w how) (d *decoding, again []wire.AgainReason, err error) {
	first, err := p.decode(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	if first.nothing() {
		if w.once || !first.mayBeSpeech() || p.framesWith(safeTail) <= first.frames {
			return first, nil, nil
		}
		again = []wire.AgainReason{wire.AgainSilence}
		w = how{tail: safeTail, beam: w.beam, anew: true}
		next, err := p.decode(ctx, w)
		if err != nil || !next.isSpeech() {
			return first, again, err
		}
		first = next
	}
	suspicion := suspicious(p, first)
	if suspicion == "" {
		if w.once {
			return first, again, nil
		}
		if weighed, err := p.weigh(ctx, first); weighed != nil || err != nil {
			return weighed, append(again, wire.AgainDoubtful), err
		}
		if first.average() >= doubtful {
			return first, again, nil
		}
		d, more, err := doubt(ctx, p, first, w)
		return d, append(again, more...), err
	}
	best, last := first, first
	for _, tail := range []int{safeTail, wholeTail} {
		if p.framesWith(tail) <= last.frames {
			continue
		}
		again = append(again, suspicion)
		next, err := p.decode(ctx, how{tail: tail, beam: w.beam, once: w.once, anew: true})
		if err != nil {
			return nil, nil, err
		}
		if suspicion = suspicious(p, next); suspicion == "" || same(p, last, next) {
			return next, again, nil
		}
		if better(p, next, best) {
			best = next
		}
		last = next
	}
	return best, again, nil
}

// doubt decodes a doubtful piece once more and returns the more probable text.
func doubt(ctx context.Context, p piece, first *decoding, w how) (d *decoding, again []wire.AgainReason, err error) {
	other := how{tail: max(w.tail, safeTail), beam: max(w.beam, doubtfulBeam), anew: true}
	if p.favours() {
		other.beam = 1
	}
	if other.beam == w.beam && p.framesWith(other.tail) == first.frames {
		other.tail = wholeTail
		if p.framesWith(other.tail) == first.frames {
			return first, nil, nil // it would be the same again
		}
	}
	again = []wire.AgainReason{wire.AgainDoubtful}
	next, err := p.decode(ctx, other)
	if err != nil {
		return nil, nil, err
	}
	if suspicious(p, next) != "" || next.average() <= first.average() {
		return first, again, nil
	}
	return next, again, nil
}

// suspicious returns why a text may not be what was said, empty for no reason: it was stopped, it compresses too well, or it
// ends in a phrase said twice. A model that hears too little silence behind the speech fails in this way, and is sure of
// what it says.
func suspicious(p piece, d *decoding) wire.AgainReason {
	text := p.text(d)
	switch {
	case d.stop == wire.StopLength:
		return wire.AgainLength
	case d.stop != wire.StopEnd, repetitive(text):
		return wire.AgainRepeats
	}
	return ""
}

// same reports whether two decodes ended by themselves with the same words.
func same(p piece, a, b *decoding) bool {
	return a.stop == wire.StopEnd && b.stop == wire.StopEnd && slices.Equal(words(p.text(a)), words(p.text(b)))
}

// better reports whether of two suspicious texts the first is the lesser evil: it ended by itself, or repeats itself
// less.
func better(p piece, a, b *decoding) bool {
	if ended := a.stop == wire.StopEnd; ended != (b.stop == wire.StopEnd) {
		return ended
	}
	return compression(p.text(a)) < compression(p.text(b))
}

func (s *session) framesWith(tail int) int { return s.model.framesFor(len(s.samples), tail) }

func (s *session) text(d *decoding) string { return s.model.vocabulary.text(d.tokens) }

func (s *session) favours() bool { return s.hot != nil }
