package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/recognize"
)

// soundOptions are the flags that select a part of an input's sound.
type soundOptions struct {
	track, channel string
	split          bool
}

func (o *soundOptions) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.track, "track", "", "audio track to read: a number from 1, or a language such as en, eng or english (default: the default track, or the first with sound)")
	flags.BoolVar(&o.split, "split-channels", false, "transcribe each channel by itself, as of a call with one person on each side: the text names the channel")
	flags.StringVar(&o.channel, "channel", "mix", "channel to read: left, right, a number from 1, or mix, chosen so that speech survives")
}

// parse returns how audio is decoded.
func (o *soundOptions) parse() (options file.Options, err error) {
	if options.Channel, err = audio.ParseChannel(o.channel); err != nil {
		return options, cli.Usage(err)
	}
	if o.split && options.Channel != audio.MixChannels {
		return options, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--split-channels reads all channels, --channel one").WithHint("leave one of them out"))
	}
	options.Track, err = parseTrack(o.track)
	return options, cli.Usage(err)
}

// parseTrack reads the number of a track, or the language of one.
func parseTrack(asked string) (file.TrackChoice, error) {
	asked = strings.TrimSpace(asked)
	if asked == "" {
		return file.TrackChoice{}, nil
	}
	if n, err := strconv.Atoi(asked); err == nil {
		if n < 1 {
			return file.TrackChoice{}, scout.Errorf(scout.CodeInvalidArgument, "there is no audio track %d", n).
				WithHint("tracks are counted from 1")
		}
		return file.TrackChoice{Number: n}, nil
	}
	code, err := recognize.ParseLanguage(asked)
	if err != nil || code == "" {
		return file.TrackChoice{}, scout.Errorf(scout.CodeInvalidArgument, "unknown audio track %q", asked).
			WithHint("write its number, counted from 1, or its language, such as en, eng or english")
	}
	return file.TrackChoice{Language: code}, nil
}
