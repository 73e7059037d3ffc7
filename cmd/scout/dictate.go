package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

type dictateOptions struct {
	orderOptions
	language string
	model    string
	warm     bool
	hold     bool
	last     bool
	first    bool
	json     bool
	delivery
}

func newDictateCommand(a *app) *cobra.Command {
	var o dictateOptions
	cmd := &cobra.Command{
		Use:   "dictate",
		Short: "Turn speech into text while you speak",
		Long: `Records the microphone and shows the text while you speak: grey while it may
still change, then solid. Enter or Ctrl-C ends the dictation; the complete text
goes to standard output. Esc ends it without text and keeps the audio.

The daemon does the work. If this command is killed, the dictation goes on:
"scout stop" ends it, and "scout dictate --last" gives its text.

With --hold it listens while the space bar is held. A tap of less than 250 ms
begins as well, and the next one ends. Many terminals do not say when a key is
let go, and Scout takes the end of its repetition for that: there, a press that
ends before the keyboard repeats it counts as a tap.

--copy puts the text on the clipboard. --type puts it into the window that has
the focus (X11): it is pasted in one piece, and what was on the clipboard comes
back when the window has taken it.

Where an accurate model is installed, it hears the dictation too, and a better
version of the text comes a moment after the end. A text that goes to a window,
the clipboard or a pipe waits up to 400 ms for it (setting insert.wait).`,
		Example: `  scout dictate
  scout dictate --copy
  note=$(scout dictate)
  scout dictate --json | jq -r 'select(.type == "final").text'
  scout dictate --last`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.first && !o.last {
				return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--first-pass goes with --last"))
			}
			if o.last {
				return a.lastText(cmd.Context(), o)
			}
			return a.dictate(cmd.Context(), o)
		},
	}
	o.orderOptions.bind(cmd, "Enter")
	flags := cmd.Flags()
	o.bindSpeech(cmd)
	flags.BoolVar(&o.hold, "hold", false, "listen while the space bar is held; a tap begins, and another one ends")
	flags.BoolVar(&o.last, "last", false, "give the text of the last dictation again")
	flags.BoolVar(&o.first, "first-pass", false, "with --last: the text as it was first heard, before a better model heard it again")
	o.delivery.bind(cmd)
	cli.JSONFlag(cmd, &o.json)
	cmd.MarkFlagsMutuallyExclusive("hold", "last")
	return cmd
}

// bindSpeech adds the flags about what is said, for dictate and toggle.
func (o *dictateOptions) bindSpeech(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.language, "language", "l", "", "what is spoken: a code such as en, or auto to find it while you speak (setting dictation.language; default: the system's)")
	flags.StringVar(&o.model, "model", "", "model for the text (default: the one of scout models use)")
	flags.BoolVar(&o.warm, "warm", false, "keep the microphone open for 10 minutes afterwards: the next dictation has the word spoken just before it. That sound stays in memory")
}

// dictation returns what the options ask the daemon for.
func (a *app) dictation(o *dictateOptions) (v1.Start, error) {
	request, err := o.start()
	language := o.language
	if language == "" {
		language = a.Settings.DictationLanguage()
	}
	request.ID = string(recording.NewID(time.Now()))
	request.TextOptions = v1.TextOptions{Language: language, Model: o.model}
	request.Warm = o.warm || a.Settings.Dictation.Warm == "on"
	return request, err
}

// insertWait is how long a text waits for its second pass: what a person reads on a terminal does not wait.
func (a *app) insertWait(o *dictateOptions) time.Duration {
	if cli.IsTerminal(a.Std.Out) && !o.copy && !o.into {
		return 0
	}
	return a.Settings.Insert.Wait
}

// dictate is scout dictate.
func (a *app) dictate(ctx context.Context, o dictateOptions) (err error) {
	ctx, span := a.Scope.Tracer().Start(observe.Traced(ctx), "scout dictate")
	defer func() { observe.EndSpan(span, err) }()
	request, err := a.dictation(&o)
	if err != nil {
		return err
	}
	c, err := a.connectRecording(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Post(ctx, "/live/check", v1.LiveRequest{Language: request.Language, Model: request.Model}, nil); err != nil {
		return err
	}
	keys, err := openKeys(a.Std.In, o.hold)
	if err != nil {
		return err
	}
	defer keys.close()
	if o.hold && !keys.terminal {
		return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--hold needs a terminal to hear the space bar"))
	}
	t := newTyped(a, o.json)
	asked := begun()
	if o.hold {
		t.ends = "letting go of the space bar ends"
		t.hint("hold the space bar to dictate, or tap it; Esc ends")
		pressed := keys.waitForSpace(ctx)
		t.unhint()
		if !pressed {
			return context.Cause(ctx)
		}
		asked = time.Now()
	}
	t.warns(request.Warm)
	d := &dictating{app: a, client: c, keys: keys, show: t, asked: asked, wait: a.insertWait(&o)}
	err = d.run(ctx, request)
	keys.close()
	if err != nil {
		return d.ending(err)
	}
	return d.conclude(ctx, o.delivery)
}

// firstPass is the version of a transcript as it was first heard.
func firstPass(ctx context.Context, c *client.Client, path string) (int, error) {
	var versions []v1.TextVersion
	if err := c.Get(ctx, path+"/versions", &versions); err != nil {
		return 0, err
	}
	for i := range versions {
		if versions[i].Kind == string(store.KindFirst) {
			return versions[i].Version, nil
		}
	}
	return 0, scout.Errorf(scout.CodeNotFound, "the last dictation has no first pass").WithHint("its text: scout dictate --last")
}

// lastText gives the text of the last dictation again.
func (a *app) lastText(ctx context.Context, o dictateOptions) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var list v1.Page[v1.TranscriptSummary]
	if err := c.Get(ctx, "/transcripts?source=microphone&limit=1&text=false", &list); err != nil {
		return err
	}
	if len(list.Data) == 0 {
		return scout.Errorf(scout.CodeNotFound, "nothing was dictated yet").WithHint("dictate something: scout dictate")
	}
	path := "/transcripts/" + list.Data[0].ID
	if o.first {
		version, err := firstPass(ctx, c, path)
		if err != nil {
			return err
		}
		path += "?version=" + strconv.Itoa(version)
	}
	var text v1.Transcript
	if err := c.Get(ctx, path, &text); err != nil {
		return err
	}
	switch {
	case o.json:
		err = cli.WriteJSON(a.Std.Out, text)
	case text.Text == "":
		a.Notef("the last dictation has no words\n")
	default:
		err = a.Say("%s", text.Text)
	}
	return errors.Join(err, a.take(ctx, text.Text, o.delivery).err)
}
