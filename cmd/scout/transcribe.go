package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/outfile"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/spelling"
	"github.com/scout-speech/scout/internal/text"
	"github.com/scout-speech/scout/internal/transcribe"
)

// These texts explain flags that several commands have.
const (
	languageUsage  = "language spoken: a code, tag or name such as en, en-US or english, or auto (default: what the model knows)"
	translateUsage = "write in English what is said in another language"
	forceUsage     = "replace the file that --output names where it is not empty"
)

type transcribeOptions struct {
	cli.RecognizerOptions
	soundOptions
	format   string
	output   string
	force    bool
	cut      string
	language string
	hotWords string
	raw      string
	// fast asks for the model that writes while one speaks, translate for English text.
	fast, translate bool
	layout          text.Layout
	summary         bool
	quiet           bool
	keep            bool
	progressive     bool
}

func newTranscribeCommand(a *app) *cobra.Command {
	var o transcribeOptions
	cmd := &cobra.Command{
		Use:   "transcribe FILE… | -",
		Short: "Turn audio and video files into text",
		Long: `Reads the speech in files of any length and writes it as text. "-" reads
standard input.

Scout itself reads WAV, FLAC, MP3, Ogg Vorbis and Ogg Opus. If ffmpeg is
installed, Scout also reads m4a, webm, mp4 and everything else that it knows.

The text goes to standard output as it is made. --output names a file, which is
written when the text is complete, or a folder, which gets a file for each
input. Several inputs may share one output if it is plain text or Markdown; in
plain text, a line such as "==> talk.wav <==" stands above each.

An output never replaces an input, and replaces another file that is not empty
only with --force.

The accurate model makes the text where it is installed, else the fast one; see
"scout models". The language is detected, unless --language says it: a detected
language is exact about long files and may err in short ones. --translate writes
English, whatever is said, with a model that can translate; --keep keeps that
beside the text in the language spoken. --effort thorough makes the fewest
errors: in English, both models then decide together where they differ.
--progressive shows the text of the fast model first, on standard error.

With --server the Scout of another machine makes the texts, with the settings of
that machine. The files are sent there. They are removed when their texts have
come, or when Ctrl-C ends the work; with the key of a client the texts go to the
trash there. --keep leaves both. Each text comes when it is complete. A server
that has too much to do is asked again for ten minutes. Flags about tracks,
channels and samples are for this machine.

A file that cannot be read does not stop the others. Ctrl-C ends the work: the
text so far is on standard output, or beside FILE as FILE.partial. A later run
that completes FILE removes FILE.partial, unless FILE lacks something of it.

Exit codes: 0 all audio is text, 1 something failed or is missing in the text, 2
wrong usage, 130 ended by Ctrl-C, 143 ended by a request to terminate.`,
		Example: `  scout transcribe interview.m4a
  scout transcribe --format srt --output talk.srt talk.mp4
  scout transcribe --output texts/ *.flac
  scout transcribe --language de --format srt vortrag.mp3
  scout transcribe --translate --effort thorough entrevista.m4a
  scout transcribe --progressive --output lecture.txt lecture.mp3
  scout transcribe --keep meeting.m4a && scout transcripts search budget
  scout transcribe --server http://192.168.1.5:7268 --format srt talk.mp4
  scout transcribe --hot-words "Merneptah,Zigbee,San Francisco" talk.flac
  arecord -f S16_LE -r 16000 -d 10 | scout transcribe -
  cat samples | scout transcribe --raw-format s16le:16000:1 -
  scout transcribe -f json call.wav | jq -r '.segments[] | "\(.start)\t\(.text)"'`,
		Args: cli.NeedArgs("a file to transcribe, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("output") && o.output == "" {
				return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--output has an empty name").WithHint("name a file, or leave --output out"))
			}
			if o.fast {
				if cmd.Flags().Changed("model") {
					return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--fast and --model name a model each").WithHint("leave one of them out"))
				}
				o.Model = "" // of the settings
			}
			return a.transcribe(cmd, o, args)
		},
	}
	flags := cmd.Flags()
	o.Bind(cmd)
	o.bind(cmd)
	flags.StringVarP(&o.format, "format", "f", "", "text, json, srt, vtt, tsv or md (default: by the ending of --output, else text)")
	flags.StringVarP(&o.output, "output", "o", "", "write to this file, or into this folder, instead of standard output")
	flags.BoolVar(&o.force, "force", false, forceUsage)
	flags.StringVarP(&o.language, "language", "l", "", languageUsage)
	flags.BoolVar(&o.translate, "translate", false, translateUsage)
	flags.BoolVar(&o.fast, "fast", false, "use the fast model instead of the accurate one; see scout models")
	flags.StringVar(&o.cut, "cut", "quiet", "how long audio is cut into pieces: quiet, or fixed:10s to compare")
	flags.StringVar(&o.hotWords, "hot-words", "", cli.HotWordsUsage)
	flags.StringVar(&o.raw, "raw-format", "", "the inputs are samples without a header: ENCODING:RATE:CHANNELS, for example s16le:16000:1; encodings are "+strings.Join(file.RawEncodings(), " "))
	flags.IntVar(&o.layout.MaxLineWidth, "max-line-width", 42, "columns of a line of srt and vtt; Chinese, Japanese and Korean characters take two")
	flags.IntVar(&o.layout.MaxLineCount, "max-line-count", 2, "lines of a cue of srt and vtt")
	flags.BoolVar(&o.keep, "keep", false, "keep the texts in the history too, with --server in that of the other Scout: see scout transcripts")
	flags.BoolVar(&o.progressive, "progressive", false, progressiveUsage)
	flags.BoolVar(&o.summary, "summary", false, "end with a line on standard error: length, time taken, speed")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "no progress bar")
	flags.StringVar(&o.Backend, "backend", "", "engine backend, to compare: "+strings.Join(recognize.Backends(), " or ")+" (default: the best for the model)")
	flags.StringVar(&o.Profile, "profile", "", "options of the native runtime, to compare: "+strings.Join(recognize.Profiles(), " or "))
	hideFlags(cmd, "cut", "backend", "profile")
	a.serverFlags(cmd)
	return cmd
}

