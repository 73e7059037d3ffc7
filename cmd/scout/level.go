package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/audio/level"
	"github.com/scout-speech/scout/internal/capture"
)

type levelOptions struct {
	device   string
	duration length
	every    time.Duration
	asJSON   bool
}

func newLevelCommand(a *app) *cobra.Command {
	var o levelOptions
	cmd := &cobra.Command{
		Use:   "level",
		Short: "Show how loud a microphone is, without recording",
		Long: `Shows the level of a device until Ctrl-C. The bar is the average (root mean
square) and the mark is the peak, on a scale from -60 to 0 dBFS. Speech should
lie between -30 and -12 dBFS; a peak at 0 is clipped. Nothing is recorded.

On a terminal, the meter moves. Otherwise, or with --json, it prints lines at
the interval --every.`,
		Example: `  scout level
  scout level --device "USB" --duration 10s
  scout level --json --every 20ms | jq .peak_dbfs`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.level(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.device, "device", "d", "", "measure this device ($SCOUT_DEVICE; default: the system's)")
	flags.Var(&o.duration, "duration", "end after this time (default: until Ctrl-C)")
	flags.DurationVar(&o.every, "every", 0, "time between two lines, 20ms at least (default 1s, with --json 100ms)")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON, one object per line")
	cli.BindSettings(flags, map[string]string{"device": "record.device"})
	return cmd
}

// levelLine is what "scout level" prints as JSON.
type levelLine struct {
	At     time.Time `json:"at"`
	Device string    `json:"device"`
	// RMS and Peak are smoothed and linear; full scale is 1.
	RMS      float64         `json:"rms"`
	Peak     float64         `json:"peak"`
	RMSDBFS  float64         `json:"rms_dbfs"`
	PeakDBFS float64         `json:"peak_dbfs"`
	Outage   scout.GapReason `json:"outage,omitempty"`
}

// leastEvery is the shortest interval: a device delivers a block at most that often.
const leastEvery = 20 * time.Millisecond

// level is the command.
func (a *app) level(ctx context.Context, o levelOptions) (err error) {
	show := cli.NewConsole(a.Std.Out, o.asJSON)
	switch {
	case o.every < 0 || o.every > 0 && o.every < leastEvery:
		return cli.Usage(fmt.Errorf("--every %s: want %s at least", o.every, leastEvery))
	case o.every > 0:
	case show.Live:
		o.every = drawEvery / 2
	case o.asJSON:
		o.every = drawEvery
	default:
		o.every = time.Second
	}
	if o.device, err = resolveDevice(o.device); err != nil {
		return err
	}
	// Mono in single precision gives the level that a recording would have, without rounding.
	session, err := capture.New(capture.Options{
		Device: o.device, Format: scout.Format{SampleRateHz: 48000, Channels: 1, Sample: scout.SampleF32},
		Buffer: time.Second, Preroll: -1, Scope: a.Scope,
	})
	if err != nil {
		return err
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- session.Run(running) }() // ended by end, waited for below
	defer func() {
		end()
		if runErr := <-ended; !errors.Is(runErr, context.Canceled) {
			err = errors.Join(err, runErr)
		}
	}()
	if show.Live {
		show.Draw("opening the microphone…")
	}
	started, err := session.Start(ctx)
	show.Clear()
	if err != nil {
		return err
	}
	if !o.asJSON {
		a.Notef("listening to %s, %s\n", shownName(started.Device.Name), started.DeviceFormat)
	}
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(o.duration))
		defer cancel()
	}
	defer show.Clear()
	return a.watchLevel(ctx, session, o, show)
}

// watchLevel prints the level until ctx or the device ends.
func (a *app) watchLevel(ctx context.Context, session *capture.Session, o levelOptions, show *cli.Console) error {
	ticker := time.NewTicker(o.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		status := session.Status()
		if status.State == capture.StateFailed {
			return status.Err
		}
		if session.Ring().Closed() {
			return nil // the file has ended
		}
		if err := a.writeLevel(session.Meter().Reading(), status, o, show); err != nil {
			return err
		}
	}
}

func (a *app) writeLevel(r level.Reading, status capture.Status, o levelOptions, show *cli.Console) error {
	text := fmt.Sprintf("%6.1f dBFS  peak %6.1f dBFS", r.RMSDBFS(), r.PeakDBFS())
	if status.Outage != "" {
		text += "  ! " + reasonText(status.Outage)
	}
	switch {
	case o.asJSON:
		line, err := json.Marshal(levelLine{
			At: time.Now().UTC(), Device: status.Device.ID, RMS: r.SmoothRMS, Peak: r.SmoothPeak,
			RMSDBFS: r.RMSDBFS(), PeakDBFS: r.PeakDBFS(), Outage: status.Outage,
		})
		if err != nil {
			return fmt.Errorf("encode the level: %w", err)
		}
		return a.Say("%s", line)
	case show.Live:
		show.Draw(meterBar(r.SmoothRMS, r.SmoothPeak) + " " + text)
		return nil
	}
	return a.Say("%s", text)
}
