package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
)

type benchTranscribeOptions struct {
	cli.RecognizerOptions
	json     bool
	long     bool
	joined   bool
	hour     bool
	cut      string
	baseline string
	hotWords string
	noWarmUp bool
	record   bool

	language   string
	normaliser string
	peer       peerOptions
}

func newTranscribeCommand(a *app) *cobra.Command {
	var o benchTranscribeOptions
	cmd := &cobra.Command{
		Use:   "transcribe DIR",
		Short: "Transcribe a folder of speech and compare with its references",
		Long: `Transcribes the clips that DIR/manifest.tsv lists, and compares the texts with
its references (docs/formats/bench.md, docs/formats/wer-normalisation.md). The
list has a header line and then a line for each clip, with tabs between the
fields. It needs the columns "file" and "reference", and may have others.
"language" is what is spoken in a clip, and told to the model unless --language
says something else. Errors are counted in words, and in characters where the
language is written without spaces.

It prints word and character error rates with 95 % intervals, the real-time
factor, the time of single requests, and the peak resident memory of scout and
its engine together. It also counts what the text says again and the reference
does not.

--normaliser whisper compares as OpenAI does, for published figures. --peer
faster-whisper has that program transcribe the same clips in the same run, each
directly after Scout, with 8-bit weights and one thread; the interval of the
difference is paired by clip.

--record-in-catalogue writes what was measured of the model into the catalogue
of the repository that the working directory is in: scout models list shows it.
It needs all clips and Scout's defaults, and refuses other flags.

To compare with sherpa-onnx and its own defaults: --backend sherpa
--profile plain.`,
		Example: `  scout-bench transcribe speech/
  scout-bench transcribe speech/ --long --cut fixed:10s
  scout-bench transcribe speech/ --json > before.json
  scout-bench transcribe speech/ --baseline before.json
  scout-bench transcribe speech/ --normaliser whisper --peer faster-whisper
  scout-bench transcribe languages/ --model whisper-base --language auto
  scout-bench transcribe speech/ --model whisper-base --record-in-catalogue`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.record {
				if err := checkOrdinary(cmd); err != nil {
					return err
				}
			}
			return benchTranscribe(cmd.Context(), a, o, args[0])
		},
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	flags.BoolVar(&o.json, "json", false, "print JSON, for --baseline (docs/formats/bench.md)")
	flags.BoolVar(&o.long, "long", false, "only clips over 30 s")
	flags.BoolVar(&o.joined, "joined", false, "all clips as one, without a pause between them")
	flags.BoolVar(&o.hour, "hour", false, "the joined clips over and over until an hour is full, for memory")
	flags.StringVar(&o.cut, "cut", "", "how long audio is cut into pieces: quiet, or fixed:10s (default: as it suits the model)")
	flags.StringVar(&o.Backend, "backend", "", "engine backend: sherpa or moonshine (default: the best for the model)")
	flags.StringVar(&o.Profile, "profile", "", "options of the native runtime, by backend: sherpa has lean and plain")
	flags.StringVar(&o.hotWords, "hot-words", "", cli.HotWordsUsage)
	flags.StringVar(&o.baseline, "baseline", "", "compare with the JSON of an earlier run")
	flags.BoolVar(&o.noWarmUp, "cold", false, "let the first clip pay for loading the model")
	flags.StringVarP(&o.language, "language", "l", "", "what is spoken in all clips: a code, or auto (default: what the manifest says)")
	flags.StringVar(&o.normaliser, "normaliser", string(bench.NormaliserScout), "how texts are compared: scout or whisper")
	flags.BoolVar(&o.record, recordFlag, false, "write what was measured into the catalogue of the repository")
	o.peer.bind(cmd)
	cmd.MarkFlagsMutuallyExclusive("joined", "hour")
	cmd.MarkFlagsMutuallyExclusive("joined", "peer")
	cmd.MarkFlagsMutuallyExclusive("hour", "peer")
	return cmd
}

// reader returns a reader of clips.
func reader(a *app) rig.Reader {
	return rig.Reader{Options: file.Options{
		Log:      a.Scope.Log(),
		Panicked: func(decoder string, value any) { a.Failures.Panicked("audio/"+decoder, value) },
	}}
}

// subject returns what is measured with a recognizer; cut is nil for the pieces that suit the model.
func subject(a *app, r *cli.Recognizer, cut *segment.Options) *rig.Subject {
	clock := &rig.ClockedEngine{Engine: r.Engine}
	return &rig.Subject{
		Reader: reader(a), Transcriber: speech.New(a.Scope, a.Failures, clock), Engine: clock,
		Model: r.Model.ID, Parallel: r.Parallel, Effort: r.Effort, Trait: r.Trait(), Cut: cut,
	}
}

