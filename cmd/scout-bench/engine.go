package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/release"
)

type benchEngineOptions struct {
	model    string
	json     bool
	rounds   int
	skipHour bool
}

func newEngineCommand(a *app) *cobra.Command {
	var o benchEngineOptions
	cmd := &cobra.Command{
		Use:   "engine DIR",
		Short: "Measure the engine against sherpa-onnx in the same run",
		Long: `Measures the engine that serves the default model against sherpa-onnx with its
own defaults and the published files. Both run on one thread, in turn, so that
other work on the machine slows both equally.

It measures single requests with and without a known text, loading the model, a
cold start of scout transcribe, all clips in DIR, two slots at once, a request
that somebody waits for beside batch work, cancelling, and memory. Times are
medians. A figure that misses its bound is marked SHORT, and the exit code is 1.

DIR is a folder as for scout-bench transcribe; the clip nearest to 11 s is the
one that is decoded alone. This takes three to five minutes on a quiet machine.`,
		Example: `  scout-bench engine speech/
  scout-bench engine speech/ --json --skip-hour`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchEngine(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.model, "model", "m", "", "Moonshine model to use ($SCOUT_MODEL)")
	cli.BindSettings(flags, map[string]string{"model": "transcribe.model"})
	flags.BoolVar(&o.json, "json", false, "print JSON (docs/formats/bench.md)")
	flags.IntVar(&o.rounds, "rounds", 15, "how many times to decode the clip in each way")
	flags.BoolVar(&o.skipHour, "skip-hour", false, "leave out the hour of speech")
	return cmd
}

func benchEngine(ctx context.Context, a *app, o benchEngineOptions, dir string) (err error) {
	if o.rounds < 1 {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--rounds %d: want at least 1", o.rounds))
	}
	entries, err := bench.ReadManifest(dir)
	if err != nil {
		return err
	}
	reader := reader(a)
	decoded, err := reader.Decode(ctx, dir, entries)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, decoded.Remove()) }()
	open := func(ctx context.Context, side rig.Side) (*cli.Recognizer, error) {
		return a.OpenRecognizer(ctx, cli.RecognizerOptions{
			Model: o.model, Threads: side.Threads, Backend: side.Backend, Profile: side.Profile, Reserve: side.Reserve,
		})
	}
	engines := &rig.Engines{
		Start: func(ctx context.Context, side rig.Side) (*engine.Engine, error) {
			opened, err := open(ctx, side)
			if err != nil {
				return nil, err
			}
			return opened.Engine, nil
		},
		Scout: a.scout, Scope: a.Scope, Failures: a.Failures, Model: o.model, Decoded: decoded,
	}
	clip, pieces, err := engines.Speech(dir, entries)
	if err != nil {
		return err
	}
	ours, err := open(ctx, rig.SideOf(bench.Scout, 1, 0))
	if err != nil {
		return err
	}
	ours.Close()
	show := cli.NewConsole(a.Std.Err, false)
	report, err := bench.RunEngine(ctx, engines, bench.EngineOptions{
		Setup: bench.Setup{
			Version: release.Version(), Model: ours.Model.ID, Backend: ours.Backend, Cut: "quiet", Threads: 1, Mode: bench.Each, CPU: processor(),
		},
		Entries: entries, Dir: dir, Clip: clip, Pieces: pieces, Rounds: o.rounds, SkipHour: o.skipHour,
		Progress: show.Draw,
	})
	show.Clear()
	if err != nil {
		return err
	}
	if o.json {
		err = report.WriteJSON(a.Std.Out)
	} else {
		err = report.WriteTable(a.Std.Out)
	}
	return errors.Join(err, bench.Met(report.Figures))
}