// transcribe is the command.
func (a *app) transcribe(cmd *cobra.Command, o transcribeOptions, paths []string) error {
	ctx := cmd.Context()
	options, err := o.parse()
	if err != nil {
		return err
	}
	var there map[string]string
	if a.server != "" {
		if there, err = o.askedThere(cmd, options.HotWords); err != nil {
			return err
		}
	}
	inputs, err := a.inputs(paths)
	if err != nil {
		return err
	}
	if err := o.checkProgressive(a.server, inputs); err != nil {
		return err
	}
	var format text.Format
	if o.format != "" {
		if format, err = text.ParseFormat(o.format); err != nil {
			return cli.Usage(err)
		}
	}
	destination, err := transcribe.Plan(transcribe.Target{
		Output: o.output, Format: format, Layout: o.layout, Stdout: a.Std.Out, Rules: outfile.Rules{Own: a.ownFile, Force: o.force},
	}, inputs)
	if err != nil {
		return err
	}
	if a.server != "" {
		return a.transcribeThere(ctx, &o, there, inputs, destination)
	}
	o.Language = o.language
	if !o.fast {
		o.Translate = o.translate
		o.Role = recognize.Accurate
	}
	r, err := a.OpenRecognizer(ctx, o.RecognizerOptions)
	if err != nil {
		return err
	}
	defer r.Close()
	if options.Language, err = r.Language(o.language); err != nil {
		return err
	}
	if err := r.CheckHotWords(ctx, options.HotWords); err != nil {
		return err
	}
	if err := r.CheckTranslation(ctx, options.Translate); err != nil {
		return err
	}
	release, err := a.pair(ctx, r, &o, &options)
	if err != nil {
		return err
	}
	defer release()
	show := a.newTranscription(ctx, r, inputs, o.quiet, o.summary)
	defer show.close()
	if o.progressive {
		show.showFirst(options.Pair, r.Model.ID)
	}
	show.besides(destination)
	var sink transcribe.Sink = destination
	if o.keep {
		sink = &keeping{Sink: destination, app: a, inputs: inputs}
	}
	err = transcribe.New(a.Scope, a.Failures, r.Recognizer).Run(ctx, inputs, options, sink, show.watch())
	for _, path := range destination.Stale() {
		a.Notef("scout: %s is left from an earlier run: it differs from the complete text\n", printable.Line(path))
	}
	return show.outcome(err)
}

// parse checks the options that need neither the model nor the files.
func (o *transcribeOptions) parse() (transcribe.Options, error) {
	options := transcribe.Options{Class: schedule.Interactive}
	var err error
	if options.HotWords, err = cli.ReadHotWords(o.hotWords); err != nil {
		return options, err
	}
	cut, err := segment.ParseCut(o.cut)
	if err != nil {
		return options, cli.Usage(err)
	}
	if err := o.layout.Check(); err != nil {
		return options, cli.Usage(err)
	}
	if cut.Strategy != segment.Quiet {
		options.Cut = &cut // the lengths that suit the model otherwise
	}
	options.Translate = o.translate
	if options.Effort, err = speech.ParseEffort(o.Effort); err != nil {
		return options, cli.Usage(fmt.Errorf("--%w", err))
	}
	if options.File, err = o.soundOptions.parse(); err != nil {
		return options, err
	}
	if o.raw != "" {
		raw, err := file.ParseRawFormat(o.raw)
		if err != nil {
			return options, cli.Usage(err)
		}
		options.File.Raw = &raw
	}
	options.Split = o.split
	if _, err := recognize.ParseLanguage(o.language); err != nil {
		return options, err
	}
	return options, recognize.CheckBackend(o.Backend, o.Profile)
}

