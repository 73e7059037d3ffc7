package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/speech"
)

type benchNoiseOptions struct {
	cli.RecognizerOptions
	json       bool
	recordings string
	snr        float64
	most       time.Duration
}

func newNoiseCommand(a *app) *cobra.Command {
	var o benchNoiseOptions
	cmd := &cobra.Command{
		Use:   "noise DIR",
		Short: "Count the words found in noise, and those lost through it",
		Long: `Transcribes sounds without words, which must give no text: breath, typing,
music, street, hum and white noise that Scout makes, and with --recordings all
audio files in a folder.

It then mixes each sound into the words and pauses of the clips in DIR, and
compares the word error rate with that of the clean clips. DIR is a folder as
for scout-bench transcribe.`,
		Example: `  scout-bench noise speech/
  scout-bench noise speech/ --recordings noises/ --snr 15`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchNoise(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	cli.JSONFlag(cmd, &o.json)
	flags.StringVar(&o.recordings, "recordings", "", "folder of real recordings without words")
	flags.Float64Var(&o.snr, "snr", 20, "how much louder than the noise the speech is, in decibels")
	flags.DurationVar(&o.most, "longest", 30*time.Second, "leave out clips over this length")
	flags.StringVar(&o.Backend, "backend", "", "engine backend: sherpa or moonshine (default: the best for the model)")
	return cmd
}

func benchNoise(ctx context.Context, a *app, o benchNoiseOptions, dir string) error {
	sounds, err := reader(a).Sounds(ctx, o.recordings)
	if err != nil {
		return err
	}
	entries, r, err := openBench(ctx, a, o.RecognizerOptions, dir, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	show := cli.NewConsole(a.Std.Err, false)
	meter := &rig.NoiseMeter{
		Reader: reader(a), Transcriber: speech.New(a.Scope, a.Failures, r.Engine), Model: r.Model.ID, Effort: r.Effort,
		SNR: o.snr, Longest: o.most, Progress: show.Draw,
	}
	results, err := meter.Run(ctx, dir, entries, sounds)
	show.Clear()
	if err != nil {
		return err
	}
	if o.json {
		return cli.WriteJSON(a.Std.Out, results)
	}
	return rig.WriteNoise(a.Std.Out, results, o.snr)
}
