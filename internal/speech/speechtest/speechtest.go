// Package speechtest is shared by tests of speech, of dictations, and of sound that clients send: sound whose words tell their positions, and
// what a model hears in it.
package speechtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
)

// RateHz is the sample rate of the sound, and WordFrames the length of one word. Word k is said from k*WordFrames to (k+1)*WordFrames, so
// whoever hears a part of the sound knows which words are complete.
const (
	RateHz     = scout.EngineSampleRateHz
	WordFrames = RateHz * 2 / 5
)

// Loud is what is added to the level in syllables. It is above every position: there are MostFrames of them.
const (
	Loud       = 0.25
	MostFrames = scale / 4

	scale = 1 << 24
)

// SampleAt is what is heard at a position. The level varies like that of speech without pauses, with syllables of 210 ms and closures of
// 40 ms, and tells the position; the sign makes noise of it.
func SampleAt(n int) float32 {
	level := float64(n) / scale
	if n%(RateHz/4) >= RateHz/25 {
		level += Loud
	}
	if bits.OnesCount64(uint64(n)*0x9E3779B97F4A7C15)%2 == 0 {
		level = -level
	}
	return float32(level)
}

// PositionOf is the inverse of SampleAt.
func PositionOf(sample float32) int {
	level := math.Abs(float64(sample))
	if level >= Loud {
		level -= Loud
	}
	return int(math.Round(level * scale))
}

// Sound is the sound from one position to another, as f32.
func Sound(from, to int) []byte {
	block := make([]byte, 0, 4*(to-from))
	for n := from; n < to; n++ {
		block = binary.LittleEndian.AppendUint32(block, math.Float32bits(SampleAt(n)))
	}
	return block
}

// Word is the word with a number.
func Word(k int) string { return fmt.Sprintf("w%dx", k) }

// Script is what is said in the words from one to another.
func Script(from, to int) string {
	said := make([]string, 0, to-from)
	for k := from; k < to; k++ {
		said = append(said, Word(k))
	}
	return strings.Join(said, " ")
}

// Model understands the sound: all words that it hears to the end, and none in silence. Of a word whose beginning it does not hear it says
// nothing.
type Model struct {
	Lap int // after how many words the sound begins again; 0 for never
}

// Load implements dictate.Engine.
func (Model) Load(context.Context) (engine.Facts, error) { return engine.Facts{}, nil }

// Transcribe implements speech.Recognizer.
func (m Model) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	h := &scout.Hypothesis{Stop: scout.StopEnd}
	var words []string
	for at := 0; at < len(request.Samples); { // stretches of sound, with silence between them
		if request.Samples[at] == 0 {
			at++
			continue
		}
		end := at
		for end < len(request.Samples) && request.Samples[end] != 0 {
			end++
		}
		from := PositionOf(request.Samples[at]) - at // the first sample of all is silent, and belongs to the first word
		for k := (from + at + WordFrames - 2) / WordFrames; (k+1)*WordFrames <= from+end; k++ {
			start := time.Duration(k*WordFrames-from) * time.Second / RateHz
			stop := start + WordFrames*time.Second/RateHz
			said := k
			if m.Lap > 0 {
				said %= m.Lap
			}
			words = append(words, Word(said))
			h.Words = append(h.Words, scout.Word{Text: words[len(words)-1], Start: &start, End: &stop})
		}
		at = end
	}
	h.Text = strings.Join(words, " ")
	return h, nil
}
