package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/settings"
)

// recordName is the name under which the recorder's log knows the commands.
const recordName = "scout record"

// unattendedFor is how long a recording goes on whose program was killed, unless --unattended says
// otherwise: time enough to notice, and no microphone that stays open for ever.
const unattendedFor = 10 * time.Minute

type recordOptions struct {
	afterOptions
	device     string
	duration   length
	rate       int
	channels   int
	sample     string
	onLoss     string
	preroll    time.Duration
	warm       bool
	unattended time.Duration
	detach     bool
}

func newRecordCommand(a *app) *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Record from a microphone, and turn what was said into text",
		Long: `Records into the folder of recordings until Ctrl-C, or for as long as --duration says.

A separate process records. If this program is killed, the recording continues: "scout recordings attach" takes
it over, and "scout record stop" ends it. If the recording process dies, another one continues the same file
within a second, even when nobody is attached, and the gap is reported. The file can be played at any time.

"recording…" appears when sound really arrives. A sleeping microphone takes up to two seconds.
Ctrl-C or Ctrl-\ ends the recording and finishes the file; pressing it twice does no harm. --duration is the length
of the recording, whatever happens to the recording process. Standard output gets the path of the recording, or
with --transcribe the text. Everything else goes to standard error.

With --detach the recording continues in the background until "scout record stop", until --duration has passed, or,
with --unattended, until nobody has been attached for that time. Standard output gets its id.

--device takes an id, a name or a part of one (see scout devices), or a virtual device: file:speech.wav,
tone:440. A format that the device cannot deliver is made by conversion, and Scout says so.

Exit codes: 0 all is on disk (and text), 1 something failed, 2 usage error.`,
		Example: `  scout record --transcribe
  scout record --device "USB" --duration 15s --output note.wav
  scout record --rate 48000 --channels 2 --format s24 --output take.wav
  id=$(scout record --detach); sleep 60; scout record stop --transcribe`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.record(cmd.Context(), o) },
	}
	o.bind(cmd)
	flags := cmd.Flags()
	preset := settings.Default().Record
	flags.StringVarP(&o.device, "device", "d", preset.Device, "record from this device ($SCOUT_DEVICE; default: the system's)")
	flags.Var(&o.duration, "duration", "end after this time: 15s, 2m, 1:30, or seconds (default: until Ctrl-C)")
	flags.IntVar(&o.rate, "rate", preset.Rate, "sample rate of the file in Hz, 8000 to 192000")
	flags.IntVar(&o.channels, "channels", preset.Channels, "channels of the file")
	flags.StringVar(&o.sample, "format", preset.Format, "samples of the file: s16, s24 or f32")
	flags.StringVar(&o.onLoss, "on-loss", preset.OnLoss, "while the device is away: follow (silence until it is back), default (continue with the system's default device), auto (follow if --device names one, else default)")
	flags.DurationVar(&o.preroll, "preroll", preset.Preroll, "audio from before the start to keep, if the microphone was warm; 0 for none")
	flags.BoolVar(&o.warm, "warm", false, "keep the microphone open for 10 minutes afterwards: the next recording with --warm begins at once, with its pre-roll")
	flags.DurationVar(&o.unattended, "unattended", unattendedFor, "end when nobody has been attached for this time, 0 for never (default with --detach: never)")
	flags.BoolVar(&o.detach, "detach", false, "record in the background; standard output gets the id")
	cli.BindSettings(flags, map[string]string{
		"device": "record.device", "rate": "record.rate", "channels": "record.channels", "format": "record.format",
		"on-loss": "record.on_loss", "preroll": "record.preroll",
	})
	cmd.AddCommand(newRecordStopCommand(a))
	cmd.PreRun = func(cmd *cobra.Command, _ []string) {
		if o.detach && !cmd.Flags().Changed("unattended") {
			o.unattended = 0
		}
	}
	return cmd
}

// length is a flag for a duration as people write it: 15s, 1:30, 90.
type length time.Duration

// String returns the length as the flag takes it.
func (l *length) String() string {
	if *l == 0 {
		return ""
	}
	return time.Duration(*l).String()
}

// Type names the value in --help.
func (l *length) Type() string { return "duration" }

// Set reads the length.
func (l *length) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = parseClock(text)
	}
	if err != nil || d <= 0 {
		return errors.New("want for example 15s, 2m, 1:30 or 90")
	}
	*l = length(d)
	return nil
}

