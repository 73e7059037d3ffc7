package rig

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/noise"
	"github.com/scout-speech/scout/internal/speech"
)

// NoiseResult is the result for one sound.
type NoiseResult struct {
	Noise string `json:"noise"`
	// Heard are the words found in the sound alone.
	Heard []string `json:"heard"`
	// Errors are the errors of Words reference words, with the sound mixed under them.
	Words  int     `json:"words"`
	Errors int     `json:"errors"`
	WER    float64 `json:"wer"`
	// Points is the rise of the word error rate against the clean clips, in percentage points.
	Points float64 `json:"points"`
}

// Sound is a named noise.
type Sound struct {
	Name    string
	Samples []float32
}

// NoiseLength is how much of each sound is transcribed.
const NoiseLength = 45 * time.Second

// NoiseMeter counts words found in noise, and words lost through it.
type NoiseMeter struct {
	Reader      Reader
	Transcriber *speech.Batch
	Model       string
	Effort      speech.Effort
	Trait       speech.Trait
	SNR         float64       // of noise that is mixed under speech, in dB
	Longest     time.Duration // clips over this length are left out
	Progress    func(text string)
}

func (m *NoiseMeter) hear(ctx context.Context, samples Samples) ([]string, error) {
	transcript, err := m.Transcriber.Transcribe(ctx, &samples, speech.Options{Model: m.Model, Effort: m.Effort, Trait: m.Trait})
	if err != nil {
		return nil, err
	}
	return bench.Words(transcript.Text()), nil
}

// Alone transcribes the sounds alone.
func (m *NoiseMeter) Alone(ctx context.Context, sounds []Sound) ([]NoiseResult, error) {
	var results []NoiseResult
	for i, s := range sounds {
		m.Progress(fmt.Sprintf("%d of %d  %s", i+1, len(sounds), s.Name))
		heard, err := m.hear(ctx, s.Samples)
		if err != nil {
			return nil, fmt.Errorf("transcribe %s: %w", s.Name, err)
		}
		results = append(results, NoiseResult{Noise: s.Name, Heard: append([]string{}, heard...)})
	}
	return results, nil
}

// Run transcribes the sounds alone, and each clip of the folder clean and with each of the sounds. The first result is
// for the clean clips.
func (m *NoiseMeter) Run(ctx context.Context, dir string, entries []bench.Entry, sounds []Sound) ([]NoiseResult, error) {
	alone, err := m.Alone(ctx, sounds)
	if err != nil {
		return nil, err
	}
	results := slices.Concat([]NoiseResult{{Noise: "none", Heard: []string{}}}, alone)
	for i, entry := range entries {
		clip, err := m.Reader.Read(ctx, filepath.Join(dir, entry.File), 0)
		if err != nil {
			return nil, err
		}
		if len(clip) > int(m.Longest.Seconds()*scout.EngineSampleRateHz) {
			continue
		}
		m.Progress(fmt.Sprintf("%d of %d  %s", i+1, len(entries), entry.File))
		reference := bench.Words(entry.Reference)
		for n := range results {
			mixed := clip
			if n > 0 {
				mixed = noise.Mix(clip, sounds[n-1].Samples, m.SNR)
			}
			words, err := m.hear(ctx, mixed)
			if err != nil {
				return nil, fmt.Errorf("transcribe %s with %s: %w", entry.File, results[n].Noise, err)
			}
			results[n].Words += len(reference)
			results[n].Errors += bench.CountEdits(reference, words).Errors()
		}
	}
	for n := range results {
		results[n].WER = float64(results[n].Errors) / float64(max(results[n].Words, 1))
		results[n].Points = 100 * (results[n].WER - results[0].WER)
	}
	return results, nil
}

// WriteAlone writes how many words were found in each sound, and which.
func WriteAlone(out io.Writer, results []NoiseResult, length time.Duration) error {
	var lines strings.Builder
	fmt.Fprintf(&lines, "%s of\twords heard\t\n", length)
	total := 0
	for _, r := range results {
		total += len(r.Heard)
		said := strings.Join(r.Heard, " ")
		if runes := []rune(said); len(runes) > 80 {
			said = string(runes[:80]) + "…"
		}
		fmt.Fprintf(&lines, "%s\t%d\t%s\n", r.Noise, len(r.Heard), said)
	}
	fmt.Fprintf(&lines, "all\t%d\t\n", total)
	return writeColumns(out, lines.String())
}

// WriteNoise writes the results for people.
//
//	snr  of the noise that was mixed under speech, in dB
func WriteNoise(out io.Writer, results []NoiseResult, snr float64) error {
	var lines strings.Builder
	fmt.Fprintf(&lines, "noise\twords heard in it alone\tWER with it %g dB below\tchange\n", snr)
	for _, r := range results {
		fmt.Fprintf(&lines, "%s\t%d\t%.2f %%\t%+.2f points\n", r.Noise, len(r.Heard), 100*r.WER, r.Points)
	}
	return writeColumns(out, lines.String())
}

// writeColumns writes lines whose cells end with tabs.
func writeColumns(out io.Writer, lines string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, lines); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write results", err)
	}
	if err := table.Flush(); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write results", err)
	}
	return nil
}

// Sounds returns the sounds that Scout makes, at that length, and those in the folder, if any.
func (r Reader) Sounds(ctx context.Context, kinds []noise.Kind, length time.Duration, folder string) ([]Sound, error) {
	var sounds []Sound
	for _, kind := range kinds {
		sounds = append(sounds, Sound{string(kind), noise.Make(kind, length)})
	}
	if folder == "" {
		return sounds, nil
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read recordings", err)
	}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		samples, err := r.Read(ctx, filepath.Join(folder, f.Name()), length)
		if err != nil {
			return nil, err
		}
		sounds = append(sounds, Sound{f.Name(), samples})
	}
	return sounds, nil
}
