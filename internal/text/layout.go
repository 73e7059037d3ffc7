package text

import (
	"time"

	"github.com/scout-speech/scout"
)

// Layout says how wide and how high subtitles may be. The zero value means the defaults.
type Layout struct {
	// MaxLineWidth is the largest number of columns of a line; ideographs, kana, hangul, full-width characters and
	// emoji take two. The default is 42.
	MaxLineWidth int
	// MaxLineCount is the largest number of lines of a cue; default 2.
	MaxLineCount int
}

// The bounds of a layout.
const (
	defaultLineWidth, minLineWidth, maxLineWidth = 42, 10, 1000
	defaultLineCount, maxLineCount               = 2, 20
)

// Check returns an error with the code invalid_argument for an impossible layout.
func (l Layout) Check() error {
	if l.MaxLineWidth != 0 && (l.MaxLineWidth < minLineWidth || l.MaxLineWidth > maxLineWidth) {
		return scout.Errorf(scout.CodeInvalidArgument, "a line of subtitles cannot be %d columns wide", l.MaxLineWidth).
			WithHint("a width from %d to %d, usually %d", minLineWidth, maxLineWidth, defaultLineWidth)
	}
	if l.MaxLineCount != 0 && (l.MaxLineCount < 1 || l.MaxLineCount > maxLineCount) {
		return scout.Errorf(scout.CodeInvalidArgument, "a subtitle cannot have %d lines", l.MaxLineCount).
			WithHint("from 1 to %d lines, usually %d", maxLineCount, defaultLineCount)
	}
	return nil
}

func (l Layout) withDefaults() Layout {
	if l.MaxLineWidth == 0 {
		l.MaxLineWidth = defaultLineWidth
	}
	if l.MaxLineCount == 0 {
		l.MaxLineCount = defaultLineCount
	}
	return l
}

// Limits for the times of a cue, as broadcasters set them: Netflix Timed Text Style Guide (5/6 s to 7 s, 20 characters
// a second), BBC Subtitle Guidelines.
const (
	cueShortest = 830 * time.Millisecond
	cueLongest  = 7 * time.Second
	// fastest is how many columns can be read in a second. A cue before a pause is prolonged until easy columns a
	// second are enough.
	fastest, easy = 20, 15
	// stay is how much longer than its words a cue of more than cueShortest may be shown.
	stay = 500 * time.Millisecond
	// parted is a pause that no cue spans: the words after it would be shown long before they are said.
	parted = 3 * time.Second
)

// shownUntil returns when a cue ends. Its words fill that many columns and are spoken from start to end; the next cue or
// the end of the audio is at limit. A cue continues into a pause: to cueShortest in any case, and beyond that by at
// most stay.
func shownUntil(start, end, limit time.Duration, columns int) time.Duration {
	shown := max(end, start+cueShortest)
	if wanted := start + time.Duration(columns)*time.Second/easy; shown < wanted {
		shown = max(shown, min(wanted, end+stay))
	}
	return min(shown, start+cueLongest, max(limit, start))
}
