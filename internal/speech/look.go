package speech

import (
	"context"
	"math"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Effort is how much decoding a piece may cost beyond the first time.
type Effort int

const (
	// EffortNormal decodes pieces again that the decoder was doubtful about.
	EffortNormal Effort = iota
	// EffortQuick decodes every piece once, for text that is wanted at once.
	EffortQuick
	// EffortThorough decodes again on the slightest doubt, for recordings that nobody waits for.
	EffortThorough
)

// ParseEffort reads "quick", "normal" or "thorough".
func ParseEffort(text string) (Effort, error) {
	for _, e := range []Effort{EffortQuick, EffortNormal, EffortThorough} {
		if text == e.String() {
			return e, nil
		}
	}
	return EffortNormal, scout.Errorf(scout.CodeInvalidArgument, "effort %q: want quick, normal or thorough", text)
}

// String returns the name of the effort.
func (e Effort) String() string {
	switch e {
	case EffortQuick:
		return "quick"
	case EffortThorough:
		return "thorough"
	}
	return "normal"
}

// look is a way to hear the same audio again that makes the decoder err elsewhere.
type look struct {
	shift  int // frames of silence in front: less than a frame of the encoder, 384, or a little pause
	behind int // frames of silence behind it
	gain   float32
}

// The model's front end takes frames of 24 ms, and its 8-bit arithmetic rounds by the loudest value. Audio that
// begins a fraction of a frame later, or is half as loud, is the same to a listener; the model errs in other places.
// See docs/adr/0016-second-look.md for what was tried.
func looks() []look { return []look{{shift: 288, gain: 1}, {shift: 0, gain: 0.5}} }

// doubtful is the mean log-probability of tokens below which a piece is decoded again. Measured:
// docs/adr/0016-second-look.md.
func (e Effort) doubtful() float64 {
	switch e {
	case EffortQuick:
		return math.Inf(-1)
	case EffortThorough:
		return -0.15
	}
	return -0.23
}

// lookAgain decodes a doubtful piece in other ways, until a text is clear, and merges what was heard: the most
// confident text, each stretch of it replaced by a likelier one of the others. A look that fails leaves what is known.
func (c *Decoder) lookAgain(ctx context.Context, piece segment.Piece, how How, first Decoded, result *scout.Hypothesis) (Decoded, error) {
	if first.Tokens == 0 || first.confidence() >= how.Effort.doubtful() {
		return first, nil
	}
	c.again(piece, reasonDoubtful)
	known := make([]int32, len(result.Tokens))
	for i := range result.Tokens {
		known[i] = result.Tokens[i].ID
	}
	all := []Decoded{first}
	best := 0
	for _, l := range looks() {
		if all[best].confidence() >= how.Effort.doubtful() {
			break // the first look made it clear
		}
		request := c.request(l.apply(piece.Samples), how)
		request.Known = known
		result, err := c.recognizer.Transcribe(ctx, request)
		if err != nil {
			if concernsPiece(err) {
				continue
			}
			return Decoded{}, err // the engine says what it was doing
		}
		h := understood(piece, l.shift, result)
		if h.Tokens == 0 || doubt(piece, h, result) != "" {
			continue
		}
		all = append(all, h)
		if h.confidence() > all[best].confidence() {
			best = len(all) - 1
		}
	}
	if len(piece.Samples) <= fewWords {
		if vote, ok := majority(all); ok {
			return vote, nil
		}
	}
	merged := all[best]
	for i := range all {
		if i != best {
			merged.replace(align.Merge(merged.Heard, all[i].Heard))
		}
	}
	return merged, nil
}

// fewWords is the length of a piece that holds a word or two: no stretch of it can be likelier than another then, and
// what most looks heard is right more often.
const fewWords = scout.EngineSampleRateHz * 3 / 2

// majority returns the most confident of those that heard the same words, where they are more than half.
func majority(all []Decoded) (vote Decoded, ok bool) {
	for i := range all {
		same := 0
		for k := range all {
			if align.Alike(all[i].Words, all[k].Words) {
				same++
			}
		}
		if 2*same > len(all) && len(all) > 2 && (!ok || all[i].confidence() > vote.confidence()) {
			vote, ok = all[i], true
		}
	}
	return vote, ok
}

// apply returns the samples heard in another way, in new memory.
func (l look) apply(samples []float32) []float32 {
	out := make([]float32, l.shift+len(samples)+l.behind)
	for i, v := range samples {
		out[l.shift+i] = l.gain * v
	}
	return out
}

// request asks for the text of samples.
func (c *Decoder) request(samples []float32, how How) engine.Request {
	return engine.Request{
		Samples: samples, Class: how.Class, Words: how.Words,
		Language: how.Language, HotWords: how.HotWords,
	}
}
