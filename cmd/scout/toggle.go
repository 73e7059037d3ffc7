package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/observe"
)

func newToggleCommand(a *app) *cobra.Command {
	var o dictateOptions
	var printOnly bool
	cmd := &cobra.Command{
		Use:   "toggle",
		Short: "Start a dictation, or stop it and insert its text",
		Long: `Starts a dictation in the background and returns when sound arrives. Called
again, it stops the dictation and puts the text into the window that has the
focus. It is made for a shortcut of the desktop.

With --copy the text goes to the clipboard instead, with --print only to
standard output.`,
		Example: `  scout toggle
  scout toggle --copy
  scout toggle --print`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.into = !o.copy && !printOnly
			return a.toggle(cmd.Context(), o)
		},
	}
	o.orderOptions.bind(cmd, "the next scout toggle")
	o.bindSpeech(cmd)
	cmd.Flags().BoolVar(&o.copy, "copy", false, "put the text on the clipboard instead of into a window")
	cmd.Flags().BoolVar(&printOnly, "print", false, "only print the text")
	cmd.MarkFlagsMutuallyExclusive("copy", "print")
	cli.JSONFlag(cmd, &o.json)
	return cmd
}

// toggle is scout toggle.
func (a *app) toggle(ctx context.Context, o dictateOptions) (err error) {
	ctx, span := a.Scope.Tracer().Start(observe.Traced(ctx), "scout toggle")
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
	var toggled v1.Toggled
	request.AskedAgo = agoOf(begun())
	if err := c.Post(ctx, "/recorder/toggle", request, &toggled); err != nil {
		return err
	}
	if toggled.State == event.Starting {
		return a.toggledOn(ctx, c, toggled, o, request.Warm)
	}
	d := &dictating{app: a, client: c, show: newTyped(a, o.json), id: toggled.ID, wait: a.Settings.Insert.Wait}
	d.show.out, d.show.ending = nil, true // the text is for a window
	if err := d.follow(ctx); err != nil {
		return err
	}
	if d.final == nil {
		return d.ending(d.why)
	}
	return d.conclude(ctx, o.delivery)
}

// toggledOn waits until sound arrives.
func (a *app) toggledOn(ctx context.Context, c *client.Client, toggled v1.Toggled, o dictateOptions, warm bool) error {
	d := &dictating{app: a, client: c, show: newTyped(a, true), id: toggled.ID}
	d.show.json = nil
	d.show.warns(warm)
	d.until = func(e *event.Event) bool { return e.Type == event.State && e.State != event.Starting }
	if err := d.follow(ctx); err != nil {
		return err
	}
	if d.why != nil {
		return d.ending(d.why)
	}
	if o.json {
		return cli.WriteJSON(a.Std.Out, toggled)
	}
	return nil
}
