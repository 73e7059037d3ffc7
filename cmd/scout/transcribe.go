package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/text"
)

// standardInput is the name of standard input among the files.
const standardInput = "-"

type transcribeOptions struct {
	recognizerOptions
	format   string
	output   string
	cut      string
	language string
	hotWords []string
	layout   text.Layout
	summary  bool
	quiet    bool
}

func newTranscribeCommand(a *app) *cobra.Command {
	var o transcribeOptions
	var hotWords string
	cmd := &cobra.Command{
		Use:   "transcribe FILE… | -",
		Short: "Turn audio and video files into text",
		Long: `Reads the speech in files of any length and writes it as text.

WAV, FLAC, MP3 and Ogg Vorbis are read by Scout itself; with ffmpeg installed also m4a, opus, webm, mp4 and whatever else it knows.
"-" reads standard input. The text goes to standard output, or with --output to a file, or to a folder when there are several.
A file that cannot be read does not stop the others.

Exit codes: 0 all is text, 1 something failed, 2 the call makes no sense.`,
		Example: `  scout transcribe interview.m4a
  scout transcribe --format srt --output talk.srt talk.mp4
  scout transcribe --output texts/ *.flac
  scout transcribe --hot-words "Merneptah,Zigbee,San Francisco" talk.flac
  arecord -f S16_LE -r 16000 -d 10 | scout transcribe -
  scout transcribe --format json call.wav | jq -r '.segments[] | "\(.start)\t\(.text)"'`,
		Args: wrongArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.hotWords, err = readHotWords(hotWords); err != nil {
				return err
			}
			return transcribeFiles(cmd.Context(), a, o, args)
		},
	}
	flags := cmd.Flags()
	o.bind(cmd)
	flags.StringVarP(&o.format, "format", "f", "", "text, json, srt, vtt, tsv or md (default: by the ending of --output, else text)")
	flags.StringVarP(&o.output, "output", "o", "", "write to this file, or into this folder, instead of standard output")
	flags.StringVarP(&o.language, "language", "l", "", "language spoken, as ISO 639-1 code (default: what the model knows)")
	flags.IntVar(&o.layout.MaxLineWidth, "max-line-width", 42, "columns of a line of srt and vtt; Chinese, Japanese and Korean characters take two")
	flags.IntVar(&o.layout.MaxLineCount, "max-line-count", 2, "lines of a cue of srt and vtt")
	flags.StringVar(&o.cut, "cut", "quiet", "how long audio is cut into pieces: quiet, or fixed:10s to compare")
	flags.StringVar(&hotWords, "hot-words", "", hotWordsUsage)
	flags.BoolVar(&o.summary, "summary", false, "end with a line on stderr: length, time taken, speed")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "no progress bar")
	flags.StringVar(&o.backend, "backend", "", "engine backend, to compare: sherpa or moonshine (default: the best for the model)")
	flags.StringVar(&o.profile, "profile", "", "options of the native runtime, to compare: sherpa has lean and plain")
	return cmd
}

// transcribeFiles does what the command was asked for. It returns a reported error when some failed.
func transcribeFiles(ctx context.Context, a *app, o transcribeOptions, paths []string) (err error) {
	format, err := outputFormat(o.format, o.output)
	if err != nil {
		return usage(err)
	}
	if err := o.layout.Check(); err != nil {
		return usage(err)
	}
	cut, err := segment.ParseCut(o.cut)
	if err != nil {
		return usage(err)
	}
	if countOf(paths, standardInput) > 1 {
		return usage(errors.New("standard input can be read only once"))
	}
	target, err := newTarget(a.std.out, o.output, format, paths)
	if err != nil {
		return err
	}
	r, err := openRecognizer(ctx, a, o.recognizerOptions)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.checkLanguage(o.language); err != nil {
		return err
	}
	if err := r.checkHotWords(ctx, o.hotWords); err != nil {
		return err
	}
	transcriber := speech.New(a.scope, a.failures, r.engine)
	failed := 0
	var first error
	for i, path := range paths {
		err := transcribeFile(ctx, a, transcriber, r, o, cut, path, func(doc text.Document) error { return target.write(i, doc) })
		if err == nil {
			continue
		}
		failed++
		first = errors.Join(first, err)
		if ctx.Err() != nil {
			a.complain("", err)
			return &reportedError{err}
		}
		if told := new(reportedError); !errors.As(err, &told) {
			a.complain(path, err)
		}
		if stopsEverything(err) {
			failed += len(paths) - i - 1
			break
		}
	}
	switch {
	case failed == 0:
		return nil
	case len(paths) > 1:
		a.notef("scout: %d of %d files failed\n", failed, len(paths))
	}
	return &reportedError{first}
}

