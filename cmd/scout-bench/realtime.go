package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/service"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/speech"
)

type benchRealtimeOptions struct {
	cli.RecognizerOptions
	json     bool
	delays   []string
	turns    string
	atOnce   bool
	sessions int
	length   time.Duration
}

func newRealtimeCommand(a *app) *cobra.Command {
	var o benchRealtimeOptions
	cmd := &cobra.Command{
		Use:   "realtime DIR",
		Short: "Measure realtime sessions",
		Long: `Starts a daemon of its own and sends it speech by the protocol of /v1/realtime,
at the rate of speech: one session for each delay (with --at-once all of them at
the same time), then --sessions at once, while a recording goes on. DIR is a
folder as for scout-bench transcribe. Linux only.

It prints how old words are when they come (from when the message with their end
was sent), and how many words are wrong, beside the same clips as files: what a
delay costs. It prints how long the text of an
item takes after its end, how far sessions fall behind, and whether the
recording is whole. It fails if a bound is not met: 300 ms for the text of an
item of one session (p95), 2 s behind for sessions at once, and every frame of
the recording.

--turns says how items end: commit, with each clip (so that delays differ in
nothing else), server_vad or semantic_vad. The sessions at once have server_vad.`,
		Example: `  scout-bench realtime speech/
  scout-bench realtime speech/ --delay minimal,high --sessions 0 --length 5m
  scout-bench realtime speech/ --turns server_vad --sessions 0`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchRealtime(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	cli.JSONFlag(cmd, &o.json)
	flags.StringSliceVar(&o.delays, "delay", []string{"minimal", "low", "medium", "high", "xhigh"}, "delays to measure, separated by commas")
	flags.StringVar(&o.turns, "turns", service.TurnsByCommit, "how items end: commit, server_vad or semantic_vad")
	flags.BoolVar(&o.atOnce, "at-once", false, "measure all delays at the same time")
	flags.IntVar(&o.sessions, "sessions", 8, "how many sessions at once, 0 for none")
	flags.DurationVar(&o.length, "length", time.Minute, "how much speech a session gets, at least: clips are said to their end")
	return cmd
}

// Bounds of realtime sessions.
const (
	completedWithin = 300 * time.Millisecond
	behindWithin    = 2 * time.Second
)

func benchRealtime(ctx context.Context, a *app, o benchRealtimeOptions, dir string) error {
	if o.sessions < 0 || o.length < time.Second {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--sessions must not be negative, and --length at least 1s"))
	}
	if !slices.Contains([]string{service.TurnsByCommit, "server_vad", "semantic_vad"}, o.turns) {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--turns %q is none of commit, server_vad, semantic_vad", o.turns))
	}
	entries, r, err := openBench(ctx, a, o.RecognizerOptions, dir, nil)
	if err != nil {
		return err
	}
	single := speech.New(a.Scope, a.Failures, r.Engine)
	options := speech.Options{Model: r.Model.ID, Class: schedule.Interactive, Words: true, Effort: r.Effort, Language: "en", Trait: r.Trait()}
	clips, err := realtimeClips(entries, o.length, func(file string) (s stretch, err error) {
		if s.samples, err = reader(a).Read(ctx, filepath.Join(dir, file), 0); err != nil {
			return s, err
		}
		err = s.pass(ctx, single, options)
		return s, err
	})
	defer r.Close() // it is idle while the daemon uses its own
	if err != nil {
		return err
	}
	models, _, err := a.Settings.ModelsDir()
	if err != nil {
		return err
	}
	show := cli.NewConsole(a.Std.Err, false)
	defer show.Clear()
	found, err := service.MeasureRealtime(ctx, service.RealtimeOptions{
		Options: service.Options{Program: a.Settings.Scout(), Models: models, Model: r.Model.ID, Progress: show.Draw},
		Clips:   clips, Delays: o.delays, AtOnce: o.atOnce, Turns: o.turns, Sessions: o.sessions,
	})
	if err != nil {
		return err
	}
	for i := range found.Alone {
		if err := asFiles(&found.Alone[i], clips, func(s *stretch) error { return s.pass(ctx, single, options) }); err != nil {
			return err
		}
	}
	show.Clear()
	if o.json {
		encoder := json.NewEncoder(a.Std.Out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(found); err != nil {
			return err
		}
	} else if err := writeRealtime(a, &found); err != nil {
		return err
	}
	return judgeRealtime(&found)
}

// realtimeClips are clips of a length, at least, with what a single pass hears.
func realtimeClips(entries []bench.Entry, length time.Duration, pass func(file string) (stretch, error)) (clips []service.RealtimeClip, err error) {
	for i, left := 0, length; i < len(entries) && left > 0; i++ {
		s, err := pass(entries[i].File)
		if err != nil {
			return nil, err
		}
		clips = append(clips, service.RealtimeClip{Samples: s.samples, Reference: entries[i].Reference, Text: s.text, Words: s.words})
		left -= s.length()
	}
	return clips, nil
}

// asFiles decodes the items of a session as files.
func asFiles(one *service.RealtimeAlone, clips []service.RealtimeClip, pass func(*stretch) error) error {
	if len(one.Items) == 0 {
		return nil
	}
	var all []float32
	for i := range clips {
		all = append(all, clips[i].Samples...)
	}
	frame := func(at time.Duration) int {
		return min(len(all), int(int64(at)*scout.EngineSampleRateHz/int64(time.Second)))
	}
	texts := make([]string, len(one.Items))
	for i, it := range one.Items {
		s := stretch{samples: all[frame(it.From):frame(it.To)]}
		if err := pass(&s); err != nil {
			return err
		}
		texts[i] = s.text
	}
	one.AsFiles(texts)
	return nil
}

func writeRealtime(a *app, found *service.Realtime) error {
	w := tabwriter.NewWriter(a.Std.Out, 0, 0, 2, ' ', 0)
	for _, one := range found.Alone {
		cuts := "" // where an item is a clip, it is the same as the file
		if len(one.Items) > 0 {
			cuts = fmt.Sprintf(", items as files %.2f %%", 100*one.ItemWER)
		}
		_, _ = fmt.Fprintf(w, "delay %s, %s\tage of words p50 %.0f, p95 %.0f, at most %.0f ms, %d of %d, in time %d\tbefore the end of their item %d, p50 %.0f, p95 %.0f ms\t"+
			"WER %.2f %%, as files %.2f %%%s, of %d words\ttext of an item p95 %.0f ms, n %d\n",
			one.Delay, one.Turns, one.Age.P50, one.Age.P95, one.Age.Max, one.Age.Count, one.Known, one.InTime, one.Early.Count, one.Early.P50, one.Early.P95,
			100*one.WER, 100*one.FileWER, cuts, one.Live.Reference, one.Completed.P95, one.Completed.Count)
	}
	if t := found.Together; t != nil {
		_, _ = fmt.Fprintf(w, "%d sessions at once\tbehind at most %.0f ms\t%d refused\ttext of an item p95 %.0f ms, n %d\n", t.Sessions, t.Behind.Max, t.Refused, t.Completed.P95, t.Completed.Count)
		_, _ = fmt.Fprintf(w, "recording meanwhile\t%d frames, at least %d\t%d wrong\t%d gaps\n", t.Recording.Frames, t.Recording.Least, t.Recording.Wrong, t.Recording.Gaps)
	}
	return w.Flush()
}

// judgeRealtime returns what is not as it should be.
func judgeRealtime(found *service.Realtime) error {
	limit := float64(completedWithin.Milliseconds())
	for _, one := range found.Alone {
		if one.Completed.Count == 0 || one.Completed.P95 > limit {
			return scout.Errorf(scout.CodeInternal, "delay %s: the text of an item takes %.0f ms (p95 of %d), and may take %.0f", one.Delay, one.Completed.P95, one.Completed.Count, limit)
		}
	}
	t := found.Together
	switch {
	case t == nil:
	case t.Behind.Max > float64(behindWithin.Milliseconds()):
		return scout.Errorf(scout.CodeInternal, "%d sessions at once: the last text comes %.0f ms after the sound", t.Sessions, t.Behind.Max)
	case t.Recording.Wrong > 0 || t.Recording.Gaps > 0 || t.Recording.Frames < t.Recording.Least:
		return scout.Errorf(scout.CodeInternal, "the recording meanwhile is not whole: %+v", t.Recording)
	}
	return nil
}
