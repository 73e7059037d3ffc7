package speech

import (
	"context"
	"math"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Effort is how much extra decoding a piece may cost.
type Effort int

const (
	// EffortNormal decodes pieces again whose text is doubtful.
	EffortNormal Effort = iota
	// EffortQuick decodes every piece once, for text that must come at once.
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

// beam is how many texts are followed at once, by a model that can: 0 for one.
func (e Effort) beam() int {
	if e == EffortThorough {
		return 5
	}
	return 0
}

// tail is how much silence a model that needs it hears behind a piece of a file; 0 leaves it to the model. Whisper's 2 s are enough
// where a text that it says twice is decoded again; docs/adr/0072-whisper-padding.md.
func (e Effort) tail() time.Duration {
	if e == EffortThorough {
		return 5 * time.Second
	}
	return 0
}

// A piece of a word or two tells a model little. Where nobody waits it is heard with as much silence as the model was trained
// with, and several texts are followed. Measured: docs/adr/0072-whisper-padding.md, docs/adr/0098-single-words.md.
const (
	aWord     = 2 * scout.EngineSampleRateHz // samples
	wholeTail = 30 * time.Second
	wholeBeam = 8
)

// look is a way to present the same audio again so that the decoder makes other errors.
type look struct {
	shift  int // frames of silence before it: less than a frame of the encoder, 384, or a short pause
	behind int // frames of silence after it
	gain   float32
}

// The model's front end takes frames of 24 ms, and its 8-bit arithmetic rounds by the loudest value. Audio that begins
// a fraction of a frame later, or is half as loud, sounds the same to a listener, but the model makes other errors.
// docs/adr/0016-second-look.md lists what was tried.
func looks() []look { return []look{{shift: 288, gain: 1}, {shift: 0, gain: 0.5}} }

// doubtful returns the mean log-probability of tokens below which a piece is decoded again. Measured:
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

// lookAgain decodes a doubtful piece in other ways, until a text is clear, and merges the results: it takes the most
// confident text and replaces stretches of it by likelier ones of the others. A look that fails changes nothing.
func (c *Decoder) lookAgain(ctx context.Context, piece segment.Piece, how How, first Decoded, result *scout.Hypothesis) (Decoded, error) {
	looks := looks()
	looks = looks[:max(0, len(looks)-how.Spared)]
	if len(looks) == 0 || how.Trait.Rechecks || first.Tokens == 0 || first.confidence() >= how.Effort.doubtful() {
		return first, nil
	}
	c.again(piece, reasonDoubtful)
	known := make([]int32, len(result.Tokens))
	for i := range result.Tokens {
		known[i] = result.Tokens[i].ID
	}
	all := []Decoded{first}
	best := 0
	for _, l := range looks {
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
		h := understood(piece, l.shift, result, how)
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

// fewWords is the length up to which a piece holds one or two words. No stretch of it can then be likelier than
// another, and the text that most looks agree on is right more often.
const fewWords = scout.EngineSampleRateHz * 3 / 2

// majority returns the most confident of the looks with the same words, if they are more than half.
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

// apply returns the samples for this look, in new memory.
func (l look) apply(samples []float32) []float32 {
	out := make([]float32, l.shift+len(samples)+l.behind)
	for i, v := range samples {
		out[l.shift+i] = l.gain * v
	}
	return out
}

// request asks for the text of samples.
func (c *Decoder) request(samples []float32, how How) engine.Request {
	beam, tail := how.Effort.beam(), how.Tail
	if how.Patient {
		beam, tail = wholeBeam, wholeTail
	}
	return engine.Request{
		Samples: samples, Class: how.Class, Client: how.Client, Words: how.Words, Tokens: how.Tokens,
		Language: how.detected.or(how.Language), Translate: how.Translate, Beam: beam, Tail: tail, HotWords: how.HotWords, Prompt: how.Context,
		Once: how.Effort == EffortQuick || how.Spared > 0, Keep: how.Keep,
	}
}
