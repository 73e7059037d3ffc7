package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/espeak"
	"github.com/scout-speech/scout/internal/bench/noise"
	"github.com/scout-speech/scout/internal/speech"
)

type benchWordsOptions struct {
	recognizerOptions
	json      bool
	times     string
	sentences int
	snr       float64
}

func newBenchWordsCommand(a *app) *cobra.Command {
	var o benchWordsOptions
	cmd := &cobra.Command{
		Use:   "words [DIR]",
		Short: "Compare the times of words with known ones",
		Long: `Transcribes speech whose words have known times, and prints how far the times found are off: for the clips in DIR whose words are listed in
DIR/word-times.tsv or beside DIR (docs/formats/bench.md), and for sentences spoken by eSpeak NG, where it is installed, in several voices and
speeds, clean and with noise. Only words that were recognised are judged. Then compares how long decoding takes with and without times.`,
		Example: `  scout bench words speech/
  scout bench words speech/ --times aligned.tsv --json
  scout bench words --sentences 50`,
		Args: wrongArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := ""
			if len(args) == 1 {
				dir = args[0]
			}
			return benchWords(cmd.Context(), a, o, dir)
		},
	}
	flags := cmd.Flags()
	o.bind(cmd)
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.StringVar(&o.times, "times", "", "list of known times (default: word-times.tsv in DIR or beside it)")
	flags.IntVar(&o.sentences, "sentences", len(espeak.Sentences()), "how many sentences eSpeak NG speaks, 0 for none")
	flags.Float64Var(&o.snr, "snr", 10, "decibels that speech is louder than the noise laid under it")
	return cmd
}

// wordsReport is what the command prints.
type wordsReport struct {
	Model string `json:"model"`
	CPU   string `json:"cpu"`
	// Sets are of one kind of speech each.
	Sets []wordsSet `json:"sets"`
	// With and Without are the seconds of processor time that the engine took for the sets without added noise, with
	// and without times, several rounds together. Ratio is of the two.
	With    float64 `json:"decode_with_times_cpu_seconds"`
	Without float64 `json:"decode_without_times_cpu_seconds"`
	Ratio   float64 `json:"decode_ratio"`
	// Missing tells what was not measured, and why.
	Missing []string `json:"missing,omitempty"`
}

type wordsSet struct {
	Name  string `json:"name"`
	Clips int    `json:"clips"`
	bench.WordTimes
}

// timedSpeech is a clip in memory.
type timedSpeech struct {
	samples []float32
	words   []bench.TimedWord
}

func benchWords(ctx context.Context, a *app, o benchWordsOptions, dir string) error {
	report := wordsReport{CPU: processor()}
	aligned, err := a.alignedClips(ctx, dir, o.times)
	if err != nil {
		return err
	}
	if len(aligned) == 0 {
		report.Missing = append(report.Missing, "clips with aligned words: no folder named, or no word-times.tsv")
	}
	spoken, err := spokenSentences(o.sentences)
	if errors.Is(err, espeak.ErrMissing) {
		report.Missing = append(report.Missing, "spoken sentences: "+espeak.ErrMissing.Error())
	} else if err != nil {
		return err
	}
	if len(aligned)+len(spoken) == 0 {
		return scout.Errorf(scout.CodeInvalidArgument, "nothing to measure: %s", strings.Join(report.Missing, "; "))
	}
	r, err := openRecognizer(ctx, a, o.recognizerOptions)
	if err != nil {
		return err
	}
	defer r.Close()
	report.Model = r.Model.ID
	facts, err := r.Engine.Load(ctx)
	if err != nil {
		return err
	}
	if !facts.WordTimes {
		return scout.Errorf(scout.CodeModelUnsupported, "model %s gives no word times with the backend %s", r.Model.ID, r.Backend)
	}
	m := &wordsMeter{app: a, recognizer: r, pid: facts.PID, snr: o.snr, transcriber: speech.New(a.scope, a.failures, r.Engine)}
	sets := []struct {
		name  string
		clips []timedSpeech
		noise noise.Kind
		timed bool
	}{
		{"aligned recordings", aligned, "", true},
		{"eSpeak NG", spoken, "", true},
		{fmt.Sprintf("eSpeak NG, white noise at %g dB", o.snr), spoken, noise.White, false},
		{fmt.Sprintf("eSpeak NG, street at %g dB", o.snr), spoken, noise.Street, false},
	}
	for _, s := range sets {
		if len(s.clips) == 0 {
			continue
		}
		set, err := m.measure(ctx, s.name, s.clips, s.noise)
		if err != nil {
			return err
		}
		report.Sets = append(report.Sets, set)
		if s.timed {
			if err := m.compare(ctx, s.clips, &report); err != nil {
				return err
			}
		}
	}
	report.Ratio = report.With / report.Without
	if o.json {
		encoder := json.NewEncoder(a.std.out)
		encoder.SetIndent("", "  ")
		return scout.FileError(scout.CodeWriteFailed, "write results", encoder.Encode(report))
	}
	return report.writeTable(a.std.out)
}

