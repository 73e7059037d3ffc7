package scout

import (
	"fmt"
	"time"
)

// WarningCode names a kind of warning about an input. Codes are part of the public contract: they
// appear in JSON output and are never renamed.
type WarningCode string

// The kinds of warnings. Those of the first group report audio of the input that is not in the text.
const (
	// WarningCutOff is audio that ends before its header says it does.
	WarningCutOff WarningCode = "cut_off"
	// WarningUnread is a part of the input that could not be read, for example a joined file of another format.
	WarningUnread WarningCode = "unread"
	// WarningDamaged is a damaged place, replaced by silence of the same length.
	WarningDamaged WarningCode = "damaged"

	// WarningSilence is an input, or one of its channels, that holds only silence.
	WarningSilence WarningCode = "only_silence"
	// WarningNothingSaid is an input that is not silent but in which no words were found.
	WarningNothingSaid WarningCode = "nothing_said"
	// WarningNoText is a loud stretch for which there is no text.
	WarningNoText WarningCode = "no_text"
	// WarningTracks is an input with several audio tracks, of which one was read.
	WarningTracks WarningCode = "several_tracks"
	// WarningChannels is a mix that differs from the usual one, chosen so that speech survives.
	WarningChannels WarningCode = "channels"
	// WarningSamples is samples that were not finite, or beyond full scale, and were replaced.
	WarningSamples WarningCode = "samples_replaced"
	// WarningFormat is an irregularity of the input that cost no audio.
	WarningFormat WarningCode = "format"
)

// AudioMissing reports whether the warning is about audio of the input that is not in the text.
func (c WarningCode) AudioMissing() bool {
	switch c {
	case WarningCutOff, WarningUnread, WarningDamaged:
		return true
	}
	return false
}

// Warning is something about an input that the user should know.
type Warning struct {
	Code WarningCode
	// Start and End bound the stretch that the warning is about, from the beginning of the audio. They are nil if they
	// are unknown or the warning is about the whole input.
	Start, End *time.Duration
	// Message is one sentence for people, without the name of the input.
	Message string
}

// Warnf returns a warning about the whole input; From and To add a stretch. An error among args is written with Plain.
func Warnf(code WarningCode, format string, args ...any) Warning {
	for i, arg := range args {
		if err, ok := arg.(error); ok {
			args[i] = Plain(err)
		}
	}
	return Warning{Code: code, Message: fmt.Sprintf(format, args...)}
}

// From returns the warning with the given start.
func (w Warning) From(start time.Duration) Warning {
	w.Start = &start
	return w
}

// To returns the warning with the given end.
func (w Warning) To(end time.Duration) Warning {
	w.End = &end
	return w
}
