package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

type startOptions struct {
	orderOptions
	json bool
	text textOptions
}

func newStartCommand(a *app) *cobra.Command {
	var o startOptions
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Begin a recording in the background",
		Long: `Asks the daemon to begin a recording, and returns when sound arrives. It prints
the id of the recording. If one is already under way, it prints the id of that
one and changes nothing.

The recording ends with "scout stop", or after --duration. A process of its own
records: it continues even if this command or the daemon is killed.

With --transcribe, the daemon makes the text when the recording has ended,
however it ends. "scout stop" then waits for the text and prints it.`,
		Example: `  scout start
  scout start --device "USB" --duration 30m
  scout start --transcribe; sleep 60; scout stop`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.text.check(cmd); err != nil {
				return err
			}
			return a.startRecording(cmd.Context(), o)
		},
	}
	o.bind(cmd, "scout stop")
	cli.JSONFlag(cmd, &o.json)
	o.text.bind(cmd, "make the text of the recording when it has ended")
	return cmd
}

// request returns what the options ask for.
func (o *startOptions) request() (v1.Start, error) {
	request, err := o.start()
	live := false // text while one speaks: scout toggle
	request.Live, request.Transcribe, request.TextOptions = &live, &o.text.transcribe, o.text.TextOptions
	return request, err
}

func (a *app) startRecording(ctx context.Context, o startOptions) error {
	request, err := o.request()
	if err != nil {
		return err
	}
	c, err := a.connectRecording(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var started v1.Started
	request.AskedAgo = agoOf(begun())
	if err := c.Post(ctx, "/recorder/start", request, &started); err != nil {
		return err
	}
	if w := started.Warning; w != nil {
		a.Notef("%s: %s\n", a.Name, cli.OneLine(w.Err()))
	}
	if o.json {
		a.tellRetention()
		return cli.WriteJSON(a.Std.Out, started)
	}
	if started.Already {
		a.Notef("recording %s is under way already\n", started.ID)
	} else {
		a.Notef("recording… %s\n", started.Device)
	}
	a.tellRetention()
	return a.Say("%s", started.ID)
}

// connectRecording is like connect, and refuses a daemon that records somewhere else. It is called before anything is recorded.
func (a *app) connectRecording(ctx context.Context) (*client.Client, error) {
	c, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.sameRecordings(ctx, c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// sameRecordings refuses a daemon whose folder of recordings is not that of this command: the recording would not be
// where the user expects it.
func (a *app) sameRecordings(ctx context.Context, c *client.Client) error {
	dir, err := a.recordingsDir()
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return err
	}
	if sameFolder(dir, c.RecordingsDir()) {
		return nil
	}
	var status v1.Status // it takes longer, and names the process
	if err := c.Get(ctx, "/status", &status); err != nil {
		return err
	}
	if sameFolder(dir, status.RecordingsDir) {
		return nil
	}
	return scout.Errorf(scout.CodeDaemonOther, "the daemon (process %d) records into %s, and this command names %s", status.PID, status.RecordingsDir, dir)
}

func sameFolder(a, b string) bool {
	if a == b {
		return true
	}
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}
