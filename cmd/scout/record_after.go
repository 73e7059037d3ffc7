package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/outfile"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/text"
	"github.com/scout-speech/scout/internal/transcribe"
)

// afterOptions say what to do with a recording when it has ended.
type afterOptions struct {
	cli.RecognizerOptions
	output     string
	force      bool
	transcribe bool
	language   string
	quiet      bool
	json       bool
}

func (o *afterOptions) bind(cmd *cobra.Command) {
	o.Bind(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "copy the recording to this WAV file, or into this folder, when it has ended")
	flags.BoolVar(&o.force, "force", false, forceUsage)
	flags.BoolVar(&o.transcribe, "transcribe", false, "write the text to standard output when the recording has ended")
	flags.StringVarP(&o.language, "language", "l", "", languageUsage)
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "no meter and no summary")
	flags.BoolVar(&o.json, "json", false, "print the recording as JSON instead of its path")
}

// after is the work on a recording that has ended. It is prepared before the recording begins, so that the user hears
// about wrong options before speaking.
type after struct {
	app        *app
	options    afterOptions
	folder     *recording.Folder
	output     string // empty for none
	recognizer *cli.Recognizer
}

// prepareAfter checks the options. The caller closes the result.
func (a *app) prepareAfter(ctx context.Context, folder *recording.Folder, o afterOptions, id recording.ID) (*after, error) {
	if o.json && o.transcribe {
		return nil, cli.Misuse("leave one of them out", "--json prints the recording, and --transcribe prints its text")
	}
	output, err := a.checkOutput(o.output, o.force, id)
	if err != nil {
		return nil, err
	}
	w := &after{app: a, options: o, folder: folder, output: output}
	if !o.transcribe {
		return w, nil
	}
	o.Role = recognize.Accurate // it is a file by then
	if w.recognizer, err = a.OpenRecognizer(ctx, o.RecognizerOptions); err != nil {
		return nil, err
	}
	if _, err := w.recognizer.Language(o.language); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// nothingAfter only names the recording.
func nothingAfter(a *app, folder *recording.Folder, quiet bool) *after {
	return &after{app: a, options: afterOptions{quiet: quiet}, folder: folder}
}

// close ends the engine, if there is one.
func (w *after) close() {
	if w.recognizer != nil {
		w.recognizer.Close()
	}
}

// checkOutput returns the file to copy a recording to, after checking that this will be possible.
func (a *app) checkOutput(output string, force bool, id recording.ID) (string, error) {
	if output == "" {
		return "", nil
	}
	if info, err := os.Stat(output); err == nil && info.IsDir() {
		output = filepath.Join(output, string(id)+".wav")
	} else if !strings.HasSuffix(output, string(filepath.Separator)) && !strings.EqualFold(filepath.Ext(output), ".wav") {
		return "", cli.Usage(fmt.Errorf("--output %s: recordings are WAV files, name it .wav", output))
	}
	place, err := outfile.At(output)
	if err != nil {
		return "", err
	}
	if place.Stream() {
		return "", cli.Usage(fmt.Errorf("--output %s: a recording is copied to a file, not to a pipe or device", output))
	}
	if err := (outfile.Rules{Own: a.ownFile, Force: force}).Check(&place); err != nil {
		return "", cli.Usage(err)
	}
	if err := place.Probe(); err != nil {
		return "", err
	}
	return filepath.Abs(place.Target())
}

// emptyFile reports whether a file is empty, so that it may be replaced.
func emptyFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// run does the work. failed is why the recording could not be finished normally; what exists of it is handled
// nevertheless.
func (w *after) run(ctx context.Context, show *cli.Console, m recording.Manifest, failed error) error {
	if m.ID == "" {
		return failed
	}
	failed = endFailure(m, failed)
	folder, path, err := w.whereabouts(m)
	errs := []error{failed, err}
	if err != nil {
		return errors.Join(errs...)
	}
	if w.output != "" {
		if err := folder.Export(m.ID, w.output, w.options.force || emptyFile(w.output)); err != nil {
			errs = append(errs, safeAt(path, err))
		} else {
			path = w.output
		}
	}
	if !w.options.quiet {
		show.Linef("%s", summary(m, path))
	}
	silent, err := folder.Silent(m.ID)
	silent = silent && err == nil // whatever cannot be read is reported below
	if silent {
		show.Linef("only silence was recorded: the microphone may be muted (see scout level)")
	}
	switch {
	case w.recognizer != nil && silent: // there is no text, and the line above says why
	case w.recognizer != nil:
		if err := w.writeText(ctx, folder.AudioPath(m.ID)); err != nil {
			errs = append(errs, safeAt(path, err))
		}
	case w.options.json:
		errs = append(errs, cli.WriteJSON(w.app.Std.Out, endedRecording{listedOf(folder, m, nil), w.output}))
	case failed == nil && (w.options.quiet || !cli.IsTerminal(w.app.Std.Out)): // else the summary named it
		errs = append(errs, w.app.Say("%s", path))
	}
	return errors.Join(errs...)
}

// endedRecording is a recording that has ended, in JSON.
type endedRecording struct {
	listed
	Output string `json:"output,omitempty"` // the copy of it
}

// endFailure returns failed, or otherwise the reason if the recording ended too early.
func endFailure(m recording.Manifest, failed error) error {
	if failed != nil {
		return failed
	}
	return m.EndReason.Err()
}

// whereabouts returns the folder of the recording and the path of its audio, after checking that the file exists.
func (w *after) whereabouts(m recording.Manifest) (*recording.Folder, string, error) {
	folder := w.folder
	if dir := filepath.Dir(m.Path); m.Path != "" && dir != folder.Dir() {
		elsewhere, err := recording.OpenFolder(dir)
		if err != nil {
			return nil, "", err
		}
		folder = elsewhere
	}
	path := folder.AudioPath(m.ID)
	if _, err := os.Stat(path); err != nil {
		return nil, "", scout.Errorf(scout.CodeRecordingLost, "the recording is not at %s any more: %w", path, err)
	}
	return folder, path, nil
}

// safeAt adds to an error that the recording itself is safe.
func safeAt(path string, err error) error {
	code := scout.CodeOf(err)
	if scout.ClassOf(err) == scout.Cancelled {
		return scout.Errorf(code, "%w", err)
	}
	return scout.Errorf(code, "%w (the recording is safe: %s)", err, path).WithHint("%s", scout.HintOf(err))
}

// summary describes the recording in one line.
func summary(m recording.Manifest, path string) string {
	size := int64(m.Frames) * int64(m.Format.FrameBytes())
	text := fmt.Sprintf("recorded %s, %s, %s", clock(m.Duration()), sizeText(size), gapsText(len(m.Gaps), m.Format.Duration(m.LostFrames())))
	var reasons []string
	for _, g := range m.Gaps {
		if reason := reasonText(g.Reason); !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) > 0 {
		text += " (" + strings.Join(reasons, ", ") + ")"
	}
	if m.EndReason != recording.EndStopped && m.EndReason != recording.EndMaxDuration {
		text += ", ended: " + m.EndReason.Text()
	}
	return text + ": " + path
}

// writeText transcribes the recording to standard output.
func (w *after) writeText(ctx context.Context, path string) error {
	a := w.app
	inputs := []transcribe.Input{{Path: path}}
	destination, err := transcribe.Plan(transcribe.Target{Stdout: a.Std.Out, Format: text.Plain}, inputs)
	if err != nil {
		return err
	}
	options := transcribe.Options{Class: schedule.Interactive, Effort: w.recognizer.Effort}
	if options.Language, err = w.recognizer.Language(w.options.language); err != nil {
		return err
	}
	progress := a.newTranscription(ctx, w.recognizer, inputs, w.options.quiet, false)
	defer progress.close()
	progress.besides(destination)
	sink := &keeping{Sink: destination, app: a, inputs: inputs}
	result, err := transcribe.New(a.Scope, a.Failures, w.recognizer.Recognizer).One(ctx, 0, inputs[0], options, sink, progress.watch())
	err = errors.Join(err, sink.Close(ctx))
	progress.warn(0, result)
	if warned := new(transcribe.WarnedError); errors.As(err, &warned) {
		return cli.Reported(err)
	}
	return err
}

// patient makes this command answer signals itself from now on, because a recording has to be finished first.
func (a *app) patient() {
	if a.Std.Interrupts != nil {
		a.Std.Interrupts.Patient.Store(true)
	}
}

// insistence is the work that follows the signal which ended a recording.
type insistence struct {
	final   atomic.Bool
	release func()
}

// insist returns the context for the work that follows the signal which ended a recording. The next signal only prints
// a message: a user who presses Ctrl-C twice wants the recording to end, and not to lose its text. One more ends that
// work as well. The caller calls release, and sets final when the file is complete.
//
//	next  a signal that has already ended ctx is that next one: no signal ended the recording
func (a *app) insist(ctx context.Context, show *cli.Console, next bool) (context.Context, *insistence) {
	a.patient()
	insisting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	work := &insistence{}
	signals := make(chan os.Signal, 4)
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT}
	if a.Std.Interrupts != nil {
		ending = a.Std.Interrupts.Ending()
	}
	signal.Notify(signals, ending...)
	say := func() {
		said := "the recording is being ended; press Ctrl-C again to leave that to its recorder"
		if work.final.Load() {
			said = "the recording is safe; press Ctrl-C again to stop the rest"
		}
		show.Linef("%s", said)
	}
	said := next && ctx.Err() != nil
	if said {
		say()
	}
	ended := make(chan struct{})
	go func() { // ended by release, which waits for it
		defer close(ended)
		for {
			select {
			case <-insisting.Done():
				return
			case <-signals:
				if said {
					cancel()
					return
				}
				said = true
				say()
			}
		}
	}()
	work.release = func() {
		signal.Stop(signals)
		cancel()
		<-ended
	}
	return insisting, work
}