// inputs returns the inputs that were named; - is standard input.
func (a *app) inputs(paths []string) ([]transcribe.Input, error) {
	inputs := make([]transcribe.Input, 0, len(paths))
	standard := 0
	for _, path := range paths {
		switch path {
		case transcribe.StandardInput:
			if standard++; standard > 1 {
				return nil, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "standard input can be read only once").WithHint("name - once"))
			}
			if cli.IsTerminal(a.Std.In) {
				a.Notef("scout: reading audio from the keyboard; Ctrl-D ends it, Ctrl-C gives up\n")
			}
			inputs = append(inputs, transcribe.Input{Stream: a.Std.In, Label: "standard input"})
		case "":
			return nil, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "the name of an input is empty").WithHint("name a file, or - for standard input"))
		default:
			inputs = append(inputs, transcribe.Input{Path: path})
		}
	}
	return inputs, nil
}

// transcription shows the progress and the outcome of a run.
type transcription struct {
	app     *app
	r       *cli.Recognizer
	inputs  []transcribe.Input
	summary bool
	bar     *progress
	wait    *wait
}

// newTranscription returns the display of a run. The caller closes it.
func (a *app) newTranscription(ctx context.Context, r *cli.Recognizer, inputs []transcribe.Input, quiet, summary bool) *transcription {
	console := cli.NewConsole(a.Std.Err, quiet)
	return &transcription{
		app: a, r: r, inputs: inputs, summary: summary,
		bar:  newProgress(console, len(inputs)),
		wait: newWait(ctx, console, r, quiet),
	}
}

// besides hides the progress line if the text appears on the same terminal while it is made, because the line would be
// drawn over it.
func (t *transcription) besides(destination *transcribe.Destination) {
	if destination.Streams() && cli.IsTerminal(t.app.Std.Out) {
		t.bar.show = cli.NewConsole(t.app.Std.Err, true)
	}
}

func (t *transcription) close() {
	t.wait.close()
	t.bar.end()
}

func (t *transcription) watch() transcribe.Watch {
	return transcribe.Watch{
		Opened: func(i int, info file.Info) {
			t.wait.start()
			t.bar.begin(i, t.inputs[i].Name(), info.Duration)
		},
		Progress: func(_ int, p speech.Progress) {
			t.wait.over()
			t.r.Settle(t.app.App)
			t.bar.update(p.Done)
		},
		Ended: t.ended,
	}
}

// ended prints what was unusual about an input.
func (t *transcription) ended(i int, r transcribe.Result, err error) {
	t.warn(i, r)
	name := printable.Line(t.inputs[i].Name())
	if t.summary && err == nil {
		t.app.Notef("%s: %s in %s of audio, transcribed in %s (%.0f times as fast as speech)\n",
			name, spelling.Count(len(strings.Fields(r.Transcript.Text())), "word"), printable.Length(r.Transcript.Duration), r.TimeTaken.Round(time.Millisecond),
			r.Transcript.Duration.Seconds()/max(r.TimeTaken.Seconds(), 0.001))
	}
	warned := new(transcribe.WarnedError)
	if err == nil || cli.BrokenPipe(err) || errors.As(err, &warned) {
		return
	}
	if scout.ClassOf(err) == scout.Cancelled {
		t.app.Complain("", interruptedAt(name, r, err))
		return
	}
	t.app.Complain(name, err)
	if r.Settled > 0 && r.Kept != "" {
		t.app.Notef("scout: %s is text up to %s: %s\n", name, printable.Length(r.Settled), printable.Line(r.Kept))
	}
}

// warn removes the progress line and prints the warnings about an input.
func (t *transcription) warn(i int, r transcribe.Result) {
	t.wait.over()
	t.bar.end()
	for _, warning := range r.Transcript.Warnings {
		t.app.Notef("scout: %s: warning: %s\n", printable.Line(t.inputs[i].Name()), printable.Line(warning.Message))
	}
}

// interruptedAt returns an error that says how far an input had got when the user ended the work.
func interruptedAt(name string, r transcribe.Result, err error) error {
	text := "interrupted"
	switch {
	case r.Kept != "":
		text += fmt.Sprintf("; the text of %s up to %s is in %s", name, printable.Length(r.Settled), r.Kept)
	case r.Shown:
		text += fmt.Sprintf("; the text of %s is complete up to %s", name, printable.Length(r.Settled))
	}
	return cli.Interrupted(text, err)
}

// outcome returns the error of the command for that of a run, whose failures have already been printed.
func (t *transcription) outcome(err error) error {
	var failed *transcribe.FailedError
	if !errors.As(err, &failed) {
		return err
	}
	if failed.Closing != nil && !cli.BrokenPipe(failed.Closing) && scout.ClassOf(failed.Closing) != scout.Cancelled {
		t.app.Complain("", failed.Closing)
	}
	if failed.Total > 1 && !cli.BrokenPipe(err) && scout.ClassOf(err) != scout.Cancelled {
		t.app.Notef("scout: %d of %s failed\n", failed.Failed, spelling.Count(failed.Total, "file"))
	}
	return cli.Reported(err)
}

// clock formats a length: 40 ms, 11.0 s, 3:05, 1:02:03.
func clock(d time.Duration) string { return printable.Length(d) }