// parseClock reads seconds, M:SS or H:MM:SS.
func parseClock(text string) (time.Duration, error) {
	parts := strings.Split(text, ":")
	if len(parts) > 3 {
		return 0, errors.New("too many colons")
	}
	var seconds float64
	for _, part := range parts {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return 0, err
		}
		if !(n >= 0 && n < 1e9) {
			return 0, errors.New("not a length of time")
		}
		seconds = 60*seconds + n
	}
	const longest = 292 * 365 * 24 * 3600 // what a time.Duration holds
	if seconds > longest {
		return 0, errors.New("too long")
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), nil
}

// order is what the options ask a recorder for.
func (o *recordOptions) order() (recording.Order, error) {
	order := recording.Order{
		ID:      recording.NewID(time.Now()),
		Format:  scout.Format{SampleRateHz: o.rate, Channels: o.channels, Sample: scout.SampleFormat(o.sample)},
		OnLoss:  o.onLoss,
		Warm:    o.warm,
		Preroll: o.preroll,
		Rules:   recording.Rules{MaxDuration: time.Duration(o.duration), NoOwnerFor: o.unattended},
	}
	if err := order.Format.Validate(); err != nil {
		return order, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "%w", err).WithHint("%s", allowedFormats()))
	}
	switch capture.LossPolicy(o.onLoss) {
	case capture.LossAuto, capture.LossFollow, capture.LossDefault:
	default:
		return order, cli.Usage(fmt.Errorf("--on-loss %q: want auto, follow or default", o.onLoss))
	}
	if o.preroll < 0 || o.unattended < 0 {
		return order, cli.Usage(errors.New("a length cannot be negative"))
	}
	if o.preroll == 0 {
		order.Preroll = -1
	}
	if o.detach && (o.transcribe || o.output != "") {
		return order, cli.Usage(errors.New("with --detach, the text and the copy are made when it stops: scout record stop --transcribe --output FILE"))
	}
	var err error
	order.Device, err = resolveDevice(o.device)
	return order, err
}

// allowedFormats tells what a recording may be made of.
func allowedFormats() string {
	return fmt.Sprintf("--rate takes %d to %d, --channels 1 to %d, --format %s, %s or %s", scout.MinSampleRateHz, scout.MaxSampleRateHz, scout.MaxChannels,
		scout.SampleS16, scout.SampleS24, scout.SampleF32)
}

// record is the command.
func (a *app) record(ctx context.Context, o recordOptions) (err error) {
	order, err := o.order()
	if err != nil {
		return err
	}
	folder, err := a.makeRecordings()
	if err != nil {
		return err
	}
	after, err := a.prepareAfter(ctx, folder, o.afterOptions, order.ID)
	if err != nil {
		return err
	}
	defer after.close()

	show := cli.NewConsole(a.Std.Err, o.quiet)
	show.Draw("opening the microphone…")
	keeper, started, err := remote.Keep(ctx, folder, a.launchRecorder(recordName), order, a.Scope)
	show.Clear()
	if err != nil {
		return explainStart(ctx, err)
	}
	a.patient()
	if !o.quiet {
		show.Linef("recording… %s", describe(started))
	}
	if o.detach {
		if err := keeper.Leave(); err != nil {
			return err
		}
		return a.Say("%s", order.ID)
	}
	return a.attend(ctx, show, keeper, after)
}

// attend shows a recording until the user ends it or it ends by itself, and does what comes after.
func (a *app) attend(ctx context.Context, show *cli.Console, keeper *remote.Keeper, after *after) error {
	newView(show, keeper).run(ctx)
	// The end of ctx is what ends a recording, so that what follows must not end with it.
	finishing, work := a.insist(ctx, show)
	defer work.release()
	stopping := time.AfterFunc(slowStop, func() { show.Draw("finishing the file…") })
	manifest, err := keeper.Stop(finishing)
	stopping.Stop()
	show.Clear()
	if notWaited(finishing, show, manifest) {
		return err
	}
	work.final.Store(true)
	return after.run(finishing, show, manifest, err)
}

// notWaited tells whether the user did not wait for the end of the recording, and says what that means.
func notWaited(finishing context.Context, show *cli.Console, m recording.Manifest) bool {
	if m.ID != "" || finishing.Err() == nil {
		return false
	}
	show.Linef("not waited for the end of the recording: scout recordings list tells what became of it")
	return true
}

// slowStop is when the user is told that the end takes its time.
const slowStop = time.Second

// explainStart adds what helps to why a recording did not begin.
func explainStart(ctx context.Context, err error) error {
	if scout.CodeOf(err) == scout.CodeCancelled && ctx.Err() == nil { // by somebody else, not by a signal
		return scout.Errorf(scout.CodeNotRecording, "ended by \"scout record stop\" before anything was recorded").WithHint("to begin again: scout record")
	}
	if scout.CodeOf(err) == scout.CodeAlreadyRecording {
		return scout.Errorf(scout.CodeAlreadyRecording, "%w", err).
			WithHint("to watch it: scout recordings attach; to stop it: scout record stop")
	}
	return err
}