// openBench reads the manifest of a folder of speech and opens a recognizer that supports the hot words. The caller
// closes it.
func openBench(ctx context.Context, a *app, o cli.RecognizerOptions, dir string, hotWords []string) ([]bench.Entry, *cli.Recognizer, error) {
	entries, err := bench.ReadManifest(dir)
	if err != nil {
		return nil, nil, err
	}
	r, err := a.OpenRecognizer(ctx, o)
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
	var cut *segment.Options
	if o.cut != "" {
		parsed, err := segment.ParseCut(o.cut)
		if err != nil {
			return cli.Usage(err)
		}
		cut = &parsed
	}
	normaliser, err := bench.ParseNormaliser(o.normaliser)
	if err != nil {
		return cli.Usage(err)
	}
	language, err := recognize.ParseLanguage(o.language)
	if err != nil {
		return cli.Usage(err)
	}
	var baseline *bench.Report
	if o.baseline != "" { // before the long work, so that a wrong name is noticed at once
		if baseline, err = bench.ReadReport(o.baseline); err != nil {
			return err
		}
	}
	hotWords, err := cli.ReadHotWords(o.hotWords)
	if err != nil {
		return err
	}
	o.Language = o.language
	entries, r, err := openBench(ctx, a, o.RecognizerOptions, dir, hotWords)
	if err != nil {
		return err
	}
	defer r.Close()
	var book *catalogueRun
	if o.record {
		if book, err = prepareRecord(ctx, a, r, dir, len(entries)); err != nil {
			return err
		}
	}
	mode := bench.Each
	switch {
	case o.joined:
		mode = bench.Joined
	case o.hour:
		mode = bench.Hour
	}
	measured := subject(a, r, cut)
	measured.HotWords, measured.LanguageOf = hotWords, r.Language
	measured.PID = func() int { return r.Engine.State().PID }
	peer, err := o.peer.start(ctx, measured.Reader, r)
	if err != nil {
		return err
	}
	if peer != nil {
		defer func() { err = errors.Join(err, peer.Close()) }()
	}
	if mode != bench.Each {
		if measured.Decoded, err = measured.Reader.Decode(ctx, dir, entries); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, measured.Decoded.Remove()) }()
	}
	show := cli.NewConsole(a.Std.Err, false)
	options := bench.Options{
		Normaliser: normaliser, Language: language,
		Dir: dir, LongOnly: o.long, Length: measured.Reader.Length, WarmUp: !o.noWarmUp, Watch: true,
		Setup: bench.Setup{
			Version: release.Version(), Model: r.Model.ID, Backend: r.Backend, Cut: o.cut, Threads: o.Threads, Mode: mode, CPU: processor(),
			Effort: o.Effort, Normaliser: normaliser, Language: o.language,
		},
		Progress: func(done, total int, file string) {
			if done < total {
				show.Draw(fmt.Sprintf("%d of %d  %s", done+1, total, filepath.Base(file)))
			}
		},
	}
	if peer != nil {
		options.Peer, options.PeerPID = peer, peer.PID
		options.PeerSetup = bench.Setup{
			Version: peer.Version, Model: o.peer.model, Threads: 1, Mode: mode, CPU: processor(), Effort: fmt.Sprintf("beam %d", o.peer.beam),
			Normaliser: normaliser, Language: o.language,
		}
	}
	report, err := bench.Run(ctx, measured, entries, options)
	show.Clear()
	if err != nil {
		return err
	}
	if err := writeReport(a.Std.Out, report, baseline, o.json); err != nil {
		return err
	}
	if report.Total.Failed > 0 {
		return scout.Errorf(scout.CodeReadFailed, "%d of %d clips could not be transcribed, or not completely", report.Total.Failed, report.Total.Files).
			WithHint("the reasons are in the report")
	}
	if book != nil {
		return book.record(a, report)
	}
	return nil
}

func writeReport(out io.Writer, report, baseline *bench.Report, asJSON bool) error {
	if asJSON {
		return report.WriteJSON(out)
	}
	if err := report.WriteTable(out); err != nil {
		return err
	}
	if report.Peer != nil {
		if _, err := fmt.Fprintln(out); err != nil {
			return scout.FileError(scout.CodeWriteFailed, "write report", err)
		}
		if err := report.WritePeer(out); err != nil {
			return err
		}
	}
	if baseline == nil {
		return nil
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write report", err)
	}
	return report.Against(baseline).WriteTable(out)
}

// processor returns the name and number of the CPUs, for people who compare two reports.
func processor() string {
	name := runtime.GOARCH
	if info, err := cpu.Info(); err == nil && len(info) > 0 {
		name = info[0].ModelName
	}
	return fmt.Sprintf("%s, %d CPUs", name, runtime.NumCPU())
}
