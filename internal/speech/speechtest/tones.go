package speechtest

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
)

// Tones are words that survive any conversion of the sound: every half second a tone of 300 ms, whose level tells the word. The room between
// them is quiet and not silent.
const (
	ToneEvery  = 500 * time.Millisecond
	toneLasts  = 300 * time.Millisecond
	tones      = 30 // different words
	lowestTone = 0.3
	toneStep   = 0.02
	toneHz     = 430 // a period of 8 kHz has no whole number of samples, so that G.711 rounds each one otherwise
)

// ToneSound is the sound of the words from one to another at a rate, in [-1, 1].
func ToneSound(from, to, rateHz int) []float64 {
	every, lasts := int(ToneEvery.Seconds()*float64(rateHz)), int(toneLasts.Seconds()*float64(rateHz))
	sound := make([]float64, 0, every*(to-from))
	for k := from; k < to; k++ {
		for i := range every {
			level := 0.001
			if i < lasts {
				level = lowestTone + toneStep*float64(k%tones)
			}
			sound = append(sound, level*math.Sin(2*math.Pi*toneHz*float64(i)/float64(rateHz)))
		}
	}
	return sound
}

// ToneScript is what is said in the words from one to another.
func ToneScript(from, to int) string {
	said := make([]string, 0, to-from)
	for k := from; k < to; k++ {
		said = append(said, toneWord(k))
	}
	return strings.Join(said, " ")
}

func toneWord(k int) string { return "t" + strconv.Itoa(k%tones) }

// ToneModel understands tones that it hears to the end.
type ToneModel struct {
	// Before is called before each request, nil for nothing. Its error is that of the request.
	Before func(ctx context.Context) error
}

// Load implements dictate.Engine.
func (ToneModel) Load(context.Context) (engine.Facts, error) { return engine.Facts{}, nil }

// Transcribe implements speech.Recognizer.
func (m ToneModel) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	if m.Before != nil {
		if err := m.Before(ctx); err != nil {
			return nil, err
		}
	}
	h := &scout.Hypothesis{Stop: scout.StopEnd, Words: HearTones(request.Samples)}
	for i := range h.Words {
		w := &h.Words[i]
		h.Tokens = append(h.Tokens, scout.Token{ID: int32(i), Text: " " + w.Text, Start: w.Start, LogProb: w.LogProb})
		h.Text += " " + w.Text
	}
	h.Text = strings.TrimSpace(h.Text)
	return h, nil
}

// HearTones are the words of samples at 16 kHz, with their times and a probability.
func HearTones(samples []float32) (words []scout.Word) {
	const (
		block    = RateHz / 100
		lasts    = RateHz * 3 / 10
		edge     = RateHz / 20
		loud     = 0.2
		prob     = -0.1
		complete = lasts - 2*block
	)
	for at := 0; at+block <= len(samples); {
		from := at
		for at+block <= len(samples) && peak(samples[at:at+block]) > loud {
			at += block
		}
		if at-from < complete {
			at = max(at, from+block)
			continue
		}
		power, n := 0.0, 0
		for _, v := range samples[from+edge : from+lasts-edge] {
			power += float64(v) * float64(v)
			n++
		}
		level := math.Sqrt(2 * power / float64(n))
		start := time.Duration(from) * time.Second / RateHz
		end, p := start+toneLasts, prob
		words = append(words, scout.Word{Text: toneWord(int(math.Round((level - lowestTone) / toneStep))), Start: &start, End: &end, LogProb: &p})
	}
	return words
}

func peak(samples []float32) (most float32) {
	for _, v := range samples {
		most = max(most, v, -v)
	}
	return most
}
