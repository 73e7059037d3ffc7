package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench/rig"
)

type benchHotWordsOptions struct {
	cli.RecognizerOptions
	json  bool
	words string
}

func newHotWordsCommand(a *app) *cobra.Command {
	var o benchHotWordsOptions
	cmd := &cobra.Command{
		Use:   "hotwords DIR --words FILE",
		Short: "Measure what hot words gain, and what wrong ones cost",
		Long: `Transcribes the clips in DIR three times: without hot words, with those in FILE,
which should be said in the clips, and with 100 names that nobody says. It
prints how often the words in FILE were recognised wrongly, the word error rate,
and the time taken. DIR is a folder as for scout-bench transcribe.`,
		Example: `  scout-bench hotwords speech/ --words testdata/hot-words.txt`,
		Args:    cli.WrongArgs(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return benchHotWords(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	cli.JSONFlag(cmd, &o.json)
	flags.StringVar(&o.words, "words", "", "hot words that are said: a file with one on each line, or a list a,b,c")
	return cmd
}

func benchHotWords(ctx context.Context, a *app, o benchHotWordsOptions, dir string) error {
	said, err := cli.ReadHotWords(o.words)
	if err != nil {
		return err
	}
	if len(said) == 0 {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--words is missing: name the hot words that are said in %s", dir))
	}
	entries, r, err := openBench(ctx, a, o.RecognizerOptions, dir, said)
	if err != nil {
		return err
	}
	defer r.Close()
	show := cli.NewConsole(a.Std.Err, false)
	runs, err := subject(a, r, nil).RunHotWords(ctx, dir, entries, said, show.Draw)
	show.Clear()
	if err != nil {
		return err
	}
	if o.json {
		return cli.WriteJSON(a.Std.Out, runs)
	}
	return rig.WriteHotWords(a.Std.Out, runs)
}
