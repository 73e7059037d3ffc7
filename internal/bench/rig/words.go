package rig

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/noise"
	"github.com/scout-speech/scout/internal/speech"
)

// WordsReport is the result of scout-bench words.
type WordsReport struct {
	Model string `json:"model"`
	CPU   string `json:"cpu"`
	// Sets has one entry for each kind of speech.
	Sets []WordsSet `json:"sets"`
	// With and Without are the seconds of processor time that the engine took for the sets without added noise, with
	// and without times, over several rounds. Ratio is With divided by Without.
	With    float64 `json:"decode_with_times_cpu_seconds"`
	Without float64 `json:"decode_without_times_cpu_seconds"`
	Ratio   float64 `json:"decode_ratio"`
	// Missing says what was not measured, and why.
	Missing []string `json:"missing,omitempty"`
}

// WordsSet is the result for one kind of speech.
type WordsSet struct {
	Name  string `json:"name"`
	Clips int    `json:"clips"`
	bench.WordTimes
}

// TimedSpeech is a clip in memory.
type TimedSpeech struct {
	samples []float32
	words   []bench.TimedWord
}

// WordsMeter transcribes clips as scout transcribe does.
type WordsMeter struct {
	Transcriber *speech.Batch
	Model       string
	Effort      speech.Effort
	Trait       speech.Trait
	PID         int     // of the engine
	SNR         float64 // of noise that is mixed under speech, in dB
	Progress    func(text string)
}

func (m *WordsMeter) transcribe(ctx context.Context, samples Samples, words bool) (*scout.Transcript, error) {
	return m.Transcriber.Transcribe(ctx, &samples, speech.Options{Model: m.Model, Effort: m.Effort, Trait: m.Trait, Words: words})
}

// Run adds the results for clips with aligned words and for spoken sentences to the report; either may be empty.
func (m *WordsMeter) Run(ctx context.Context, aligned, spoken []TimedSpeech, report *WordsReport) error {
	for _, s := range []struct {
		name  string
		clips []TimedSpeech
		noise noise.Kind
		timed bool
	}{
		{"aligned recordings", aligned, "", true},
		{"eSpeak NG", spoken, "", true},
		{fmt.Sprintf("eSpeak NG, white noise at %g dB", m.SNR), spoken, noise.White, false},
		{fmt.Sprintf("eSpeak NG, street at %g dB", m.SNR), spoken, noise.Street, false},
	} {
		if len(s.clips) == 0 {
			continue
		}
		set, err := m.measure(ctx, s.name, s.clips, s.noise)
		if err != nil {
			return err
		}
		report.Sets = append(report.Sets, set)
		if s.timed {
			if err := m.compare(ctx, s.clips, report); err != nil {
				return err
			}
		}
	}
	report.Ratio = report.With / report.Without
	return nil
}

// measure compares the times of the words in clips, with noise mixed under them if a kind is named.
func (m *WordsMeter) measure(ctx context.Context, name string, clips []TimedSpeech, kind noise.Kind) (WordsSet, error) {
	set := WordsSet{Name: name, Clips: len(clips)}
	var under []float32
	if kind != "" {
		under = noise.Make(kind, NoiseLength)
	}
	var heard []scout.Word
	for i, clip := range clips {
		m.Progress(fmt.Sprintf("%s: %d of %d", name, i+1, len(clips)))
		samples := clip.samples
		if under != nil {
			samples = noise.Mix(samples, under, m.SNR)
		}
		transcript, err := m.transcribe(ctx, samples, true)
		if err != nil {
			return set, fmt.Errorf("transcribe %s, clip %d: %w", name, i+1, err)
		}
		heard = heard[:0]
		for s := range transcript.Segments {
			heard = append(heard, transcript.Segments[s].Words...)
		}
		set.Add(clip.words, heard)
	}
	return set, nil
}

// compareRounds is how often every clip is decoded with and without times.
const compareRounds = 4

// compare adds to the report what the clips take with and without times. Each clip is decoded both ways, one directly
// after the other, so that a slower phase of the machine affects both. Processor time is compared, because other work
// of the machine affects it less than elapsed time.
func (m *WordsMeter) compare(ctx context.Context, clips []TimedSpeech, report *WordsReport) error {
	for round := range compareRounds {
		for i, clip := range clips {
			m.Progress(fmt.Sprintf("round %d of %d: %d of %d", round+1, compareRounds, i+1, len(clips)))
			for k := range 2 {
				with := (round+i+k)%2 == 1 // each goes first equally often
				spent, err := m.spent(ctx, clip.samples, with)
				if err != nil {
					return err
				}
				if with {
					report.With += spent.Seconds()
				} else {
					report.Without += spent.Seconds()
				}
			}
		}
	}
	return nil
}

// spent transcribes and returns the processor time of the engine.
func (m *WordsMeter) spent(ctx context.Context, samples []float32, words bool) (time.Duration, error) {
	before, err := bench.ProcessorTime(m.PID)
	if err != nil {
		return 0, scout.Errorf(scout.CodeInternal, "measure the engine: %w", err)
	}
	if _, err := m.transcribe(ctx, samples, words); err != nil {
		return 0, fmt.Errorf("transcribe: %w", err)
	}
	after, err := bench.ProcessorTime(m.PID)
	if err != nil {
		return 0, scout.Errorf(scout.CodeInternal, "measure the engine: %w", err)
	}
	return after - before, nil
}

// WriteTable writes the report for people.
func (r *WordsReport) WriteTable(out io.Writer) error {
	var lines strings.Builder
	lines.WriteString("speech\tclips\twords\theard\tunplaced\tstart: median\tp90\tbias\t≤100 ms\t≤200 ms\tend: median\tp90\tbias\t≤100 ms\t≤200 ms\n")
	for _, s := range r.Sets {
		fmt.Fprintf(&lines, "%s\t%d\t%d\t%d\t%d", s.Name, s.Clips, s.Words, s.Heard, s.Unplaced)
		for _, b := range []bench.BorderErrors{s.Start, s.End} {
			fmt.Fprintf(&lines, "\t%.0f ms\t%.0f ms\t%+.0f ms\t%.1f %%\t%.1f %%", b.Median, b.P90, b.Bias, 100*b.Within100, 100*b.Within200)
		}
		lines.WriteString("\n")
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, err := io.WriteString(table, lines.String())
	if err == nil {
		err = table.Flush()
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "\ndecoding with times takes %.3f of the time without (%.1f and %.1f s of the processor, %d rounds each)\n",
			r.Ratio, r.With, r.Without, compareRounds)
	}
	for _, missing := range r.Missing {
		if err == nil {
			_, err = fmt.Fprintf(out, "not measured: %s\n", missing)
		}
	}
	return scout.FileError(scout.CodeWriteFailed, "write results", err)
}
