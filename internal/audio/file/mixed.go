package file

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
)

// worthALine is how long another mix than the mean must have been made before it is told.
const worthALine = 500 * time.Millisecond

// mixWarnings say in a line each where the mix was not the mean of all channels. Total is the length of the audio.
func mixWarnings(mix audio.MixReport, total time.Duration) []scout.Warning {
	var warnings []scout.Warning
	say := func(stretch audio.MixStretch, format string, args ...any) {
		if stretch.Length < worthALine {
			return
		}
		w := scout.Warnf(scout.WarningChannels, format, args...)
		if total > 0 {
			stretch.End = min(stretch.End, total)
		}
		warnings = append(warnings, w.From(stretch.Start).To(stretch.End))
	}
	name := func(channel int) string { return audio.ChannelName(channel, mix.Channels) }
	if mix.Inverted.Length >= worthALine {
		// Where the sign turns, and where it is not sure of it yet, one of them is read alone.
		say(mix.Inverted.With(mix.Single), "channels in opposite phase would cancel each other out: one of them was inverted")
	} else {
		say(mix.Single, "channels with the same sound would weaken each other: %s was read alone", name(mix.Channel))
	}
	say(mix.LeftOut, "%s adds nothing but a steady sound (tone, hum or noise): it was left out", name(mix.Omitted))
	return warnings
}
