package text

import (
	"time"

	"github.com/scout-speech/scout"
)

// Layout says how wide and how high subtitles may be. The zero value means the defaults.
type Layout struct {
	// MaxLineWidth is the most columns of a line, where ideographs, kana, hangul, full-width characters and emoji take
	// two; default 42.
	MaxLineWidth int
	// MaxLineCount is the most lines of a cue; default 2.
	MaxLineCount int
}

// The bounds of a layout.
const (
	defaultLineWidth, minLineWidth, maxLineWidth = 42, 10, 1000
	defaultLineCount, maxLineCount               = 2, 20
)

// Check returns an error with the code invalid_argument for a layout that cannot be kept.
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

// Times of a cue, as broadcasters set them: Netflix Timed Text Style Guide (5/6 s to 7 s, 20 characters a second), BBC
// Subtitle Guidelines.
const (
	cueShortest = 830 * time.Millisecond
	cueLongest  = 7 * time.Second
	// fastest is how many columns can be read in a second; easy is what a cue is prolonged for where a pause follows.
	fastest, easy = 20, 15
	// stay is how much longer than its words a cue of more than cueShortest may be shown.
	stay = 500 * time.Millisecond
	// parted is a pause that no cue spans: the words after it would be shown long before they are said.
	parted = 3 * time.Second
)

// shownUntil is when a cue ends whose words of so many columns are said from start to end, while the next cue or the end of the
// audio is at limit. It continues into the pause: to cueShortest in any case, beyond that by stay at most.
func shownUntil(start, end, limit time.Duration, columns int) time.Duration {
	shown := max(end, start+cueShortest)
	if wanted := start + time.Duration(columns)*time.Second/easy; shown < wanted {
		shown = max(shown, min(wanted, end+stay))
	}
	return min(shown, start+cueLongest, max(limit, start))
}
