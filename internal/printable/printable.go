// Package printable makes names and messages safe to show on a terminal, and measures them in its cells.
package printable

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Line returns s as one line that a terminal shows literally. Line breaks, tabs, control characters (C0, DEL, C1),
// characters that change the direction of writing or are invisible, and invalid UTF-8 become U+FFFD. A name can neither
// move the cursor nor imitate another name.
func Line(s string) string {
	if strings.IndexFunc(s, unsafe) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unsafe(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// unsafe reports whether a terminal obeys r instead of showing it. Zero-width joiners are allowed: scripts and emoji
// need them.
func unsafe(r rune) bool {
	switch {
	case r == utf8.RuneError, unicode.IsControl(r), r == '\u2028', r == '\u2029':
		return true
	case r == '\u200c', r == '\u200d': // joiners
		return false
	case r == '\u00ad':
		return false // a soft hyphen
	}
	return unicode.Is(unicode.Cf, r)
}

// Width returns how many cells of a terminal s takes: two for wide characters, none for combining ones.
func Width(s string) int { return uniseg.StringWidth(s) }

// Shorten returns s shortened to that many cells, with an ellipsis in place of the missing part. A character is never
// cut.
func Shorten(s string, cells int) string {
	if cells <= 0 {
		return ""
	}
	if Width(s) <= cells {
		return s
	}
	head, _ := take(s, cells-1)
	return head + "…"
}

// ShortenMiddle is Shorten for names. It keeps the beginning and the end, since names differ in both.
func ShortenMiddle(s string, cells int) string {
	if cells <= 0 {
		return ""
	}
	if Width(s) <= cells {
		return s
	}
	head, used := take(s, (cells-1+1)/2)
	var clusters []string
	for g := uniseg.NewGraphemes(s[len(head):]); g.Next(); {
		clusters = append(clusters, g.Str())
	}
	left := cells - 1 - used
	tail := ""
	for i := len(clusters) - 1; i >= 0; i-- {
		if left -= Width(clusters[i]); left < 0 {
			break
		}
		tail = clusters[i] + tail
	}
	return head + "…" + tail
}

// take returns the longest prefix of s that fits into that many cells, and how many it takes.
func take(s string, cells int) (head string, used int) {
	end := 0
	for g := uniseg.NewGraphemes(s); g.Next(); {
		if used+g.Width() > cells {
			break
		}
		used += g.Width()
		_, end = g.Positions()
	}
	return s[:end], used
}

// Length formats a duration for people: 40 ms, 11.0 s, 3:05, 1:02:03.
func Length(d time.Duration) string {
	seconds := int64(d.Round(time.Second) / time.Second)
	switch {
	case d == 0:
		return "0 s"
	case d < time.Second && d.Round(time.Millisecond) < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d.Round(100*time.Millisecond) < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case seconds < 3600:
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
