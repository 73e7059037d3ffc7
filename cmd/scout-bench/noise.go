package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench/noise"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/speech"
)

type benchNoiseOptions struct {
	cli.RecognizerOptions
	json       bool
	recordings string
	snr        float64
	alone      bool
	length     time.Duration
	most       time.Duration
}

func newNoiseCommand(a *app) *cobra.Command {
	var o benchNoiseOptions
	cmd := &cobra.Command{
		Use:   "noise [DIR]",
		Short: "Count the words found in noise, and those lost through it",
		Long: `Transcribes sounds without words, which must give no text: breath, typing,
music, street, hum and white noise that Scout makes, and with --recordings all
audio files in a folder.

It then mixes each sound into the words and pauses of the clips in DIR, and
compares the word error rate with that of the clean clips. DIR is a folder as
for scout-bench transcribe.

With --alone it only transcribes the sounds, also digital silence and a quiet
room, and needs no DIR.`,
		Example: `  scout-bench noise speech/
  scout-bench noise speech/ --recordings noises/ --snr 15
  scout-bench noise --alone --length 10m --model whisper-base`,
		Args: cli.WrongArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.length <= 0:
				return cli.Misuse("it is how long each sound is, for example 10m", "--length %s: want a time over 0", o.length)
			case o.alone && len(args) == 0:
				return benchAlone(cmd.Context(), a, o)
			case o.alone || len(args) == 0:
				return cli.Misuse("scout-bench noise DIR, or scout-bench noise --alone", "noise needs a folder of speech, or --alone and none")
			}
			return benchNoise(cmd.Context(), a, o, args[0])
		},
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	cli.JSONFlag(cmd, &o.json)
	flags.StringVar(&o.recordings, "recordings", "", "folder of real recordings without words")
	flags.BoolVar(&o.alone, "alone", false, "only count the words found in the sounds")
	flags.DurationVar(&o.length, "length", rig.NoiseLength, "how long each sound is")
	flags.Float64Var(&o.snr, "snr", 20, "how much louder than the noise the speech is, in decibels")
	flags.DurationVar(&o.most, "longest", 30*time.Second, "leave out clips over this length")
	flags.StringVar(&o.Backend, "backend", "", "engine backend: sherpa or moonshine (default: the best for the model)")
	return cmd
}

func benchNoise(ctx context.Context, a *app, o benchNoiseOptions, dir string) error {
	sounds, err := reader(a).Sounds(ctx, noise.Kinds(), o.length, o.recordings)
	if err != nil {
		return err
	}
	entries, r, err := openBench(ctx, a, o.RecognizerOptions, dir, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	show := cli.NewConsole(a.Std.Err, false)
	meter := noiseMeter(a, r, show)
	meter.SNR, meter.Longest = o.snr, o.most
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

func noiseMeter(a *app, r *cli.Recognizer, show *cli.Console) *rig.NoiseMeter {
	return &rig.NoiseMeter{
		Reader: reader(a), Transcriber: speech.New(a.Scope, a.Failures, r.Engine), Model: r.Model.ID, Effort: r.Effort, Trait: r.Trait(), Progress: show.Draw,
	}
}

// benchAlone transcribes sounds without words.
func benchAlone(ctx context.Context, a *app, o benchNoiseOptions) error {
	sounds, err := reader(a).Sounds(ctx, noise.Alone(), o.length, o.recordings)
	if err != nil {
		return err
	}
	r, err := a.OpenRecognizer(ctx, o.RecognizerOptions)
	if err != nil {
		return err
	}
	defer r.Close()
	show := cli.NewConsole(a.Std.Err, false)
	results, err := noiseMeter(a, r, show).Alone(ctx, sounds)
	show.Clear()
	if err != nil {
		return err
	}
	if o.json {
		return cli.WriteJSON(a.Std.Out, results)
	}
	return rig.WriteAlone(a.Std.Out, results, o.length)
}
