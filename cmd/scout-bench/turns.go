package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench/noise"
	"github.com/scout-speech/scout/internal/bench/turns"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/speech"
)

type benchTurnsOptions struct {
	cli.RecognizerOptions
	json       bool
	recordings string
	snr        []float64
}

func newTurnsCommand(a *app) *cobra.Command {
	var o benchTurnsOptions
	cmd := &cobra.Command{
		Use:   "turns DIR",
		Short: "Measure how turns of realtime sessions begin and end",
		Long: `Searches the clips in DIR for turns by the rules of /v1/realtime: alone, with
sounds without words mixed in, and in these sounds alone. DIR is a folder as for
scout-bench transcribe. The sounds are those of scout-bench noise, with
--recordings also all audio files in a folder.

Words come from a single pass over the clean clips and count as known 400 ms
after their end. A cut is the end of a turn within a sentence.`,
		Example: `  scout-bench turns speech/
  scout-bench turns speech/ --recordings noises/ --snr 15,5`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchTurns(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	cli.JSONFlag(cmd, &o.json)
	flags.StringVar(&o.recordings, "recordings", "", "folder of real recordings without words")
	flags.Float64SliceVar(&o.snr, "snr", []float64{15, 5}, "ratios of speech to noise, in dB")
	return cmd
}

func benchTurns(ctx context.Context, a *app, o benchTurnsOptions, dir string) error {
	entries, r, err := openBench(ctx, a, o.RecognizerOptions, dir, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	show := cli.NewConsole(a.Std.Err, false)
	defer show.Clear()
	single := speech.New(a.Scope, a.Failures, r.Engine)
	var clips []turns.Clip
	for _, e := range entries {
		show.Draw("words of " + e.File)
		samples, err := reader(a).Read(ctx, filepath.Join(dir, e.File), 0)
		if err != nil {
			return err
		}
		s := stretch{samples: samples}
		if err := s.pass(ctx, single, speech.Options{Model: r.Model.ID, Class: schedule.Interactive, Words: true, Effort: r.Effort, Language: "en", Trait: r.Trait()}); err != nil {
			return err
		}
		clips = append(clips, turns.Clip{Samples: samples, Words: s.words})
	}
	const length = time.Minute
	var sounds []turns.Sound
	for _, kind := range noise.Kinds() {
		sounds = append(sounds, turns.Sound{Name: string(kind), Samples: noise.Make(kind, length)})
	}
	if o.recordings != "" {
		files, err := os.ReadDir(o.recordings)
		if err != nil {
			return scout.FileError(scout.CodeReadFailed, "read the recordings", err)
		}
		for _, f := range files {
			samples, err := reader(a).Read(ctx, filepath.Join(o.recordings, f.Name()), 0)
			if err != nil {
				return err
			}
			sounds = append(sounds, turns.Sound{Name: f.Name(), Samples: samples})
		}
	}
	show.Draw("searching for turns")
	report := turns.Measure(clips, sounds, o.snr)
	show.Clear()
	if o.json {
		encoder := json.NewEncoder(a.Std.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return report.WriteTable(a.Std.Out)
}
