package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/speech"
)

type benchLiveOptions struct {
	cli.RecognizerOptions
	json     bool
	figures  []string
	takes    int
	length   time.Duration
	sounds   time.Duration
	device   string
	report   string
	plot     string
	baseline string
	onePass  bool
}

func newLiveCommand(a *app) *cobra.Command {
	var o benchLiveOptions
	cmd := &cobra.Command{
		Use:   "live DIR",
		Short: "Measure dictations as a person makes them",
		Long: `Plays the clips in DIR at the rate of speech into the null sink of a sound
server of its own, runs scout dictate with its monitor as the microphone, sends
it Ctrl-C, and reads its events. Time runs from the stop to the event final, as
the command prints it. Words are compared with what was played before the stop.
DIR is a folder as for scout-bench transcribe. It needs PulseAudio.

With --device file, sound comes from the virtual device instead, and no sound
server is involved; the report says so.

Figures, for --figure:
  2s, 10s, 60s    dictations of that length, stopped inside a word, and 0, 100,
                  300 and 1000 ms after the last one
  long            joined clips of --length, with the errors of each version and
                  of scout transcribe --effort normal in the same recording
  kills           the same, while the engine is killed every 20 s, the daemon
                  once, and the command once
  memory          60 s, and the memory of all processes 70 s later
  core            10 s, while stress-ng keeps one processor busy
  warm, cold      speech begins 200 ms before the command, with a microphone
                  that was kept open, and 300 ms after it, with one that was not
  commands, words thirty commands that eSpeak NG speaks, and thirty single words
                  of word-times.tsv
  noise           sounds without words
  quiet           speech at -50, -58 and -66 dBFS in a room at -60 dBFS

Where an accurate model is installed, dictations get a second pass, unless
--model names one. Stop to final, stop to insert (with insert.wait 400 ms) and
stop to second are told apart, and so are the errors of each version.

A report file collects dictations over several runs: what is in it already is
not measured again. A figure that misses its bound is marked SHORT, and the exit
code is 1.`,
		Example: `  scout-bench live speech/ --takes 5
  scout-bench live speech/ --figure long,kills --report live.json
  scout-bench live speech/ --report live.json --plot live.html --baseline old.json`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return benchLive(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	flags.BoolVar(&o.json, "json", false, "print JSON (docs/formats/bench.md)")
	flags.StringVarP(&o.Language, "language", "l", "en", "language of the clips, a code such as de, or auto to let the model find it")
	flags.StringSliceVar(&o.figures, "figure", []string{"2s", "10s"}, "what to measure, separated by commas; all for everything")
	flags.IntVar(&o.takes, "takes", 40, "dictations of 2 s, 10 s, and with a warm and a cold stream; a quarter as many of 60 s, a twentieth of the long ones")
	flags.DurationVar(&o.length, "length", 10*time.Minute, "length of the long dictations")
	flags.DurationVar(&o.sounds, "sounds", 5*time.Minute, "length of each sound without words")
	flags.StringVar(&o.device, "device", "sink", "where sound comes from: sink, or file for the virtual device")
	flags.StringVar(&o.report, "report", "", "file that collects the dictations of several runs")
	flags.StringVar(&o.plot, "plot", "", "write a page with every dictation to this file")
	flags.BoolVar(&o.onePass, "one-pass", false, "leave the second pass out, to see what it costs")
	flags.StringVar(&o.baseline, "baseline", "", "compare with the report of an earlier run")
	_ = cmd.RegisterFlagCompletionFunc("figure", cobra.FixedCompletions(append(liveFigureNames(), "all"), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check returns an error for options that do not suit.
func (o *benchLiveOptions) check() error {
	if slices.Contains(o.figures, "all") {
		o.figures = liveFigureNames()
	}
	for _, name := range o.figures {
		if !slices.Contains(liveFigureNames(), name) {
			return scout.Errorf(scout.CodeInvalidArgument, "--figure %q: want one of %s", name, strings.Join(liveFigureNames(), ", "))
		}
	}
	switch {
	case o.device != "sink" && o.device != "file":
		return scout.Errorf(scout.CodeInvalidArgument, "--device %q: want sink or file", o.device)
	case o.takes < 1 || o.length <= 0 || o.sounds <= 0:
		return scout.Errorf(scout.CodeInvalidArgument, "--takes must be at least 1, --length and --sounds above 0")
	}
	return nil
}

func benchLive(ctx context.Context, a *app, o benchLiveOptions, dir string) (err error) {
	if err := o.check(); err != nil {
		return cli.Usage(err)
	}
	var baseline *bench.LiveReport
	if o.baseline != "" { // before the long work, so that a wrong name is noticed at once
		if baseline, err = bench.ReadLiveReport(o.baseline); err != nil {
			return err
		}
	}
	entries, r, err := openBench(ctx, a, o.RecognizerOptions, dir, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	language, err := r.Language(o.Language)
	if err != nil {
		return err
	}
	report, err := o.open(r)
	if err != nil {
		return err
	}
	if report.AccurateMemory, err = o.accurateMemory(a); err != nil {
		return err
	}
	models, _, err := a.Settings.ModelsDir()
	if err != nil {
		return err
	}
	show := cli.NewConsole(a.Std.Err, false)
	defer show.Clear()
	l := &liveBench{
		app: a, options: o, dir: dir, entries: entries, report: report, show: show,
		speech: speech.Options{Model: r.Model.ID, Class: schedule.Interactive, Words: true, Effort: r.Effort, Language: language, Trait: r.Trait()},
		single: speech.New(a.Scope, a.Failures, r.Engine),
	}
	l.booth = &rig.Booth{
		Program: a.Settings.Scout(), Models: models, Device: report.Device, Language: o.Language, Model: o.Model, OnePass: o.onePass, Reader: reader(a), Single: l.single, Options: l.speech,
		Bare: &rig.Live{Scope: a.Scope, Failures: a.Failures, Engine: r.Engine},
	}
	if err = l.booth.Open(ctx); err == nil {
		err = l.run(ctx)
	}
	show.Clear()
	if err := errors.Join(err, l.booth.Close(ctx)); err != nil {
		return err
	}
	return errors.Join(o.write(a, report, baseline), bench.Met(report.Figures))
}

// open returns the report to add to.
func (o *benchLiveOptions) open(r *cli.Recognizer) (*bench.LiveReport, error) {
	device := rig.DeviceSink
	if o.device == "file" {
		device = rig.DeviceFile
	}
	setup := bench.Setup{Version: release.Version(), Model: r.Model.ID, Backend: r.Backend, Cut: "quiet", Threads: o.Threads, Mode: bench.Joined, CPU: processor()}
	if o.report == "" {
		return bench.NewLiveReport(setup, "elapsed", device), nil
	}
	report, err := bench.ReadLiveReport(o.report)
	if errors.Is(err, os.ErrNotExist) {
		return bench.NewLiveReport(setup, "elapsed", device), nil
	}
	if err != nil {
		return nil, err
	}
	if report.Device != device || report.Setup.Model != setup.Model || report.Setup.CPU != setup.CPU {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "%s is of model %s, sound from the %s, and %s: its figures cannot be continued here", o.report,
			report.Setup.Model, report.Device, report.Setup.CPU).WithHint("name another file")
	}
	return report, nil
}

// accurateMemory is what the catalogue says that the engine of the accurate model takes, 0 if it says nothing.
func (o *benchLiveOptions) accurateMemory(a *app) (int64, error) {
	store, err := a.OpenModels()
	if err != nil {
		return 0, err
	}
	id, err := a.Roles().Pick(store, recognize.Accurate)
	if err != nil {
		return 0, err
	}
	known, err := store.List()
	if err != nil {
		return 0, err
	}
	for i := range known {
		if known[i].ID == id && known[i].Figures != nil {
			return known[i].Figures.MemoryBytes, nil
		}
	}
	return 0, nil
}

// write prints the report.
func (o *benchLiveOptions) write(a *app, report, baseline *bench.LiveReport) error {
	if o.plot != "" {
		if err := toFile(o.plot, report.WritePlot); err != nil {
			return err
		}
	}
	if o.json {
		return report.WriteJSON(a.Std.Out)
	}
	if err := report.WriteTable(a.Std.Out); err != nil || baseline == nil {
		return err
	}
	if _, err := fmt.Fprintln(a.Std.Out); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write report", err)
	}
	return report.WriteChange(a.Std.Out, baseline)
}

// toFile writes a file whole or not at all.
func toFile(path string, write func(io.Writer) error) error {
	return atomicfile.WriteFrom(path, atomicfile.Options{}, write)
}