// stopsEverything is true for errors that the next file would meet as well.
func stopsEverything(err error) bool {
	switch scout.CodeOf(err) {
	case scout.CodeEngineMissing, scout.CodeModelCorrupt, scout.CodeModelUnsupported, scout.CodeEngineUnavailable, scout.CodeEngineStart:
		return true
	}
	return false
}

// transcribeFile reads one file, writes its text and says what was out of the ordinary.
func transcribeFile(ctx context.Context, a *app, transcriber *speech.Batch, r *recognizer, o transcribeOptions,
	cut segment.Options, path string, write func(text.Document) error,
) (err error) {
	began := time.Now()
	reader, err := a.openAudio(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()

	bar := newProgress(a, o.quiet, displayName(path), reader.Info().Duration)
	transcript, err := transcriber.Transcribe(ctx, reader, speech.Options{
		Model: r.model.ID, Language: r.language(o.language), Effort: r.effort, Cut: &cut, Parallel: r.parallel, Words: true, HotWords: o.hotWords,
		Progress: func(p speech.Progress) {
			r.settle(a)
			bar.update(p)
		},
	})
	bar.end()
	if err != nil {
		return err
	}
	took := time.Since(began)
	transcript.Warnings = append(transcript.Warnings, reader.Info().Warnings...)
	for _, warning := range transcript.Warnings {
		a.notef("scout: %s: warning: %s\n", displayName(path), warning.Message)
	}
	doc := text.Document{File: inputName(path), Transcript: *transcript, TimeTaken: took, Layout: o.layout}
	if err := write(doc); err != nil {
		return err
	}
	if o.summary {
		a.notef("%s: %d words in %s of audio, transcribed in %s (%.0f times as fast as speech)\n",
			displayName(path), len(strings.Fields(transcript.Text())), clock(transcript.Duration), took.Round(time.Millisecond),
			transcript.Duration.Seconds()/took.Seconds())
	}
	if n := len(transcript.SetAside); n > 0 {
		aside := transcript.SetAside[0]
		return scout.Errorf(aside.Code, "%d of its pieces could not be transcribed, the first from %s to %s: %s",
			n, clock(aside.Start), clock(aside.End), aside.Reason)
	}
	if !transcript.Complete() {
		return &reportedError{scout.Errorf(scout.CodeAudioCorrupt, "not all of the audio is in the text")}
	}
	return nil
}

// openAudio opens a file or standard input.
func (a *app) openAudio(ctx context.Context, path string) (*file.Reader, error) {
	options := file.Options{
		Log:      a.scope.Log(),
		Panicked: func(decoder string, value any) { a.failures.Panicked("audio/"+decoder, value) },
	}
	if path == standardInput {
		return file.New(ctx, a.std.in, "standard input", options)
	}
	return file.Open(ctx, path, options)
}

func displayName(path string) string {
	if path == standardInput {
		return "standard input"
	}
	return path
}

func inputName(path string) string {
	if path == standardInput {
		return ""
	}
	return path
}

// outputFormat is what --format says, else what the ending of --output says, else text.
func outputFormat(format, output string) (text.Format, error) {
	if format != "" {
		return text.ParseFormat(format)
	}
	if ending := strings.TrimPrefix(filepath.Ext(output), "."); ending != "" {
		if f, err := text.ParseFormat(ending); err == nil {
			return f, nil
		}
	}
	return text.Plain, nil
}

func countOf(list []string, what string) int {
	n := 0
	for _, item := range list {
		if item == what {
			n++
		}
	}
	return n
}

// clock writes a duration as people read it: 11.0 s, 3:05, 1:02:03.
func clock(d time.Duration) string {
	seconds := int(d.Round(time.Second).Seconds())
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
