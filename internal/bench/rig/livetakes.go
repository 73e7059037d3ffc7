package rig

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/espeak"
	"github.com/scout-speech/scout/internal/bench/noise"
)

// frames is a length in samples.
func frames(d time.Duration) int {
	return int(int64(d) * scout.EngineSampleRateHz / int64(time.Second))
}

// alone is a dictation of a few words in a quiet room: 300 ms of it before them, and the stop 300 ms after them.
func alone(group string, said []float32, reference string) Take {
	const around = 300 * time.Millisecond
	take := Take{Group: group, Moment: bench.StopAfter300, FirstWord: -1, Reference: reference}
	rng := rand.New(rand.NewPCG(1, uint64(len(said))))
	quiet := func(d time.Duration) {
		for range frames(d) {
			take.Samples = append(take.Samples, float32(room*rng.NormFloat64()))
		}
	}
	quiet(around)
	take.Samples = append(take.Samples, said...)
	take.StopAt = time.Duration(len(take.Samples))*time.Second/scout.EngineSampleRateHz + around
	quiet(around + time.Second)
	return take
}

// Commands returns a dictation of each sentence, spoken by eSpeak NG.
func Commands(sentences []string) (takes []Take, err error) {
	s, err := espeak.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	voices := []string{"en-us", "en", "en-us+f2", "en-gb-x-rp", "en-us+m3", "en-us+f4"}
	for i, sentence := range sentences {
		spoken, err := s.Speak(sentence, espeak.Voice{Name: voices[i%len(voices)], Rate: 150, Pitch: 50})
		if err != nil {
			return nil, err
		}
		said, err := spokenSamples(spoken)
		if err != nil {
			return nil, err
		}
		takes = append(takes, alone(bench.GroupCommands, said, sentence))
	}
	return takes, nil
}

// Words returns dictations of n words of word-times.tsv, in the folder or beside it, in the order of the list: the longest
// ones, of those that take at most a second and with 30 ms of the clip around them at least 0.3 s. It returns fewer if there
// are fewer. Fillers, such as "hmm", are no words.
func (r Reader) Words(ctx context.Context, dir string, n int) (takes []Take, err error) {
	const shortest, longest, margin = 300 * time.Millisecond, time.Second, 30 * time.Millisecond
	clips, err := r.AlignedClips(ctx, dir, "")
	if err != nil {
		return nil, err
	}
	var lengths []time.Duration // of the words of takes
	for _, clip := range clips {
		for _, w := range clip.words {
			if w.Start == nil || w.End == nil || *w.End-*w.Start > longest {
				continue
			}
			from, to := max(0, frames(*w.Start-margin)), min(len(clip.samples), frames(*w.End+margin))
			if to-from < frames(shortest) || len(bench.NormaliserWhisper.Units(w.Text, "en")) == 0 { // a filler leaves nothing to compare
				continue
			}
			takes = append(takes, alone(bench.GroupWords, clip.samples[from:to], w.Text))
			lengths = append(lengths, *w.End-*w.Start)
		}
	}
	for len(takes) > n {
		least := 0
		for i, length := range lengths {
			if length <= lengths[least] { // of equals the last
				least = i
			}
		}
		takes, lengths = slices.Delete(takes, least, least+1), slices.Delete(lengths, least, least+1)
	}
	return takes, nil
}

// decibels is a level as a factor.
func decibels(db float64) float64 { return math.Pow(10, db/20) }

// atLevel returns samples with a root mean square of so many dB below full scale, over what is not silent.
func atLevel(samples []float32, db float64) []float32 {
	const quiet = 0.001
	var sum float64
	n := 0
	for i := 0; i < len(samples); i += frames(20 * time.Millisecond) {
		block := samples[i:min(len(samples), i+frames(20*time.Millisecond))]
		var power float64
		for _, v := range block {
			power += float64(v) * float64(v)
		}
		if power/float64(len(block)) > quiet*quiet {
			sum, n = sum+power, n+len(block)
		}
	}
	out := slices.Clone(samples)
	if n == 0 {
		return out
	}
	factor := float32(decibels(db) / math.Sqrt(sum/float64(n)))
	for i := range out {
		out[i] *= factor
	}
	return out
}

// roomLevel is how loud a room without words is, in dB below full scale.
const roomLevel = -60

// SoundTakes returns dictations in which nothing is said: silence, the sounds that Scout makes, and a room at -60 dBFS.
func SoundTakes(length time.Duration) (takes []Take) {
	add := func(name string, samples []float32) {
		take := Take{Group: bench.PrefixNoise + name, Samples: samples, StopAt: length, FirstWord: -1}
		take.Samples = append(take.Samples, make([]float32, frames(time.Second))...)
		takes = append(takes, take)
	}
	add("silence", make([]float32, frames(length)))
	for _, kind := range noise.Kinds() {
		if kind == noise.White || kind == noise.Street {
			continue
		}
		add(string(kind), noise.Make(kind, length))
	}
	add("a room at -60 dBFS", atLevel(noise.Make(noise.White, length), roomLevel))
	return takes
}

// QuietTakes returns dictations of speech at several levels in a room at -60 dBFS.
func QuietTakes(speech []float32, reference string) (takes []Take) {
	for _, level := range []float64{-50, -58, -66} {
		take := Whole(atLevel(speech, level), fmt.Sprintf("%sspeech at %.0f dBFS", bench.PrefixQuiet, level), bench.StopAfter300)
		for i, v := range atLevel(noise.Make(noise.White, time.Duration(len(take.Samples))*time.Second/scout.EngineSampleRateHz), roomLevel) {
			take.Samples[i] += v
		}
		take.Reference = reference
		takes = append(takes, take)
	}
	return takes
}
