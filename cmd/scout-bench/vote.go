package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/vote"
)

type benchVoteOptions struct {
	cli.RecognizerOptions
	json       bool
	language   string
	normaliser string
	cache      string
	rule       []float64
}

// voteKept is in the names of clips that are kept. It changes when they would be others.
const voteKept = "1"

func newVoteCommand(a *app) *cobra.Command {
	var o benchVoteOptions
	cmd := &cobra.Command{
		Use:   "vote DIR",
		Short: "Learn when words of the fast model are better than those of the accurate one",
		Long: `Transcribes a folder of speech, as scout-bench transcribe does, with the
accurate and the fast model. It learns when the words of the fast model should
stand where the two differ, and measures the text with them (docs/adr/0112):
error rates without and with the vote, with the 95 % interval of the difference
(paired by clip), of short and of long clips. "cross-validated" is the rate with
rules that were learned without the clip, in ten folds; "best choice" is what no
rule can beat. Word errors count after OpenAI's normaliser, unless --normaliser
says something else.

--rule measures a given rule instead of the learned one: SLOPE,OFFSET.

Decoding takes most of the time. --cache keeps what the models said in a folder;
with the same models, effort and audio, it is used again.`,
		Example: `  scout-bench vote speech/ --effort thorough --cache /tmp/votes
  scout-bench vote other/ --cache /tmp/votes --rule 0.77,0.42`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchVote(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	cli.JSONFlag(cmd, &o.json)
	flags.StringVarP(&o.language, "language", "l", "en", "what is spoken in all clips: a code that both models know")
	flags.StringVar(&o.normaliser, "normaliser", string(bench.NormaliserWhisper), "how texts are compared: scout or whisper")
	flags.StringVar(&o.cache, "cache", "", "folder for what the models said, made where it is missing")
	flags.Float64SliceVar(&o.rule, "rule", nil, "measure this rule: SLOPE,OFFSET")
	return cmd
}

func benchVote(ctx context.Context, a *app, o benchVoteOptions, dir string) error {
	normaliser, err := bench.ParseNormaliser(o.normaliser)
	if err != nil {
		return cli.Usage(err)
	}
	var rule *vote.Rule
	switch len(o.rule) {
	case 0:
	case 2:
		rule = &vote.Rule{Slope: o.rule[0], Offset: o.rule[1]}
	default:
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--rule has %d numbers: want SLOPE,OFFSET", len(o.rule)))
	}
	o.Language, o.Role = o.language, recognize.Accurate
	entries, accurate, err := openBench(ctx, a, o.RecognizerOptions, dir, nil)
	if err != nil {
		return err
	}
	defer accurate.Close()
	fast, err := a.OpenRecognizer(ctx, cli.RecognizerOptions{Role: recognize.Fast, Language: o.language, Threads: o.Threads, Effort: o.Effort})
	if err != nil {
		return err
	}
	defer fast.Close()
	if fast.Model.ID == accurate.Model.ID {
		return scout.Errorf(scout.CodeInvalidArgument, "%s is the fast and the accurate model: a vote needs two", fast.Model.ID).WithHint("install another one: scout models list")
	}
	language, err := accurate.Language(o.language)
	if err != nil {
		return err
	}
	if o.cache != "" {
		if err := os.MkdirAll(o.cache, 0o755); err != nil {
			return scout.FileError(scout.CodeWriteFailed, "make the folder of --cache", err)
		}
	}
	for _, r := range []*cli.Recognizer{accurate, fast} {
		if _, err := r.Engine.Load(ctx); err != nil {
			return err
		}
	}
	key, err := json.Marshal([]any{voteKept, accurate.Model.SHA256, fast.Model.SHA256, accurate.Effort.String(), language})
	if err != nil {
		return scout.Errorf(scout.CodeInternal, "name what is kept: %w", err)
	}
	ear, other := &rig.CountedEngine{Engine: accurate.Engine}, &rig.CountedEngine{Engine: fast.Engine}
	v := &rig.Voter{
		Reader: reader(a), Batch: speech.New(a.Scope, a.Failures, ear), Accurate: ear, Fast: other, Folder: o.cache, Key: string(key),
		Options: speech.Options{
			Model: accurate.Model.ID, Language: language, Trait: accurate.Trait(), Effort: accurate.Effort, Class: schedule.Interactive, Words: true,
			Vote: &speech.Vote{Fast: other, Trait: fast.Trait(), Languages: fast.Model.Languages, Rule: vote.Default()},
		},
	}
	show := cli.NewConsole(a.Std.Err, false)
	defer show.Clear()
	clips := make([]bench.VoteClip, 0, len(entries))
	for i, e := range entries {
		show.Draw(fmt.Sprintf("%d of %d  %s", i+1, len(entries), e.File))
		clip, err := v.Clip(ctx, dir, e)
		if err != nil {
			return err
		}
		clips = append(clips, clip)
	}
	show.Clear()
	report := bench.Votes(clips, normaliser, rule)
	if o.json {
		return report.WriteJSON(a.Std.Out)
	}
	return report.WriteTable(a.Std.Out)
}
