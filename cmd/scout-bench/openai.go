package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench/service"
)

type benchOpenAIOptions struct {
	json  bool
	model string
	users []int
}

func newOpenAICommand(a *app) *cobra.Command {
	var o benchOpenAIOptions
	cmd := &cobra.Command{
		Use:   "openai DIR",
		Short: "Measure OpenAI's paths for files",
		Long: `Starts a daemon of its own on a free port, and uses its paths for clients of
OpenAI. DIR is a folder as for scout-bench transcribe. Linux only.

  users   so many users at the same time send a file of 11 s and no model, as
          the load script of whisper.cpp does: only 200 and 429 are right
  large   a file of 200 MB comes: the daemon grows by less than 5 MB
  early   a stream of a file of 4 minutes is asked for, in each format that
          ffmpeg can make here: with WAV, FLAC, MP3, Ogg Vorbis, Ogg Opus, WebM,
          AAC and MP4 the text begins before the file has ended

A bound that is not met is told, and the exit code is not 0 then.`,
		Example: "  scout-bench openai speech/\n  scout-bench openai speech/ --users 4 --json",
		Args:    cli.WrongArgs(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return benchOpenAI(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.json, "json", false, "print JSON (docs/formats/bench.md)")
	flags.StringVarP(&o.model, "model", "m", "", "model for everything (default: the one that scout uses)")
	flags.IntSliceVar(&o.users, "users", []int{4, 200}, "how many users there are at the same time, separated by commas")
	return cmd
}

func benchOpenAI(ctx context.Context, a *app, o benchOpenAIOptions, dir string) error {
	for _, n := range o.users {
		if n < 1 {
			return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--users must be at least 1"))
		}
	}
	options, show, err := withSpeech(ctx, a, dir, o.model)
	if err != nil {
		return err
	}
	defer show.Clear()
	report, err := service.OpenAI(ctx, options, o.users)
	show.Clear()
	if err != nil {
		return err
	}
	if o.json {
		err = cli.WriteJSON(a.Std.Out, report)
	} else {
		err = writeOpenAI(a, report)
	}
	if len(report.Missed) > 0 {
		err = errors.Join(err, scout.Errorf(scout.CodeInternal, "%d bounds are not met, the first: %s", len(report.Missed), report.Missed[0]))
	}
	return err
}

// writeOpenAI prints what was measured, for people.
func writeOpenAI(a *app, r *service.OpenAIReport) error {
	var err error
	line := func(format string, args ...any) {
		_, failed := fmt.Fprintf(a.Std.Out, format+"\n", args...)
		err = errors.Join(err, failed)
	}
	for _, u := range r.Users {
		line("%d users: %v, the slowest text after %s", u.Users, u.Statuses, u.SlowNS.Round(time.Millisecond))
	}
	line("a file of %d MB: %d, the daemon grew by %.1f MB", service.LargeBytes>>20, r.LargeStatus, float64(r.GrowthBytes)/(1<<20))
	for _, e := range r.Early {
		line("%s: first text before the end of the upload: %v (%s)", e.Format, e.Early, e.FirstNS.Round(time.Millisecond))
	}
	for _, missed := range r.Missed {
		line("SHORT: %s", missed)
	}
	return err
}
