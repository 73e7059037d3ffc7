package audio

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
)

// Channel says which part of a recording is used: the mix of its channels, or one of them.
type Channel int

// MixChannels is the mix of all channels; see Mixer. Other values are the number of a channel, from 1.
const MixChannels Channel = 0

// ParseChannel reads "mix", "left", "right" or a number from 1. Left and right are the first and the second channel, as
// in all layouts of two or more channels. The error has the code invalid_argument.
func ParseChannel(s string) (Channel, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "mix":
		return MixChannels, nil
	case "left":
		return 1, nil
	case "right":
		return 2, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 {
		return 0, scout.Errorf(scout.CodeInvalidArgument, "unknown channel %q", s).
			WithHint("left, right, mix, or the number of a channel, counted from 1")
	}
	return Channel(n), nil
}

// Check returns nil if a recording with that many channels has the channel. Otherwise the error has the code
// invalid_argument and lists the channels.
func (c Channel) Check(channels int) error {
	if c == MixChannels || int(c) <= channels && channels > 1 || c == 1 {
		return nil
	}
	there, hint := fmt.Sprintf("it has %d channels", channels), fmt.Sprintf("choose 1 to %d, or mix", channels)
	switch channels {
	case 1:
		there, hint = "it has one channel", "leave --channel out"
	case 2:
		there = "it has two channels, left (1) and right (2)"
	}
	return scout.Errorf(scout.CodeInvalidArgument, "there is no channel %d: %s", int(c), there).WithHint("%s", hint)
}

// Key returns the name of the channel in segments and for --channel: "left" and "right" of two, else its number.
func (c Channel) Key(channels int) string {
	if channels == 2 {
		return ChannelName(int(c), channels)
	}
	return strconv.Itoa(int(c))
}

// ChannelName returns the name of channel number n, from 1: "left" and "right" of two, else "channel 3".
func ChannelName(n, channels int) string {
	switch {
	case channels == 2 && n == 1:
		return "left"
	case channels == 2 && n == 2:
		return "right"
	}
	return "channel " + strconv.Itoa(n)
}
