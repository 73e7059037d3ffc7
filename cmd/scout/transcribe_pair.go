package main

import (
	"context"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/transcribe"
)

const progressiveUsage = "show the fast model's text on standard error at once; the accurate one follows on the output"

// pair opens the fast model beside the accurate one, if something needs it: --progressive, or the vote of --effort thorough. The
// caller calls release.
func (a *app) pair(ctx context.Context, accurate *cli.Recognizer, o *transcribeOptions, options *transcribe.Options) (release func(), err error) {
	votes := a.Settings.Transcribe.Vote != "off" && options.Effort == speech.EffortThorough && !o.fast && !options.Translate
	if !votes && !o.progressive {
		return func() {}, nil
	}
	fast, err := a.OpenRecognizer(ctx, cli.RecognizerOptions{Role: recognize.Fast, Language: o.language, Threads: o.Threads, Effort: o.Effort})
	if err != nil || fast.Model.ID == accurate.Model.ID || !o.progressive && !recognize.Votes(accurate.Recognizer, fast.Recognizer) {
		if err == nil {
			fast.Close()
		}
		if o.progressive {
			return nil, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--progressive: there is no other, faster model beside %s", accurate.Model.ID).
				WithHint("leave it out, or install one: scout models list"))
		}
		return func() {}, nil // the text is made without a vote
	}
	options.Pair = &transcribe.Pair{Fast: fast.Recognizer, Vote: votes}
	return fast.Close, nil
}

// showFirst has the text of the fast model shown on standard error.
func (t *transcription) showFirst(pair *transcribe.Pair, accurate string) {
	begun := false
	pair.First = &transcribe.First{
		Settled: func(s scout.Segment) {
			t.wait.over()
			t.bar.end()
			if !begun {
				begun = true
				t.app.Notef("scout: first text, by %s:\n", pair.Fast.Model.ID)
			}
			t.app.Notef("%s\n", printable.Line(strings.TrimSpace(s.Text)))
		},
		Finished: func(context.Context, *scout.Transcript) error {
			if begun {
				t.app.Notef("scout: the text, by %s:\n", accurate)
			}
			begun = false
			return nil
		},
	}
}

// checkProgressive refuses what --progressive cannot do.
func (o *transcribeOptions) checkProgressive(server string, inputs []transcribe.Input) error {
	refuse := func(why string) error {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--progressive %s", why).WithHint("leave it out"))
	}
	switch {
	case !o.progressive:
		return nil
	case server != "":
		return refuse("is not for --server: each text comes when it is complete")
	case o.fast:
		return refuse("has the fast model's text first, and --fast nothing else")
	case o.translate:
		return refuse("is not for --translate: the fast model writes the language that is spoken")
	case o.split:
		return refuse("is not for --split-channels")
	}
	for i := range inputs {
		if inputs[i].Path == "" {
			return refuse("reads twice, and standard input can be read only once")
		}
	}
	return nil
}
