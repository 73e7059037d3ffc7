package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/spelling"
	"github.com/scout-speech/scout/internal/text"
	"github.com/scout-speech/scout/internal/transcribe"
)

// textOptions are the flags of commands whose text the daemon makes.
type textOptions struct {
	transcribe bool
	given      bool // --transcribe was given
	v1.TextOptions
}

// bind adds the flags; usage is that of --transcribe.
func (o *textOptions) bind(cmd *cobra.Command, usage string) {
	flags := cmd.Flags()
	flags.BoolVar(&o.transcribe, "transcribe", false, usage)
	flags.StringVarP(&o.Model, "model", "m", "", "model for the text (default: the daemon's)")
	flags.StringVarP(&o.Language, "language", "l", "", languageUsage)
	flags.StringVar(&o.Effort, "effort", "", "quick, normal or thorough; see scout transcribe --help (default: the daemon's)")
}

// check refuses options of a text that nobody asked for.
func (o *textOptions) check(cmd *cobra.Command) error {
	o.given = cmd.Flags().Changed("transcribe")
	for _, name := range []string{"model", "language", "effort"} {
		if cmd.Flags().Changed(name) && !o.transcribe {
			return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--%s is for the text: add --transcribe", name))
		}
	}
	return nil
}

func newStopCommand(a *app) *cobra.Command {
	var asJSON bool
	var o textOptions
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "End the recording that is under way",
		Long: `Asks the daemon to end the recording, and returns when its file is complete. It
prints the path of the file. If nothing is being recorded, it says so and prints
the path of the last recording.

With --transcribe, here or at "scout start", it waits for the text and prints
that instead. The daemon makes the text. If this command is interrupted, or the
daemon is killed, the text is made later, and "scout transcripts show" prints
it. --transcribe=false makes no text, whatever "scout start" was told.`,
		Example: `  scout stop
  scout stop --transcribe
  scout stop --json | jq -r .recording.id`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return a.stopThroughDaemon(cmd.Context(), o, asJSON)
		},
	}
	o.bind(cmd, "wait for the text of the recording and print it")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// stopped is the answer to a stop, with the text if one was made.
type stopped struct {
	v1.Stopped
	Transcript *v1.Transcript `json:"transcript,omitempty"`
}

func (a *app) stopThroughDaemon(ctx context.Context, o textOptions, asJSON bool) error {
	request := v1.Stop{TextOptions: o.TextOptions}
	if o.given {
		request.Transcribe = &o.transcribe
	}
	var out stopped
	c, err := a.postStop(ctx, request, &out.Stopped)
	if err != nil {
		return err
	}
	defer func() { c.Close() }()
	r := out.Recording
	var failed error
	if w := out.Warning; w != nil && !out.Already {
		failed = w.Err()
	}
	a.tellStopped(&out)
	if t := out.Transcription; o.transcribe || t != nil && (!out.Already || backlog.State(t.State).Owed()) {
		var text *v1.Transcript
		var last v1.Transcription
		var textErr error
		c, last, text, textErr = a.awaitText(ctx, c, r.ID)
		out.Transcription, out.Transcript = &last, text
		if textErr != nil && !o.transcribe && backlog.NeedsModel(textErr) { // this command did not ask for it: no failure
			a.Notef("no text yet: %s\n", cli.OneLine(textErr))
			textErr = nil
		}
		if textErr != nil {
			textErr = safeAt(r.Path, textErr)
		}
		failed = joined(failed, textErr)
	}
	switch {
	case asJSON:
		if err = cli.WriteJSON(a.Std.Out, out); out.Transcript != nil {
			err = joined(err, a.complete(out.Transcript))
		}
	case out.Transcript != nil:
		err = a.printText(out.Transcript)
	case !o.transcribe:
		err = a.Say("%s", r.Path)
	}
	if failed != nil {
		return failed
	}
	return err
}

// joined is the first error that is not nil, with the second one.
func joined(first, second error) error {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return scout.Errorf(scout.CodeOf(first), "%w; %w", first, second).WithHint("%s", scout.HintOf(first))
}

// stopAsks is how many daemons in a row are asked to stop.
const stopAsks = 5