// wordsMeter transcribes clips the way scout transcribe does.
type wordsMeter struct {
	app         *app
	recognizer  *recognizer
	pid         int // of the engine
	snr         float64
	transcriber *speech.Batch
}

func (m *wordsMeter) transcribe(ctx context.Context, samples []float32, words bool) (*scout.Transcript, error) {
	return m.transcriber.Transcribe(ctx, &sampleSource{samples: samples}, speech.Options{Model: m.recognizer.Model.ID, Effort: m.recognizer.effort, Words: words})
}

// measure compares the times of the words in clips, with noise laid under them where a kind is named.
func (m *wordsMeter) measure(ctx context.Context, name string, clips []timedSpeech, kind noise.Kind) (wordsSet, error) {
	set := wordsSet{Name: name, Clips: len(clips)}
	var under []float32
	if kind != "" {
		under = noise.Make(kind, noiseLength)
	}
	var heard []scout.Word
	for i, clip := range clips {
		if terminal(m.app.std.err) {
			m.app.notef("\r\x1b[K%s: %d of %d", name, i+1, len(clips))
		}
		samples := clip.samples
		if under != nil {
			samples = noise.Mix(samples, under, m.snr)
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
	if terminal(m.app.std.err) {
		m.app.notef("\r\x1b[K")
	}
	return set, nil
}

// compareRounds is how often every clip is decoded with and without times.
const compareRounds = 4

// compare adds to the report what the clips take with and without times, each clip both ways, one straight after the other,
// so that a machine that is slower for a while is slower for both. Processor time is compared, because what else the machine
// does moves it less than it moves the clock on the wall.
func (m *wordsMeter) compare(ctx context.Context, clips []timedSpeech, report *wordsReport) error {
	for round := range compareRounds {
		for i, clip := range clips {
			if terminal(m.app.std.err) {
				m.app.notef("\r\x1b[Kround %d of %d: %d of %d", round+1, compareRounds, i+1, len(clips))
			}
			for k := range 2 {
				with := (round+i+k)%2 == 1 // each goes first as often as the other
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
	if terminal(m.app.std.err) {
		m.app.notef("\r\x1b[K")
	}
	return nil
}

// spent transcribes and returns the processor time that the engine took for it.
func (m *wordsMeter) spent(ctx context.Context, samples []float32, words bool) (time.Duration, error) {
	before, err := bench.ProcessorTime(m.pid)
	if err != nil {
		return 0, scout.Errorf(scout.CodeInternal, "look at the engine: %w", err)
	}
	if _, err := m.transcribe(ctx, samples, words); err != nil {
		return 0, fmt.Errorf("transcribe: %w", err)
	}
	after, err := bench.ProcessorTime(m.pid)
	if err != nil {
		return 0, scout.Errorf(scout.CodeInternal, "look at the engine: %w", err)
	}
	return after - before, nil
}

func (r *wordsReport) writeTable(out io.Writer) error {
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

// wordTimesName is the list of known times.
const wordTimesName = "word-times.tsv"

// alignedClips reads the clips with known word times: none where no folder is named, or there is no list and
// none was asked for.
func (a *app) alignedClips(ctx context.Context, dir, list string) ([]timedSpeech, error) {
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
	clips := make([]timedSpeech, 0, len(listed))
	for _, l := range listed {
		if !filepath.IsLocal(l.File) {
			return nil, scout.Errorf(scout.CodeManifestInvalid, "%s: file %q is not inside the folder", list, l.File)
		}
		samples, err := a.readAudio(ctx, filepath.Join(dir, l.File), 0)
		if err != nil {
			return nil, err
		}
		clips = append(clips, timedSpeech{samples, l.Words})
	}
	return clips, nil
}

// spokenSentences returns n sentences in voices, speeds and pitches that follow each other, each between stretches of
// near silence: always the same.
func spokenSentences(n int) (clips []timedSpeech, err error) {
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

// surrounded puts 0.1 to 0.8 s of a quiet room around a sentence.
func surrounded(s *espeak.Speech, rng *rand.Rand) (timedSpeech, error) {
	const (
		loudness = 0.6    // of what the synthesizer gives
		room     = 0.0003 // of full scale: 70 dB below it
	)
	wide := make([]float32, len(s.Samples))
	audio.FromInt16(wide, s.Samples)
	resampler, err := audio.NewResampler(s.SampleRateHz, scout.EngineSampleRateHz)
	if err != nil {
		return timedSpeech{}, err
	}
	said := make([]float32, resampler.OutputLen(int64(len(wide))))
	_, n := resampler.Process(said, wide)
	resampler.Flush(said[n:])
	silence := func() int { return int((0.1 + 0.7*rng.Float64()) * scout.EngineSampleRateHz) }
	lead := silence()
	clip := timedSpeech{samples: make([]float32, lead+len(said)+silence())}
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

// later moves a time on by d; nil stays nil.
func later(t *time.Duration, d time.Duration) *time.Duration {
	if t == nil {
		return nil
	}
	at := *t + d
	return &at
}
