package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/spelling"
)

// recordName names these commands in the recorder's log.
const recordName = "scout record"

// unattendedFor is how long a recording continues after its command was killed, unless --unattended says otherwise.
// That is long enough to notice, and the microphone does not stay open for ever.
const unattendedFor = 10 * time.Minute

type recordOptions struct {
	orderOptions
	afterOptions
	warm       bool
	unattended time.Duration
	detach     bool
}

func newRecordCommand(a *app) *cobra.Command {
	var o recordOptions
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Record from a microphone, and turn the speech into text",
		Long: `Records until Ctrl-C, or for as long as --duration says. The recording is a WAV
file in the folder of recordings. You can play it at any time, even while it
grows.

"recording…" appears when sound arrives; a sleeping microphone takes up to two
seconds. Ctrl-C ends the recording and completes the file; pressing it twice
does no harm. Standard output gets the path of the file, or with --transcribe
the text.

A process of its own records. If this command is killed, the recording
continues: "scout recordings attach" takes it over, and "scout record stop" ends
it. If the recording process itself is killed, another one continues the same
file within a second, and the gap is reported.

With --detach, the command returns as soon as sound arrives, and prints the id.
The recording then ends with "scout record stop", after --duration, or after
nobody has been attached for the time that --unattended names.

--device takes an id, a name or a part of one (see scout devices), or a virtual
device, such as file:speech.wav or tone:440. If the device cannot deliver the
format that you ask for, Scout converts, and says so.

Exit codes: 0 everything is on disk (and the text is written), 1 something
failed, 2 wrong usage.`,
		Example: `  scout record --transcribe
  scout record --device "USB" --duration 15s --output note.wav
  scout record --rate 48000 --channels 2 --format s24 --output take.wav
  id=$(scout record --detach); sleep 60; scout record stop --transcribe`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.record(cmd.Context(), o) },
	}
	o.afterOptions.bind(cmd)
	o.orderOptions.bind(cmd, "Ctrl-C")
	flags := cmd.Flags()
	flags.BoolVar(&o.warm, "warm", false, "keep the microphone open for 10 minutes afterwards: the next recording with --warm begins at once, with its pre-roll")
	flags.DurationVar(&o.unattended, "unattended", unattendedFor, "end when nobody has been attached for this time, 0 for never (default with --detach: never)")
	flags.BoolVar(&o.detach, "detach", false, "record in the background; standard output gets the id")
	cmd.AddCommand(newRecordStopCommand(a))
	cmd.PreRun = func(cmd *cobra.Command, _ []string) {
		if o.detach && !cmd.Flags().Changed("unattended") {
			o.unattended = 0
		}
	}
	return cmd
}

// order returns what the flags ask a recorder for.
func (o *recordOptions) order() (recording.Order, error) {
	order, err := o.orderOptions.order()
	if err != nil {
		return order, err
	}
	if o.unattended < 0 {
		return order, negative("--unattended", o.unattended)
	}
	if o.detach && (o.transcribe || o.output != "") {
		return order, cli.Misuse("leave them out now, and later: scout record stop --transcribe --output FILE",
			"--detach does not go with --transcribe and --output: both need the end of the recording")
	}
	order.Warm, order.Rules.NoOwnerFor = o.warm, o.unattended
	return order, nil
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
		a.tellRetention()
	}
	if o.detach {
		if err := keeper.Leave(); err != nil {
			return err
		}
		if o.json {
			return cli.WriteJSON(a.Std.Out, startedRecording{order.ID, folder.AudioPath(order.ID), started.StartedAt, started.Format, started.Device})
		}
		return a.Say("%s", order.ID)
	}
	return a.attend(ctx, show, keeper, after)
}

// startedRecording is a recording that continues in the background, in JSON.
type startedRecording struct {
	ID        recording.ID     `json:"id"`
	Path      string           `json:"path"`
	StartedAt time.Time        `json:"started_at"`
	Format    scout.Format     `json:"format"`
	Device    recording.Device `json:"device"`
}

// attend shows a recording until it ends or the user ends it, and then does what the options ask for.
func (a *app) attend(ctx context.Context, show *cli.Console, keeper *remote.Keeper, after *after) error {
	newView(show, keeper).run(ctx)
	// ctx ends the recording, so the work after it needs another context.
	finishing, work := a.insist(ctx, show, false)
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

// notWaited reports whether the user did not wait for the end of the recording, and prints what that means.
func notWaited(finishing context.Context, show *cli.Console, m recording.Manifest) bool {
	if m.ID != "" || finishing.Err() == nil {
		return false
	}
	show.Linef("not waited for the end of the recording: scout recordings list tells what became of it")
	return true
}

// slowStop is how long the end may take before the user is told that it takes time.
const slowStop = time.Second

// explainStart adds a hint to the reason why a recording did not begin.
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

// describe says what is being recorded, and in which format.
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

// delivers reports whether the device delivers the format of the recording without conversion.
func delivers(device string, f scout.Format) bool {
	encoding := map[scout.SampleFormat]string{scout.SampleS16: "pcm_s16le", scout.SampleS24: "pcm_s24le", scout.SampleF32: "pcm_f32le"}[f.Sample]
	device = strings.Replace(device, " 1 channels,", " 1 channel,", 1) // as recorders of older versions wrote it
	return device == fmt.Sprintf("%d Hz, %s, %s", f.SampleRateHz, spelling.Count(f.Channels, "channel"), encoding)
}

func newRecordStopCommand(a *app) *cobra.Command {
	var o afterOptions
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "End the recording that is under way",
		Long: `Ends the recording that runs in the background or in another terminal, and
returns when its file is complete. It prints the path of the file, or with
--transcribe the text.

The recording ends first, even if a flag, the model or the output is wrong.`,
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

// stopAnyway ends the recording even if the command line, a setting or the log is wrong: a user who asks to stop does
// not want to be recorded any longer. If it is not certain which folder is meant, nothing is ended.
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

// stopRecording is "scout record stop". It ends the recording first. Only when the recording is safe does it look at
// what the options ask for.
func (a *app) stopRecording(ctx context.Context, o afterOptions) error {
	folder, err := a.openRecordings()
	if err != nil {
		return err
	}
	show := cli.NewConsole(a.Std.Err, o.quiet)
	finishing, work := a.insist(ctx, show, true)
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
