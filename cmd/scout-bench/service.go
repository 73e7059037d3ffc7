package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/service"
	"github.com/scout-speech/scout/internal/release"
)

type benchServiceOptions struct {
	json        bool
	figures     []string
	report      string
	model       string
	connections int
	time        time.Duration
	kills       int
	keys        int
	cpuPercent  int
}

func newServiceCommand(a *app) *cobra.Command {
	var o benchServiceOptions
	cmd := &cobra.Command{
		Use:   "service DIR",
		Short: "Measure the service under load and faults",
		Long: `Starts daemons of its own, each with a data folder of its own and on a free
port, and uses them by HTTP with keys, as programs on other machines do. The
engine is the real one. DIR is a folder as for scout-bench transcribe, whose
speech is cut into files, of which no two are the same. Linux only.

Figures, for --figure:
  idle   how soon the daemon serves after its start; its memory without a model
  hung   the engine is stopped: how soon health tells, and is well again
  slow   clients that read nothing, send a byte a second, or vanish: what others
         notice of them, and what the daemon still holds afterwards
  disk   --connections uploads at once on a disk of 300 MB, while a recording
         goes on; only root can mount that disk
  load   --connections of one key upload files of 10 s for --time, and wait as
         429 asks; in the second half dictations and another key beside them
  fair   --keys with files of 4, 6 and 9 s: how much audio of each is served in
         --time
  kills  the daemon is killed --kills times while files are uploaded, a page
         sends sound, titles and a text are changed, and a recording goes on
  loops  it is killed --kills times, 2 to 10 s after its start, while it has
         work; then one input ends it again and again

A report file collects figures over several runs; one that is measured again
takes the place of the former one. A bound that is not met is SHORT. The exit
code is 1 where the report has one, or something could not be measured.`,
		Example: `  scout-bench service speech/
  scout-bench service speech/ --figure idle,load --connections 10 --time 10s
  scout-bench service speech/ --figure all --report service.json`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchService(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.json, "json", false, "print JSON (docs/formats/bench.md)")
	flags.StringSliceVar(&o.figures, "figure", []string{"idle"}, "what to measure, separated by commas; all for everything")
	flags.StringVar(&o.report, "report", "", "file that collects the figures of several runs")
	flags.StringVarP(&o.model, "model", "m", "", "model for everything (default: the one that scout uses)")
	flags.IntVar(&o.connections, "connections", 200, "how many clients upload at the same time, or are slow")
	flags.DurationVar(&o.time, "time", time.Minute, "how long there is load, or slow clients")
	flags.IntVar(&o.kills, "kills", 50, "how often the daemon is killed")
	flags.IntVar(&o.keys, "keys", 50, "how many keys take turns")
	flags.IntVar(&o.cpuPercent, "cpu-percent", 100, "the daemon's setting limits.cpu_percent; 0 for its default, with which work that nobody waits for leaves part of the processors idle")
	_ = cmd.RegisterFlagCompletionFunc("figure", cobra.FixedCompletions(append(serviceFigureNames(), "all"), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// serviceFigureNames are the names of the figures.
func serviceFigureNames() (names []string) {
	for _, f := range service.Figures() {
		names = append(names, f.Name)
	}
	return names
}

// check returns an error for options that do not suit.
func (o *benchServiceOptions) check() error {
	if slices.Contains(o.figures, "all") {
		o.figures = serviceFigureNames()
	}
	for _, name := range o.figures {
		if !slices.Contains(serviceFigureNames(), name) {
			return scout.Errorf(scout.CodeInvalidArgument, "--figure %q: want one of %s", name, strings.Join(serviceFigureNames(), ", "))
		}
	}
	switch {
	case o.connections < 1 || o.kills < 1:
		return scout.Errorf(scout.CodeInvalidArgument, "--connections and --kills must be at least 1")
	case o.keys < 2:
		return scout.Errorf(scout.CodeInvalidArgument, "--keys must be at least 2")
	case o.time < time.Second:
		return scout.Errorf(scout.CodeInvalidArgument, "--time %s: want at least 1s", o.time)
	case o.cpuPercent < 0 || o.cpuPercent > 100:
		return scout.Errorf(scout.CodeInvalidArgument, "--cpu-percent %d: want 0 to 100", o.cpuPercent)
	}
	return nil
}

func benchService(ctx context.Context, a *app, o benchServiceOptions, dir string) error {
	if err := o.check(); err != nil {
		return cli.Usage(err)
	}
	report, err := o.open()
	if err != nil {
		return err
	}
	options, show, err := withSpeech(ctx, a, dir, o.model)
	if err != nil {
		return err
	}
	defer show.Clear()
	options.Connections, options.Time, options.Kills, options.Keys, options.CPUPercent = o.connections, o.time, o.kills, o.keys, o.cpuPercent
	var failed error
	for _, figure := range service.Figures() {
		if !slices.Contains(o.figures, figure.Name) {
			continue
		}
		err := figure.Measure(ctx, options, &report.Measured)
		show.Clear()
		if err != nil {
			failed = errors.Join(failed, scout.Errorf(scout.CodeOf(err), "figure %s: %w", figure.Name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	report.Judge()
	if o.report != "" {
		failed = errors.Join(failed, toFile(o.report, report.WriteJSON))
	}
	if o.json {
		failed = errors.Join(failed, report.WriteJSON(a.Std.Out))
	} else {
		failed = errors.Join(failed, report.WriteTable(a.Std.Out))
	}
	return errors.Join(failed, bench.Met(report.Figures))
}

// withSpeech are the options of what uses daemons of its own with the speech of the clips in a folder. Progress is shown on the console, which
// the caller clears at the end.
func withSpeech(ctx context.Context, a *app, dir, model string) (service.Options, *cli.Console, error) {
	models, _, err := a.Settings.ModelsDir()
	if err != nil {
		return service.Options{}, nil, err
	}
	entries, err := bench.ReadManifest(dir)
	if err != nil {
		return service.Options{}, nil, err
	}
	speech, err := reader(a).Joined(ctx, dir, entries, mostSpeech)
	if err != nil {
		return service.Options{}, nil, err
	}
	show := cli.NewConsole(a.Std.Err, false)
	return service.Options{Program: a.Settings.Scout(), Models: models, Model: model, Speech: speech, Progress: show.Draw}, show, nil
}

// mostSpeech is how much speech files are cut from.
const mostSpeech = 10 * time.Minute

// open returns the report to add to.
func (o *benchServiceOptions) open() (*bench.ServiceReport, error) {
	setup := bench.Setup{Version: release.Version(), Model: o.model, CPU: processor()}
	if o.model == "" {
		setup.Model = "of the settings"
	}
	if o.report == "" {
		return bench.NewServiceReport(setup), nil
	}
	report, err := bench.ReadServiceReport(o.report)
	if errors.Is(err, os.ErrNotExist) {
		return bench.NewServiceReport(setup), nil
	}
	if err != nil {
		return nil, err
	}
	if report.Setup.Model != setup.Model || report.Setup.CPU != setup.CPU {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "%s is of model %s and %s: its figures cannot be continued here", o.report, report.Setup.Model, report.Setup.CPU).
			WithHint("name another file")
	}
	return report, nil
}
