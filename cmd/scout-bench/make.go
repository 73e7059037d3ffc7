package main

import (
	"cmp"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench/rig"
)

// What make makes.
const (
	madeRepetitions = "repetitions"
	madeCommands    = "commands"
	madeWords       = "words"
)

// usualWords is how many words are cut out.
const usualWords = 30

type benchMakeOptions struct {
	speech string
	count  int
}

func newMakeCommand(a *app) *cobra.Command {
	var o benchMakeOptions
	cmd := &cobra.Command{
		Use:   "make KIND DIR",
		Short: "Make clips of a kind for scout-bench transcribe",
		Long: `Makes a folder of clips with their references, for scout-bench transcribe with
any model:

  repetitions  sentences that eSpeak NG speaks, in three of four of which
               something is really said again
  commands     thirty commands of a few words that eSpeak NG speaks
  words        single words of 0.3 to 1 s, the longest ones, cut from the clips
               in --speech whose words are listed in word-times.tsv there or
               beside it`,
		Example: `  scout-bench make repetitions /tmp/again && scout-bench transcribe /tmp/again
  scout-bench make words /tmp/words --speech speech/`,
		Args: cli.WrongArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchMake(cmd.Context(), a, o, args[0], args[1]) },
	}
	cmd.Flags().StringVar(&o.speech, "speech", "", "folder of speech whose words are cut out")
	cmd.Flags().IntVar(&o.count, "count", 0, "how many clips (default: 200 repetitions, 30 words)")
	return cmd
}

func benchMake(ctx context.Context, a *app, o benchMakeOptions, kind, dir string) error {
	if o.count < 0 {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--count %d: want 1 or more", o.count))
	}
	var takes []rig.Take
	var err error
	switch kind {
	case madeRepetitions:
		takes, err = rig.Repetitions(cmp.Or(o.count, 200))
	case madeCommands:
		takes, err = rig.Commands(strings.Split(strings.TrimSpace(spokenCommands), "\n"))
	case madeWords:
		if o.speech == "" {
			return cli.Misuse("scout-bench make words DIR --speech speech/", "words are cut out of a folder of speech: --speech is missing")
		}
		takes, err = reader(a).Words(ctx, o.speech, cmp.Or(o.count, usualWords))
	default:
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "unknown kind %q: want %s, %s or %s", kind, madeRepetitions, madeCommands, madeWords))
	}
	if err != nil {
		return err
	}
	if o.count > 0 && len(takes) > o.count {
		takes = takes[:o.count]
	}
	if len(takes) == 0 {
		return scout.Errorf(scout.CodeInvalidArgument, "there are no words of 0.3 to 1 s in a word-times.tsv in %s or beside it", o.speech)
	}
	if err := rig.WriteClips(ctx, dir, takes); err != nil {
		return err
	}
	if kind == madeWords && len(takes) < cmp.Or(o.count, usualWords) {
		return a.Say("%d clips in %s: there are no more words of 0.3 to 1 s", len(takes), dir)
	}
	return a.Say("%d clips in %s", len(takes), dir)
}
