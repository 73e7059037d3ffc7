package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
)

func newBenchCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure accuracy, speed and memory",
		Args:  wrongArgs(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBenchTranscribeCommand(a), newBenchNoiseCommand(a), newBenchWordsCommand(a), newBenchHotWordsCommand(a), newBenchEngineCommand(a))
	return cmd
}

type benchTranscribeOptions struct {
	recognizerOptions
	json     bool
	long     bool
	joined   bool
	hour     bool
	cut      string
	baseline string
	hotWords string
	noWarmUp bool
}

func newBenchTranscribeCommand(a *app) *cobra.Command {
	var o benchTranscribeOptions
	cmd := &cobra.Command{
		Use:   "transcribe DIR",
		Short: "Transcribe a folder of speech and compare with its references",
		Long: `Reads DIR/manifest.tsv: a header line, then one clip a line, fields separated by tabs. The columns "file" and "reference" are needed,
others are ignored. Prints word and character error rates with 95 % intervals, the real-time factor, how long single requests took,
and the peak resident memory of scout and its engine together. How texts are compared: docs/formats/wer-normalisation.md.

The backend "sherpa" with the profile "plain" is sherpa-onnx with its own defaults: the yardstick.`,
		Example: `  scout bench transcribe speech/
  scout bench transcribe speech/ --long --cut fixed:10s
  scout bench transcribe speech/ --json > before.json
  scout bench transcribe speech/ --baseline before.json`,
		Args: wrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchTranscribe(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.bind(cmd)
	flags.BoolVar(&o.json, "json", false, "print JSON, for --baseline (docs/formats/bench.md)")
	flags.BoolVar(&o.long, "long", false, "only clips over 30 s")
	flags.BoolVar(&o.joined, "joined", false, "all clips as one, without a pause between them")
	flags.BoolVar(&o.hour, "hour", false, "the joined clips over and over until an hour is full, for memory")
	flags.StringVar(&o.cut, "cut", "quiet", "how long audio is cut into pieces: quiet, or fixed:10s")
	flags.StringVar(&o.backend, "backend", "", "engine backend: sherpa or moonshine (default: the best for the model)")
	flags.StringVar(&o.profile, "profile", "", "options of the native runtime, by backend: sherpa has lean and plain")
	flags.StringVar(&o.hotWords, "hot-words", "", hotWordsUsage)
	flags.StringVar(&o.baseline, "baseline", "", "compare with the JSON of an earlier run")
	flags.BoolVar(&o.noWarmUp, "cold", false, "let the first clip pay for loading the model")
	cmd.MarkFlagsMutuallyExclusive("joined", "hour")
	return cmd
}

// openBench reads the manifest of a folder of speech and opens a recognizer that can do with the hot words. It is
// the caller's to close.
func openBench(ctx context.Context, a *app, o recognizerOptions, dir string, hotWords []string) ([]bench.Entry, *recognizer, error) {
	entries, err := bench.ReadManifest(dir)
	if err != nil {
		return nil, nil, err
	}
	r, err := openRecognizer(ctx, a, o)
	if err != nil {
		return nil, nil, err
	}
	if err := r.CheckHotWords(ctx, hotWords); err != nil {
		r.Close()
		return nil, nil, err
	}
	return entries, r, nil
}

func benchTranscribe(ctx context.Context, a *app, o benchTranscribeOptions, dir string) (err error) {
	cut, err := segment.ParseCut(o.cut)
	if err != nil {
		return usage(err)
	}
	var baseline *bench.Report
	if o.baseline != "" { // before the long work, so that a wrong name is known at once
		if baseline, err = bench.ReadReport(o.baseline); err != nil {
			return err
		}
	}
	hotWords, err := readHotWords(o.hotWords)
	if err != nil {
		return err
	}
	entries, r, err := openBench(ctx, a, o.recognizerOptions, dir, hotWords)
	if err != nil {
		return err
	}
	defer r.Close()
	mode := bench.Each
	switch {
	case o.joined:
		mode = bench.Joined
	case o.hour:
		mode = bench.Hour
	}
	clock := &clockedEngine{engine: r.Engine}
	subject := &benchSubject{app: a, recognizer: r, engine: clock, cut: cut, hotWords: hotWords, transcriber: speech.New(a.scope, a.failures, clock)}
	if mode != bench.Each {
		if subject.decoded, err = a.decodeClips(ctx, dir, entries); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, subject.decoded.remove()) }()
	}
	report, err := bench.Run(ctx, subject, entries, bench.Options{
		Dir: dir, LongOnly: o.long, Length: a.audioLength, WarmUp: !o.noWarmUp, Watch: true,
		Setup: bench.Setup{
			Version: release.Version(), Model: r.Model.ID, Backend: r.Backend, Cut: o.cut, Threads: o.threads, Mode: mode, CPU: processor(),
		},
		Progress: func(done, total int, file string) {
			if terminal(a.std.err) && done < total {
				a.notef("\r\x1b[K%d of %d  %s", done+1, total, filepath.Base(file))
			} else if terminal(a.std.err) {
				a.notef("\r\x1b[K")
			}
		},
	})
	if err != nil {
		return err
	}
	if err := writeReport(a.std.out, report, baseline, o.json); err != nil {
		return err
	}
	if report.Total.Failed > 0 {
		return scout.Errorf(scout.CodeReadFailed, "%d of %d clips could not be transcribed", report.Total.Failed, report.Total.Files).
			WithHint("the reasons are in the report")
	}
	return nil
}

