package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/speech/vote"
)

type benchSecondOptions struct {
	cli.RecognizerOptions
	json       bool
	normaliser string
	cut        segment.Options
	stops      int
	vote       bool
	rule       []float64
	keep       string
	first      string
}

func newSecondCommand(a *app) *cobra.Command {
	o := benchSecondOptions{cut: speech.SecondCut()}
	cmd := &cobra.Command{
		Use:   "second DIR",
		Short: "Measure the second pass over dictations on a simulated clock",
		Long: `Dictates the clips in DIR on a simulated clock, as scout-bench live-decode does,
and hears each a second time with the accurate model. The options say in which
pieces. It prints the word errors of the first pass, of the second alone, and of
the text that is published (docs/adr/0110, 0111), in short and long clips, and
how much processor time the second pass takes. Clips must be in one language
that both models know. Words are compared after OpenAI's normaliser, unless
--normaliser says something else.

--stops stops each clip at so many moments, and prints how long after the stop
the second pass is complete, if a decode takes the processor time that it took,
as on a machine without other work. What the first pass takes after a stop has
to be added.

--vote asks both models about all differences, as docs/adr/0112 does for files.
Then the texts with the vote are told too, with --rule SLOPE,OFFSET.`,
		Example: `  scout-bench second speech/ --stops 10
  scout-bench second speech/ --least 6s --most 10s --context 1.5s --vote`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchSecond(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	cli.JSONFlag(cmd, &o.json)
	flags.StringVarP(&o.Language, "language", "l", "en", "what is spoken in all clips: a code that both models know")
	flags.StringVar(&o.normaliser, "normaliser", string(bench.NormaliserWhisper), "how texts are compared: scout or whisper")
	flags.DurationVar(&o.cut.Min, "least", o.cut.Min, "length of the shortest piece")
	flags.DurationVar(&o.cut.Max, "most", o.cut.Max, "length of the longest piece")
	flags.DurationVar(&o.cut.Overlap, "context", o.cut.Overlap, "what is heard beyond a cut in speech, on each side")
	flags.DurationVar(&o.cut.Tail, "rest", o.cut.Tail, "a shorter last piece is joined to the one before it")
	flags.IntVar(&o.stops, "stops", 0, "at how many moments of a clip somebody stops")
	flags.BoolVar(&o.vote, "vote", false, "ask both models about all differences")
	flags.Float64SliceVar(&o.rule, "rule", []float64{vote.Default().Slope, vote.Default().Offset}, "the rule of the vote: SLOPE,OFFSET")
	flags.StringVar(&o.keep, "keep", "", "write what both passes heard to this file, as JSON")
	flags.StringVar(&o.first, "first", "", "take the first passes from a file of --keep: they do not depend on the pieces")
	return cmd
}

// known are the first passes of an earlier run.
func (o *benchSecondOptions) known() (map[string][]scout.Word, error) {
	if o.first == "" {
		return nil, nil
	}
	content, err := os.ReadFile(o.first)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read first passes", err)
	}
	var clips []bench.SecondClip
	if err := json.Unmarshal(content, &clips); err != nil {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "%s is not a file of --keep", o.first)
	}
	first := make(map[string][]scout.Word, len(clips))
	for i := range clips {
		first[clips[i].File] = clips[i].First
	}
	return first, nil
}

func benchSecond(ctx context.Context, a *app, o benchSecondOptions, dir string) error {
	normaliser, err := bench.ParseNormaliser(o.normaliser)
	if err != nil {
		return cli.Usage(err)
	}
	if len(o.rule) != 2 || o.stops < 0 {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--rule wants SLOPE,OFFSET, and --stops at least 0"))
	}
	o.Role = recognize.Accurate
	entries, accurate, err := openBench(ctx, a, o.RecognizerOptions, dir, nil)
	if err != nil {
		return err
	}
	defer accurate.Close()
	fast, err := a.OpenRecognizer(ctx, cli.RecognizerOptions{Role: recognize.Fast, Language: o.Language, Threads: o.Threads})
	if err != nil {
		return err
	}
	defer fast.Close()
	if fast.Model.ID == accurate.Model.ID {
		return scout.Errorf(scout.CodeInvalidArgument, "%s is the fast and the accurate model: a second pass needs two", fast.Model.ID).WithHint("install another one: scout models list")
	}
	h := &rig.Rehearser{
		Reader: reader(a), Fast: &rig.CountedEngine{Engine: fast.Engine}, Accurate: &rig.CountedEngine{Engine: accurate.Engine}, Cut: o.cut, Stops: o.stops,
		Live: &rig.Live{
			Scope: a.Scope, Failures: a.Failures, Engine: fast.Engine, CPU: true, Commit: speech.DefaultCommitRule(), Rhythm: speech.DefaultRhythm(),
			Pause: speech.DefaultPauses(), Trait: fast.Trait(),
		},
		Options: speech.SecondOptions{Model: accurate.Model.ID, Trait: accurate.Trait()},
	}
	if h.Live.Language, err = fast.Language(o.Language); err != nil {
		return err
	}
	if h.Options.Language, err = accurate.Language(o.Language); err != nil {
		return err
	}
	if h.Known, err = o.known(); err != nil {
		return err
	}
	rule := vote.Rule{Slope: o.rule[0], Offset: o.rule[1]}
	if o.vote {
		h.Options.Vote = &speech.Vote{Fast: h.Fast, Trait: fast.Trait(), Languages: fast.Model.Languages, Rule: rule}
	}
	for _, r := range []*cli.Recognizer{accurate, fast} {
		if _, err := r.Engine.Load(ctx); err != nil {
			return err
		}
	}
	show := cli.NewConsole(a.Std.Err, false)
	defer show.Clear()
	began := time.Now()
	clips := make([]bench.SecondClip, 0, len(entries))
	for i, e := range entries {
		show.Draw(fmt.Sprintf("%d of %d  %s  %s", i+1, len(entries), e.File, time.Since(began).Round(time.Second)))
		clip, err := h.Clip(ctx, dir, e)
		if err != nil {
			return err
		}
		clips = append(clips, clip)
	}
	show.Clear()
	if o.keep != "" {
		content, err := json.Marshal(clips)
		if err != nil {
			return scout.Errorf(scout.CodeInternal, "keep what was heard: %w", err)
		}
		if err := atomicfile.Write(o.keep, content, atomicfile.Options{}); err != nil {
			return err
		}
	}
	report := bench.Seconds(clips, normaliser, rule)
	if o.json {
		return report.WriteJSON(a.Std.Out)
	}
	return report.WriteTable(a.Std.Out)
}