// postStop ends the recording. If the daemon ends meanwhile it asks the next one, which knows whether the recording ended.
func (a *app) postStop(ctx context.Context, request v1.Stop, out *v1.Stopped) (*client.Client, error) {
	for attempt := 1; ; attempt++ {
		c, err := a.connect(ctx)
		if err != nil {
			return nil, err
		}
		if err = a.sameRecordings(ctx, c); err == nil {
			err = c.Post(ctx, "/recorder/stop", request, out)
		}
		if err == nil {
			return c, nil
		}
		c.Close()
		if attempt >= stopAsks || scout.CodeOf(err) != scout.CodeDaemonUnreachable || ctx.Err() != nil {
			return nil, err
		}
	}
}

// tellStopped says what was recorded.
func (a *app) tellStopped(out *stopped) {
	r := &out.Recording
	if out.Already {
		a.Notef("nothing is being recorded; the last recording is %s\n", r.ID)
		return
	}
	text := fmt.Sprintf("recorded %s", clock(inSeconds(r.Seconds)))
	if len(r.Gaps) > 0 {
		text += ", " + spelling.Count(len(r.Gaps), "gap")
	}
	a.Notef("%s\n", text)
}

// printText prints a text. Audio that is missing in it is an error.
func (a *app) printText(t *v1.Transcript) error {
	if err := text.Write(a.Std.Out, text.Plain, text.Document{Transcript: t.Transcript()}); err != nil {
		return err
	}
	return a.complete(t)
}

// complete tells the warnings about a text, and returns an error if audio is missing in it.
func (a *app) complete(t *v1.Transcript) error {
	transcript := t.Transcript()
	for i := range transcript.Warnings {
		a.Notef("%s: warning: %s\n", a.Name, transcript.Warnings[i].Message)
	}
	err := transcribe.Incomplete(&transcript)
	if warned := new(transcribe.WarnedError); errors.As(err, &warned) {
		return cli.Reported(err)
	}
	return err
}

const (
	// askFor is how long the daemon may take to answer that nothing changed.
	askFor = 30 * time.Second
	// mostLost is how often in a row a daemon may end while it is asked for a text.
	mostLost = 5
)

// awaitText waits for the promised text of a recording, whatever happens to the daemon: the next one makes it. It returns
// the client of the daemon that answered last. It fails if the text cannot be made, or waits for a person to do something.
func (a *app) awaitText(ctx context.Context, c *client.Client, id string) (*client.Client, v1.Transcription, *v1.Transcript, error) {
	show := cli.NewConsole(a.Std.Err, false)
	defer show.Clear()
	t := v1.Transcription{ID: id}
	told := ""
	for lost := 0; ; {
		query := url.Values{"wait": {strconv.Itoa(int(askFor.Seconds()))}, "revision": {strconv.FormatUint(t.Revision, 10)}}
		next := v1.Transcription{ID: id}
		err := c.Get(ctx, "/transcriptions/"+url.PathEscape(id)+"?"+query.Encode(), &next)
		switch {
		case ctx.Err() != nil:
			return c, t, nil, cli.Interrupted("interrupted; the daemon makes the text: scout transcripts show "+id, context.Cause(ctx))
		case scout.CodeOf(err) == scout.CodeDaemonUnreachable && lost < mostLost:
			lost++
			t.Revision = 0 // the next daemon counts anew
			switch again, err := a.connect(ctx); {
			case err == nil:
				c.Close()
				c = again
			case !client.Lost(err): // else that one ended, too
				return c, t, nil, err
			}
			continue
		case err != nil:
			return c, t, nil, err
		}
		t, lost = next, 0
		switch state := backlog.State(t.State); {
		case state == backlog.Done:
			transcript := new(v1.Transcript)
			err := c.Get(ctx, "/transcripts/"+url.PathEscape(id)+"?format=json", transcript)
			return c, t, transcript, err
		case state == backlog.Failed, state == backlog.Waiting && t.Error != nil && backlog.NeedsModel(t.Error.Err()):
			return c, t, nil, t.Error.Err()
		case state == backlog.Waiting && t.Error != nil && t.Error.Message != told:
			told = t.Error.Message
			show.Linef("%s: the text has to wait: %s", a.Name, told)
		case t.Progress != nil:
			show.Draw(fmt.Sprintf("transcribing %s of %s", clock(inSeconds(t.Progress.DoneSeconds)), clock(inSeconds(t.Progress.TotalSeconds))))
		}
	}
}
