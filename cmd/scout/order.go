package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/settings"
)

// orderOptions are the flags of the commands that begin a recording: what is recorded, and how.
type orderOptions struct {
	device   string
	duration length
	rate     int
	channels int
	sample   string
	onLoss   string
	preroll  time.Duration
}

// bind adds the flags.
//
//	until  what ends the recording where --duration does not
func (o *orderOptions) bind(cmd *cobra.Command, until string) {
	flags, preset := cmd.Flags(), settings.Default().Record
	flags.StringVarP(&o.device, "device", "d", preset.Device, "record from this device ($SCOUT_DEVICE; default: the system's)")
	flags.Var(&o.duration, "duration", "end after this time: 15s, 2m, 1:30, or seconds (default: until "+until+")")
	flags.IntVar(&o.rate, "rate", preset.Rate, "sample rate of the file in Hz, 8000 to 192000")
	flags.IntVar(&o.channels, "channels", preset.Channels, "channels of the file")
	flags.StringVar(&o.sample, "format", preset.Format, "samples of the file: s16, s24 or f32")
	flags.StringVar(&o.onLoss, "on-loss", preset.OnLoss, "while the device is away: follow (silence until it is back), default (continue with the system's default device), auto (follow if --device names one, else default)")
	flags.DurationVar(&o.preroll, "preroll", preset.Preroll, "audio from before the start to keep, if the microphone was warm; 0 for none")
	// Other commands have a flag of that name for text.
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(
		[]string{string(scout.SampleS16), string(scout.SampleS24), string(scout.SampleF32)}, cobra.ShellCompDirectiveNoFileComp))
	cli.BindSettings(flags, map[string]string{
		"device": "record.device", "rate": "record.rate", "channels": "record.channels", "format": "record.format",
		"on-loss": "record.on_loss", "preroll": "record.preroll",
	})
}

// order checks the flags and returns what they ask a recorder for.
func (o *orderOptions) order() (recording.Order, error) {
	order := recording.Order{
		ID:      recording.NewID(time.Now()),
		Format:  scout.Format{SampleRateHz: o.rate, Channels: o.channels, Sample: scout.SampleFormat(o.sample)},
		OnLoss:  o.onLoss,
		Preroll: o.preroll,
		Rules:   recording.Rules{MaxDuration: time.Duration(o.duration)},
	}
	if err := order.Format.Validate(); err != nil {
		return order, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "%w", err).WithHint("%s", allowedFormats()))
	}
	switch capture.LossPolicy(o.onLoss) {
	case capture.LossAuto, capture.LossFollow, capture.LossDefault:
	default:
		return order, cli.Misuse("write auto, follow or default", "--on-loss %q is unknown", o.onLoss)
	}
	switch {
	case o.preroll < 0:
		return order, negative("--preroll", o.preroll)
	case o.preroll == 0:
		order.Preroll = -1 // none; 0 would mean the recorder's default
	}
	var err error
	order.Device, err = resolveDevice(o.device)
	return order, err
}

// start returns what the flags ask the daemon for.
func (o *orderOptions) start() (v1.Start, error) {
	order, err := o.order()
	preroll := max(o.preroll, 0).Seconds()
	return v1.Start{
		Device: order.Device, Format: v1.Format{SampleRate: o.rate, Channels: o.channels, SampleFormat: o.sample}, OnLoss: o.onLoss, Preroll: &preroll,
		MaxDuration: time.Duration(o.duration).Seconds(), Environment: recording.EnvironmentOf(os.Environ()).Variables,
	}, err
}

// negative refuses a length below zero.
func negative(flag string, d time.Duration) error {
	return cli.Misuse("write 0 or more", "%s %s is negative", flag, d)
}

// allowedFormats tells what a recording may be made of.
func allowedFormats() string {
	return fmt.Sprintf("--rate takes %d to %d, --channels 1 to %d, --format %s, %s or %s", scout.MinSampleRateHz, scout.MaxSampleRateHz, scout.MaxChannels,
		scout.SampleS16, scout.SampleS24, scout.SampleF32)
}

// length is a flag for a duration as people write it: 15s, 1:30, 90.
type length time.Duration

// String returns the length as the flag takes it.
func (l *length) String() string {
	if *l == 0 {
		return ""
	}
	return time.Duration(*l).String()
}

// Type names the value in --help.
func (l *length) Type() string { return "duration" }

// Set reads the length.
func (l *length) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = parseClock(text)
	}
	if err != nil || d <= 0 {
		return errors.New("want for example 15s, 2m, 1:30 or 90")
	}
	*l = length(d)
	return nil
}

// parseClock reads seconds, M:SS or H:MM:SS.
func parseClock(text string) (time.Duration, error) {
	parts := strings.Split(text, ":")
	if len(parts) > 3 {
		return 0, errors.New("too many colons")
	}
	var seconds float64
	for _, part := range parts {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return 0, err
		}
		if !(n >= 0 && n < 1e9) {
			return 0, errors.New("not a length of time")
		}
		seconds = 60*seconds + n
	}
	const longest = 292 * 365 * 24 * 3600 // what a time.Duration holds
	if seconds > longest {
		return 0, errors.New("too long")
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), nil
}