// describe tells what is being recorded, and what becomes of it.
func describe(s recording.Started) string {
	name := shownName(s.Device.Name)
	if name == "" {
		name = s.Device.ID
	}
	text := fmt.Sprintf("%s, %s", name, formatText(s.Format))
	if !delivers(s.Device.Delivers, s.Format) {
		text = fmt.Sprintf("%s, %s, converted to %s", name, s.Device.Delivers, formatText(s.Format))
	}
	if s.PrerollFrames > 0 {
		text += fmt.Sprintf(", with the %d ms before", s.Format.Duration(s.PrerollFrames).Milliseconds())
	}
	return text
}

// formatText writes a format for people.
func formatText(f scout.Format) string {
	channels := fmt.Sprintf("%d channels", f.Channels)
	if f.Channels == 1 {
		channels = "mono"
	}
	return fmt.Sprintf("%d Hz, %s, %s", f.SampleRateHz, channels, f.Sample)
}

// delivers tells whether a device delivers the format of the recording as it is.
func delivers(device string, f scout.Format) bool {
	encoding := map[scout.SampleFormat]string{scout.SampleS16: "pcm_s16le", scout.SampleS24: "pcm_s24le", scout.SampleF32: "pcm_f32le"}[f.Sample]
	return device == fmt.Sprintf("%d Hz, %d channels, %s", f.SampleRateHz, f.Channels, encoding)
}

func newRecordStopCommand(a *app) *cobra.Command {
	var o afterOptions
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "End the recording that is under way",
		Long: `Ends the recording that runs in the background, or in another terminal, and returns when its file is final.
The microphone is closed first, whatever may be wrong with the model, the output or a flag. Standard output gets the path of the
recording, or with --transcribe the text.`,
		Example: `  scout record stop
  scout record stop --transcribe --output note.wav`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.stopRecording(cmd.Context(), o) },
	}
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error { return a.stopAnyway(cmd, check(cmd, args)) }
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return a.stopAnyway(cmd, cli.WrongFlag(cmd, err)) })
	cmd.PersistentPreRunE = func(cmd *cobra.Command, args []string) error { return a.stopAnyway(cmd, a.Prepare(cmd, args)) }
	o.bind(cmd)
	return cmd
}

// stopAnyway ends the recording although something else is wrong, with the command line, a setting or the log: whoever says stop and misspells the
// rest does not want to go on being recorded. Where it is not sure which folder is meant nothing is ended.
func (a *app) stopAnyway(cmd *cobra.Command, wrong error) error {
	if wrong == nil {
		return nil
	}
	for _, flag := range []string{"recordings-dir", "data-dir", cli.ConfigFlag} {
		named := slices.ContainsFunc(os.Args, func(arg string) bool { return strings.HasPrefix(arg, "--"+flag) })
		if named && !cmd.Flags().Changed(flag) {
			return wrong
		}
	}
	_ = a.LoadSettings(cmd) // nothing has read them yet; what is wrong with them is looked at next
	if !a.SureOfRecordings() {
		a.Notef("scout: no recording was ended: it may be in another folder; name it with --recordings-dir\n")
		return wrong
	}
	return errors.Join(a.stopRecording(cmd.Context(), afterOptions{}), wrong)
}

// stopRecording is "scout record stop". Nothing stands between it and the end of the recording: what is to become of that
// is looked at when it is safe.
func (a *app) stopRecording(ctx context.Context, o afterOptions) error {
	folder, err := a.openRecordings()
	if err != nil {
		return err
	}
	show := cli.NewConsole(a.Std.Err, o.quiet)
	finishing, work := a.insist(ctx, show)
	defer work.release()
	stopping := time.AfterFunc(slowStop, func() { show.Draw("finishing the file…") })
	manifest, err := remote.Stop(finishing, folder, a.launchRecorder("scout record stop"))
	stopping.Stop()
	show.Clear()
	if notWaited(finishing, show, manifest) || manifest.ID == "" {
		return err
	}
	work.final.Store(true)
	after, prepareErr := a.prepareAfter(finishing, folder, o, manifest.ID)
	if prepareErr != nil {
		said := nothingAfter(a, folder, o.quiet).run(finishing, show, manifest, err)
		return errors.Join(said, safeAt(folder.AudioPath(manifest.ID), prepareErr))
	}
	defer after.close()
	return after.run(finishing, show, manifest, err)
}
