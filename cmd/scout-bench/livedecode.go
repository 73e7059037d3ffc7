package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/speech"
)

type benchLiveDecodeOptions struct {
	cli.RecognizerOptions
	json   bool
	clock  string
	slower float64
	takes  int
	joined time.Duration
	commit speech.CommitRule
	rhythm speech.Rhythm
	pause  time.Duration
	age    time.Duration
	sounds time.Duration
}

func newLiveDecodeCommand(a *app) *cobra.Command {
	o := benchLiveDecodeOptions{commit: speech.DefaultCommitRule(), rhythm: speech.DefaultRhythm()}
	cmd := &cobra.Command{
		Use:   "live-decode DIR",
		Short: "Measure live text on a simulated clock",
		Long: `Dictates the clips in DIR: audio arrives at the rate of speech on a simulated
clock, on which a decode takes as long as it really took. So an hour of speech
takes a few minutes.

It stops dictations of several lengths inside a word, and 0, 100, 300 and 1000
ms after the last word. It prints how long after the stop the text was complete,
when the first text came, when words were committed, whether a committed word
changed, and the word error rate against a single pass over the same audio. DIR
is a folder as for scout-bench transcribe.

With --clock cpu, the clock counts the processor time of the engine. The result
is then that of a machine without other work, without the time between two
processes.`,
		Example: `  scout-bench live-decode speech/
  scout-bench live-decode speech/ --clock cpu --takes 10 --json`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchLiveDecode(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	flags.BoolVar(&o.json, "json", false, "print JSON (docs/formats/bench.md)")
	flags.StringVarP(&o.Language, "language", "l", "", "language of the clips, a code such as de: others in DIR are left out; or auto to let the model find it (default: the model's, if it knows only one)")
	flags.StringVar(&o.clock, "clock", "elapsed", "what a decode takes on the simulated clock: elapsed, or cpu")
	flags.IntVar(&o.takes, "takes", 40, "dictations of 2 s and of 10 s each; a quarter as many of 60 s")
	flags.DurationVar(&o.joined, "joined", 10*time.Minute, "length of the dictations made of joined clips, 0 for none; the shorter ones then come from the first 10m")
	flags.IntVar(&o.commit.Agree, "agree", o.commit.Agree, "how many hypotheses must agree on a word")
	flags.DurationVar(&o.commit.Behind, "behind", o.commit.Behind, "how much audio after a word they must have heard")
	flags.DurationVar(&o.commit.Least, "least", o.commit.Least, "how much audio a hypothesis must have heard in all")
	flags.DurationVar(&o.commit.Apart, "apart", o.commit.Apart, "how much less audio each hypothesis that must agree must have heard than the next one")
	flags.DurationVar(&o.commit.SentenceEnd, "sentence-end", o.commit.SentenceEnd, "how much audio after a word with which a sentence ends must have been heard")
	flags.DurationVar(&o.commit.Doubtful, "doubtful", o.commit.Doubtful, "how much audio after a word must have been heard where the text is doubtful")
	flags.DurationVar(&o.commit.Overdue, "overdue", o.commit.Overdue, "how much audio after a word one hypothesis must have heard to commit it alone, 0 for never")
	flags.DurationVar(&o.commit.Latest, "latest", o.commit.Latest, "how long after its end a word is committed whatever its hypothesis is worth, 0 for never")
	flags.DurationVar(&o.age, "age", 0, "how old words are at most when they are committed, as in realtime sessions; it decides in place of the other rules. 0 for no such age")
	flags.Float64Var(&o.slower, "slower", 1, "act as if each decoding took so many times longer than here: 6 is a machine six times slower")
	flags.DurationVar(&o.rhythm.Step, "step", o.rhythm.Step, "least new audio between two decodes")
	flags.DurationVar(&o.sounds, "sounds", 0, "length of dictations of sounds without words; with them, a minute of quiet speech in a room at -60 dBFS")
	flags.DurationVar(&o.pause, "pause", speech.DefaultPauses().Least, "pause that closes a piece, negative for none")
	return cmd
}

func benchLiveDecode(ctx context.Context, a *app, o benchLiveDecodeOptions, dir string) error {
	if o.clock != "elapsed" && o.clock != "cpu" {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--clock %q: want elapsed or cpu", o.clock))
	}
	if o.commit.Agree < 2 || o.rhythm.Step <= 0 || o.slower <= 0 {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--agree must be at least 2, and --step and --slower above 0"))
	}
	entries, r, err := openBench(ctx, a, o.RecognizerOptions, dir, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	if entries, err = inLanguage(entries, o.Language); err != nil {
		return err
	}
	language, err := r.Language(o.Language)
	if err != nil {
		return err
	}
	if _, err := r.Engine.Load(ctx); err != nil {
		return err
	}
	show := cli.NewConsole(a.Std.Err, false)
	defer show.Clear()
	b := &liveDecode{
		app: a, options: o, single: speech.New(a.Scope, a.Failures, r.Engine), show: show,
		live: &rig.Live{
			Scope: a.Scope, Failures: a.Failures, Engine: r.Engine, CPU: o.clock == "cpu", Slower: o.slower,
			Commit: o.commit, Rhythm: o.rhythm, Pause: speech.Pauses{Least: o.pause}, Age: o.age,
			Language: language, Trait: r.Trait(),
		},
		speech: speech.Options{Model: r.Model.ID, Class: schedule.Interactive, Words: true, Effort: r.Effort, Language: language, Trait: r.Trait()},
		report: bench.NewLiveReport(bench.Setup{
			Version: release.Version(), Model: r.Model.ID, Backend: r.Backend, Cut: "quiet", Threads: o.Threads, Mode: bench.Joined, CPU: processor(),
		}, o.clock, "simulated"),
	}
	if err := b.run(ctx, dir, entries); err != nil {
		return err
	}
	show.Clear()
	if o.json {
		err = b.report.WriteJSON(a.Std.Out)
	} else {
		err = b.report.WriteTable(a.Std.Out)
	}
	return errors.Join(err, bench.Met(b.report.Figures))
}

// inLanguage returns the clips in a language, and those whose language is not known. No language means all of them.
func inLanguage(entries []bench.Entry, language string) ([]bench.Entry, error) {
	code, err := recognize.ParseLanguage(language)
	if err != nil || code == "" {
		return entries, err
	}
	entries = slices.DeleteFunc(slices.Clone(entries), func(e bench.Entry) bool {
		of, err := recognize.ParseLanguage(e.Language)
		return err == nil && of != "" && of != code
	})
	if len(entries) == 0 {
		return nil, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "no clip of the folder is in the language %q", language))
	}
	return entries, nil
}

// liveDecode is one run of scout-bench live-decode.
type liveDecode struct {
	*app
	options benchLiveDecodeOptions
	single  *speech.Batch
	speech  speech.Options // of single
	live    *rig.Live
	report  *bench.LiveReport
	show    *cli.Console
}

// run dictates short stretches of the joined clips, and then all of them.
func (b *liveDecode) run(ctx context.Context, dir string, entries []bench.Entry) error {
	length := b.options.joined
	if length <= 0 {
		length = 10 * time.Minute
	}
	stretches, err := gather(ctx, b.app, dir, entries, length)
	if err != nil {
		return err
	}
	if b.options.joined <= 0 { // the short ones come from the first
		stretches = stretches[:1]
	}
	moments, _ := bench.StopMoments()
	for i, s := range stretches {
		b.show.Draw(fmt.Sprintf("single pass over %d of %d", i+1, len(stretches)))
		if err := s.pass(ctx, b.single, b.speech); err != nil {
			return err
		}
	}
	for _, group := range []struct {
		name   string
		length time.Duration
		takes  int
	}{{"2 s", 2 * time.Second, b.options.takes}, {"10 s", 10 * time.Second, b.options.takes}, {"60 s", time.Minute, (b.options.takes + 3) / 4}} {
		for i := range group.takes {
			s := stretches[i%len(stretches)]
			whole := time.Duration(len(s.samples)) * time.Second / scout.EngineSampleRateHz
			from := max(0, whole-2*group.length) * time.Duration(i) / time.Duration(max(group.takes, 1))
			take, ok := rig.Cut(s.samples, s.words, from, group.length, moments[i%len(moments)])
			if !ok {
				continue
			}
			take.Group = group.name
			b.show.Draw(fmt.Sprintf("%s: %d of %d", group.name, i+1, group.takes))
			result, err := b.live.Dictate(ctx, take)
			if err != nil {
				return err
			}
			if err := b.judge(ctx, take, result); err != nil {
				return err
			}
			b.report.Add(result)
		}
	}
	if err := b.sounds(ctx, dir, entries); err != nil || b.options.joined <= 0 {
		return err
	}
	for i, s := range stretches {
		b.show.Draw(fmt.Sprintf("joined clips: %d of %d", i+1, len(stretches)))
		result, err := b.live.Dictate(ctx, rig.Whole(s.samples, bench.LongGroup(length), moments[i%len(moments)]))
		if err != nil {
			return err
		}
		result.Judge(strings.Join(s.reference, " "), s.text)
		b.report.Add(result)
	}
	return nil
}

// sounds dictates sounds without words, and quiet speech.
func (b *liveDecode) sounds(ctx context.Context, dir string, entries []bench.Entry) error {
	if b.options.sounds <= 0 {
		return nil
	}
	spoken, err := gather(ctx, b.app, dir, entries, time.Minute)
	if err != nil {
		return err
	}
	quiet := rig.QuietTakes(spoken[0].samples, strings.Join(spoken[0].reference, " "))
	for _, take := range append(rig.SoundTakes(b.options.sounds), quiet...) {
		b.show.Draw(take.Group)
		result, err := b.live.Dictate(ctx, take)
		if err != nil {
			return err
		}
		if take.Reference != "" {
			if err := b.judge(ctx, take, result); err != nil {
				return err
			}
		}
		b.report.Add(result)
	}
	return nil
}

// judge compares a dictation with a single pass over what was said before the stop.
func (b *liveDecode) judge(ctx context.Context, take rig.Take, result *bench.LiveTake) error {
	once := &stretch{samples: take.Said()}
	if err := once.pass(ctx, b.single, b.speech); err != nil {
		return err
	}
	result.Judge(take.Reference, once.text)
	return nil
}
