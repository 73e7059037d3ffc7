package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench/espeak"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/speech"
)

type benchWordsOptions struct {
	cli.RecognizerOptions
	json      bool
	times     string
	sentences int
	snr       float64
}

func newWordsCommand(a *app) *cobra.Command {
	var o benchWordsOptions
	cmd := &cobra.Command{
		Use:   "words [DIR]",
		Short: "Compare the times of words with known ones",
		Long: `Transcribes speech whose words have known times, and prints how far the times
of the words that were recognised are off. It uses the clips in DIR whose words
are listed in word-times.tsv, in DIR or beside it (docs/formats/bench.md), and,
if eSpeak NG is installed, sentences that it speaks in several voices and
speeds, clean and with noise.

It then compares how long decoding takes with and without times.`,
		Example: `  scout-bench words speech/
  scout-bench words speech/ --times aligned.tsv --json
  scout-bench words --sentences 50`,
		Args: cli.WrongArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := ""
			if len(args) == 1 {
				dir = args[0]
			}
			return benchWords(cmd.Context(), a, o, dir)
		},
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	cli.JSONFlag(cmd, &o.json)
	flags.StringVar(&o.times, "times", "", "list of known times (default: word-times.tsv in DIR or beside it)")
	flags.IntVar(&o.sentences, "sentences", len(espeak.Sentences()), "how many sentences eSpeak NG speaks, 0 for none")
	flags.Float64Var(&o.snr, "snr", 10, "how much louder than the noise the speech is, in decibels")
	return cmd
}

func benchWords(ctx context.Context, a *app, o benchWordsOptions, dir string) error {
	report := &rig.WordsReport{CPU: processor()}
	aligned, err := reader(a).AlignedClips(ctx, dir, o.times)
	if err != nil {
		return err
	}
	if len(aligned) == 0 {
		report.Missing = append(report.Missing, "clips with aligned words: no folder named, or no word-times.tsv")
	}
	spoken, err := rig.SpokenSentences(o.sentences)
	if errors.Is(err, espeak.ErrMissing) {
		report.Missing = append(report.Missing, "spoken sentences: "+scout.Plain(espeak.ErrMissing))
	} else if err != nil {
		return err
	}
	if len(aligned)+len(spoken) == 0 {
		return scout.Errorf(scout.CodeInvalidArgument, "nothing to measure: %s", strings.Join(report.Missing, "; "))
	}
	r, err := a.OpenRecognizer(ctx, o.RecognizerOptions)
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
	show := cli.NewConsole(a.Std.Err, false)
	meter := &rig.WordsMeter{
		Transcriber: speech.New(a.Scope, a.Failures, r.Engine), Model: r.Model.ID, Effort: r.Effort, Trait: r.Trait(), PID: facts.PID, SNR: o.snr, Progress: show.Draw,
	}
	err = meter.Run(ctx, aligned, spoken, report)
	show.Clear()
	if err != nil {
		return err
	}
	if o.json {
		return cli.WriteJSON(a.Std.Out, report)
	}
	return report.WriteTable(a.Std.Out)
}
