package file

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
)

// worthALine is how long a mix must differ from the mean before it is reported.
const worthALine = 500 * time.Millisecond

// mixWarnings returns a line for each way in which the mix was not the mean of all channels. total is the length of the
// audio.
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
		// Where the sign changes, and before the sign is certain, only one of the channels is read.
		say(mix.Inverted.With(mix.Single), "channels in opposite phase would cancel each other out: one of them was inverted")
	} else {
		say(mix.Single, "channels with the same sound would weaken each other: %s was read alone", name(mix.Channel))
	}
	say(mix.LeftOut, "%s adds nothing but a steady sound (tone, hum or noise): it was left out", name(mix.Omitted))
	return warnings
}
