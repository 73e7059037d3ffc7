package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/spelling"
)

type startOptions struct {
	orderOptions
	json bool
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
records: it continues even if this command or the daemon is killed.`,
		Example: `  scout start
  scout start --device "USB" --duration 30m
  id=$(scout start); sleep 60; scout stop`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.startRecording(cmd.Context(), o) },
	}
	o.bind(cmd, "scout stop")
	cli.JSONFlag(cmd, &o.json)
	return cmd
}

// request returns what the options ask for.
func (o *startOptions) request() (v1.Start, error) {
	order, err := o.order()
	if err != nil {
		return v1.Start{}, err
	}
	preroll := max(o.preroll, 0).Seconds()
	return v1.Start{
		Device: order.Device, Format: v1.Format{SampleRate: o.rate, Channels: o.channels, SampleFormat: string(order.Format.Sample)},
		OnLoss: o.onLoss, Preroll: &preroll, MaxDuration: time.Duration(o.duration).Seconds(), Environment: recording.EnvironmentOf(os.Environ()).Variables,
	}, nil
}

func (a *app) startRecording(ctx context.Context, o startOptions) error {
	request, err := o.request()
	if err != nil {
		return err
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := a.sameRecordings(ctx, c); err != nil {
		return err
	}
	var started v1.Started
	if err := c.Post(ctx, "/recorder/start", request, &started); err != nil {
		return err
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
	var status v1.Status
	if err := c.Get(ctx, "/status", &status); err != nil {
		return err
	}
	mine, mineErr := os.Stat(dir)
	other, otherErr := os.Stat(status.RecordingsDir)
	if dir == status.RecordingsDir || mineErr == nil && otherErr == nil && os.SameFile(mine, other) {
		return nil
	}
	return scout.Errorf(scout.CodeDaemonOther, "the daemon (process %d) records into %s, and this command names %s", status.PID, status.RecordingsDir, dir)
}

func newStopCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "End the recording that is under way",
		Long: `Asks the daemon to end the recording, and returns when its file is complete. It
prints the path of the file. If nothing is being recorded, it says so and prints
the path of the last recording.`,
		Example: `  scout stop
  scout stop --json | jq -r .recording.id`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.stopThroughDaemon(cmd.Context(), asJSON) },
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) stopThroughDaemon(ctx context.Context, asJSON bool) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := a.sameRecordings(ctx, c); err != nil {
		return err
	}
	var stopped v1.Stopped
	if err := c.Post(ctx, "/recorder/stop", v1.Stop{}, &stopped); err != nil {
		return err
	}
	var failed error
	if w := stopped.Warning; w != nil && !stopped.Already {
		failed = w.Err()
	}
	r := stopped.Recording
	switch {
	case asJSON:
		err = cli.WriteJSON(a.Std.Out, stopped)
	case stopped.Already:
		a.Notef("nothing is being recorded; the last recording is %s\n", r.ID)
		err = a.Say("%s", r.Path)
	default:
		text := fmt.Sprintf("recorded %s", clock(inSeconds(r.Seconds)))
		if r.Gaps > 0 {
			text += ", " + spelling.Count(r.Gaps, "gap")
		}
		a.Notef("%s\n", text)
		err = a.Say("%s", r.Path)
	}
	if failed != nil {
		return failed
	}
	return err
}
