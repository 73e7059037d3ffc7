package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/noise"
	"github.com/scout-speech/scout/internal/speech"
)

type benchNoiseOptions struct {
	recognizerOptions
	json       bool
	recordings string
	snr        float64
	most       time.Duration
}

func newBenchNoiseCommand(a *app) *cobra.Command {
	var o benchNoiseOptions
	cmd := &cobra.Command{
		Use:   "noise DIR",
		Short: "Count the words found in noise, and those lost through it",
		Long: `Transcribes sounds without words, which must give none: breath, typing, music, street, hum and white noise made by Scout itself,
and with --recordings every audio file of a folder. Then lays each of them under and between the words of the clips in DIR
(a folder as for scout bench transcribe) and compares the word error rate with that of the clean clips.`,
		Example: `  scout bench noise speech/
  scout bench noise speech/ --recordings noises/ --snr 15`,
		Args: wrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchNoise(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.bind(cmd)
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.StringVar(&o.recordings, "recordings", "", "folder of real recordings without words")
	flags.Float64Var(&o.snr, "snr", 20, "decibels that speech is louder than the noise laid under it")
	flags.DurationVar(&o.most, "longest", 30*time.Second, "leave out clips over this length")
	flags.StringVar(&o.backend, "backend", "", "engine backend: sherpa or moonshine (default: the best for the model)")
	return cmd
}

// noiseResult is the outcome for one sound.
type noiseResult struct {
	Noise string `json:"noise"`
	// Heard is what was understood in the sound alone.
	Heard []string `json:"heard"`
	// Errors of Words reference words with the sound laid under them.
	Words  int     `json:"words"`
	Errors int     `json:"errors"`
	WER    float64 `json:"wer"`
	// Points is the rise of the word error rate against the clean clips, in percentage points.
	Points float64 `json:"points"`
}

// sound is a noise by name.
type sound struct {
	name    string
	samples []float32
}

// noiseLength is how much of each sound is listened to.
const noiseLength = 45 * time.Second

func benchNoise(ctx context.Context, a *app, o benchNoiseOptions, dir string) error {
	sounds, err := a.sounds(ctx, o.recordings)
	if err != nil {
		return err
	}
	entries, r, err := openBench(ctx, a, o.recognizerOptions, dir, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	transcriber := speech.New(a.scope, a.failures, r.Engine)
	hear := func(samples []float32) ([]string, error) {
		transcript, err := transcriber.Transcribe(ctx, &sampleSource{samples: samples}, speech.Options{Model: r.Model.ID, Effort: r.effort})
		if err != nil {
			return nil, err
		}
		return bench.Words(transcript.Text()), nil
	}
	results := []noiseResult{{Noise: "none", Heard: []string{}}}
	for _, s := range sounds {
		heard, err := hear(s.samples)
		if err != nil {
			return fmt.Errorf("transcribe %s: %w", s.name, err)
		}
		results = append(results, noiseResult{Noise: s.name, Heard: slices.Clip(append([]string{}, heard...))})
	}
	for i, entry := range entries {
		clip, err := a.readAudio(ctx, filepath.Join(dir, entry.File), 0)
		if err != nil {
			return err
		}
		if len(clip) > int(o.most.Seconds()*scout.EngineSampleRateHz) {
			continue
		}
		if terminal(a.std.err) {
			a.notef("\r\x1b[K%d of %d  %s", i+1, len(entries), entry.File)
		}
		reference := bench.Words(entry.Reference)
		for n := range results {
			mixed := clip
			if n > 0 {
				mixed = noise.Mix(clip, sounds[n-1].samples, o.snr)
			}
			words, err := hear(mixed)
			if err != nil {
				return fmt.Errorf("transcribe %s with %s: %w", entry.File, results[n].Noise, err)
			}
			results[n].Words += len(reference)
			results[n].Errors += bench.CountEdits(reference, words).Errors()
		}
	}
	for n := range results {
		results[n].WER = float64(results[n].Errors) / float64(max(results[n].Words, 1))
		results[n].Points = 100 * (results[n].WER - results[0].WER)
	}
	if terminal(a.std.err) {
		a.notef("\r\x1b[K")
	}
	return writeNoise(a.std.out, results, o)
}

func writeNoise(out io.Writer, results []noiseResult, o benchNoiseOptions) error {
	if o.json {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(results)
	}
	var lines strings.Builder
	fmt.Fprintf(&lines, "noise\twords heard in it alone\tWER with it %g dB below\tchange\n", o.snr)
	for _, r := range results {
		fmt.Fprintf(&lines, "%s\t%d\t%.2f %%\t%+.2f points\n", r.Noise, len(r.Heard), 100*r.WER, r.Points)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, lines.String()); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write results", err)
	}
	if err := table.Flush(); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write results", err)
	}
	return nil
}

// sounds returns those that Scout makes and those of the folder, if any.
func (a *app) sounds(ctx context.Context, folder string) ([]sound, error) {
	var sounds []sound
	for _, kind := range noise.Kinds() {
		sounds = append(sounds, sound{string(kind), noise.Make(kind, noiseLength)})
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
		samples, err := a.readAudio(ctx, filepath.Join(folder, f.Name()), noiseLength)
		if err != nil {
			return nil, err
		}
		sounds = append(sounds, sound{f.Name(), samples})
	}
	return sounds, nil
}

// readAudio returns the beginning of a file in memory, or all of it with most = 0.
func (a *app) readAudio(ctx context.Context, path string, most time.Duration) (samples []float32, err error) {
	reader, err := a.openAudio(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	buf := make([]float32, scout.EngineSampleRateHz)
	for most == 0 || len(samples) < int(most.Seconds()*scout.EngineSampleRateHz) {
		n, err := reader.Read(buf)
		samples = append(samples, buf[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return samples, nil
}

// sampleSource is audio in memory.
type sampleSource struct{ samples []float32 }

// Read implements speech.Source.
func (s *sampleSource) Read(dst []float32) (int, error) {
	if len(s.samples) == 0 {
		return 0, io.EOF
	}
	n := copy(dst, s.samples)
	s.samples = s.samples[n:]
	return n, nil
}
