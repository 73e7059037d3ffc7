package text

import (
	"slices"

	"github.com/scout-speech/scout"
)

// channelLabel returns the label before text from a channel: "left: ", "channel 3: "; empty for the mix of all.
func channelLabel(channel string) string {
	switch channel = clean(channel); {
	case channel == "":
		return ""
	case channel[0] >= '0' && channel[0] <= '9':
		return "channel " + channel + ": "
	}
	return channel + ": "
}

// channelCues lays out a transcript for subtitles: each channel separately, so that its cues do not overlap, with the
// channel at the beginning of each cue. Cues of different channels overlap if people speak at once.
func channelCues(t *scout.Transcript, layout Layout) []cue {
	var channels []string
	for i := range t.Segments {
		if c := t.Segments[i].Channel; !slices.Contains(channels, c) {
			channels = append(channels, c)
		}
	}
	if len(channels) == 1 && channels[0] == "" || len(channels) == 0 {
		return cuesOf(t, layout)
	}
	var all []cue
	for _, channel := range channels {
		label := channelLabel(channel)
		narrow := layout.withDefaults()
		narrow.MaxLineWidth = max(minLineWidth, narrow.MaxLineWidth-width(label))
		part := *t
		part.Segments = slices.DeleteFunc(slices.Clone(t.Segments), func(s scout.Segment) bool { return s.Channel != channel })
		for _, c := range cuesOf(&part, narrow) {
			c.lines[0] = label + c.lines[0]
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b cue) int { return int(a.start - b.start) })
	return all
}