func writeReport(out io.Writer, report, baseline *bench.Report, asJSON bool) error {
	if asJSON {
		return report.WriteJSON(out)
	}
	if err := report.WriteTable(out); err != nil || baseline == nil {
		return err
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write report", err)
	}
	return report.Against(baseline).WriteTable(out)
}

// clockedEngine measures each request to an engine.
type clockedEngine struct {
	engine *engine.Engine
	mu     sync.Mutex
	took   []time.Duration
}

// Transcribe passes the request on.
func (c *clockedEngine) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	began := time.Now()
	result, err := c.engine.Transcribe(ctx, request)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, time.Since(began))
	return result, err
}

// take returns what was measured since the last call.
func (c *clockedEngine) take() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := c.took
	c.took = nil
	return took
}

// benchSubject is what the bench measures: the same path as scout transcribe.
type benchSubject struct {
	app         *app
	recognizer  *recognizer
	engine      *clockedEngine
	cut         segment.Options
	hotWords    []string
	transcriber *speech.Batch
	decoded     *decodedClips // nil where every clip is decoded as it comes
}

// Transcribe hears the files as one.
func (s *benchSubject) Transcribe(ctx context.Context, files []string) (bench.Heard, error) {
	source := &joinedSource{files: files, open: func(path string) (closingSource, error) {
		if s.decoded != nil {
			return s.decoded.open(path)
		}
		return s.app.openAudio(ctx, path)
	}}
	transcript, err := s.transcriber.Transcribe(ctx, source, speech.Options{
		Model: s.recognizer.Model.ID, Effort: s.recognizer.effort, Cut: &s.cut, Class: schedule.Interactive, Parallel: s.recognizer.Parallel, Words: true, HotWords: s.hotWords,
	})
	err = errors.Join(err, source.close())
	heard := bench.Heard{Audio: source.heard(), Decodes: s.engine.take()}
	if err != nil {
		return heard, err
	}
	heard.Text = transcript.Text()
	for i := range transcript.Segments {
		for _, w := range transcript.Segments[i].Words {
			if w.LogProb != nil {
				heard.Words = append(heard.Words, bench.HeardWord{Text: w.Text, LogProb: *w.LogProb})
			}
		}
	}
	if n := len(transcript.SetAside); n > 0 {
		return heard, scout.Errorf(transcript.SetAside[0].Code, "%d pieces could not be transcribed: %s", n, transcript.SetAside[0].Reason)
	}
	return heard, nil
}

// audioLength is the length of a clip, found by reading it.
func (a *app) audioLength(ctx context.Context, path string) (length time.Duration, err error) {
	reader, err := a.openAudio(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	var frames int64
	buf := make([]float32, scout.EngineSampleRateHz)
	for {
		n, err := reader.Read(buf)
		frames += int64(n)
		if errors.Is(err, io.EOF) {
			return time.Duration(frames) * time.Second / scout.EngineSampleRateHz, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// processor names the CPU and how many there are, for whoever compares two reports.
func processor() string {
	name := runtime.GOARCH
	if info, err := cpu.Info(); err == nil && len(info) > 0 {
		name = info[0].ModelName
	}
	return fmt.Sprintf("%s, %d CPUs", name, runtime.NumCPU())
}
