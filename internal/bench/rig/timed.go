package rig

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/espeak"
)

// wordTimesName is the list of known times.
const wordTimesName = "word-times.tsv"

// AlignedClips reads the clips with known word times. It returns none if no folder is named, or if there is no list and
// none was requested.
func (r Reader) AlignedClips(ctx context.Context, dir, list string) ([]TimedSpeech, error) {
	if dir == "" {
		return nil, nil
	}
	for _, candidate := range []string{filepath.Join(dir, wordTimesName), filepath.Join(dir, "..", wordTimesName)} {
		if _, err := os.Stat(candidate); list == "" && err == nil {
			list = candidate
		}
	}
	if list == "" {
		return nil, nil
	}
	file, err := os.Open(list)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read word times", err)
	}
	defer file.Close() //nolint:errcheck // read only
	listed, err := bench.ParseWordTimes(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", list, err)
	}
	clips := make([]TimedSpeech, 0, len(listed))
	for _, l := range listed {
		if !filepath.IsLocal(l.File) {
			return nil, scout.Errorf(scout.CodeManifestInvalid, "%s: file %q is not inside the folder", list, l.File)
		}
		samples, err := r.Read(ctx, filepath.Join(dir, l.File), 0)
		if err != nil {
			return nil, err
		}
		clips = append(clips, TimedSpeech{samples, l.Words})
	}
	return clips, nil
}

// SpokenSentences returns n sentences with varying voices, speeds and pitches, each between stretches of near silence.
// The result is always the same.
func SpokenSentences(n int) (clips []TimedSpeech, err error) {
	sentences := espeak.Sentences()
	if n <= 0 {
		return nil, nil
	}
	s, err := espeak.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	voices := []string{"en-us", "en", "en-us+f2", "en-gb-x-rp", "en-us+m3", "en-us+f4", "en-gb-scotland"}
	rates, pitches, gaps := []int{130, 150, 170}, []int{35, 50, 65}, []int{0, 0, 0, 5, 10}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		spoken, err := s.Speak(sentences[i%len(sentences)], espeak.Voice{
			Name: voices[i%len(voices)], Rate: rates[i/len(voices)%len(rates)], Pitch: pitches[rng.IntN(len(pitches))], Gap: gaps[rng.IntN(len(gaps))],
		})
		if err != nil {
			return nil, err
		}
		clip, err := surrounded(spoken, rng)
		if err != nil {
			return nil, err
		}
		clips = append(clips, clip)
	}
	return clips, nil
}

// surrounded adds 0.1 to 0.8 s of a quiet room before and after a sentence.
func surrounded(s *espeak.Speech, rng *rand.Rand) (TimedSpeech, error) {
	const (
		loudness = 0.6    // relative to the synthesizer's output
		room     = 0.0003 // relative to full scale: 70 dB below it
	)
	said, err := spokenSamples(s)
	if err != nil {
		return TimedSpeech{}, err
	}
	silence := func() int { return int((0.1 + 0.7*rng.Float64()) * scout.EngineSampleRateHz) }
	lead := silence()
	clip := TimedSpeech{samples: make([]float32, lead+len(said)+silence())}
	for i := range clip.samples {
		clip.samples[i] = float32(room * rng.NormFloat64())
	}
	for i, v := range said {
		clip.samples[lead+i] += loudness * v
	}
	from := time.Duration(lead) * time.Second / scout.EngineSampleRateHz
	for _, w := range s.Words {
		clip.words = append(clip.words, bench.TimedWord{Text: w.Text, Start: later(w.Start, from), End: later(w.End, from)})
	}
	return clip, nil
}

// spokenSamples returns a sentence at 16 kHz.
func spokenSamples(s *espeak.Speech) ([]float32, error) {
	wide := make([]float32, len(s.Samples))
	audio.FromInt16(wide, s.Samples)
	resampler, err := audio.NewResampler(s.SampleRateHz, scout.EngineSampleRateHz)
	if err != nil {
		return nil, err
	}
	said := make([]float32, resampler.OutputLen(int64(len(wide))))
	_, n := resampler.Process(said, wide)
	resampler.Flush(said[n:])
	return said, nil
}

// later adds d to a time; nil stays nil.
func later(t *time.Duration, d time.Duration) *time.Duration {
	if t == nil {
		return nil
	}
	at := *t + d
	return &at
}
