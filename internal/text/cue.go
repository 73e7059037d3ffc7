package text

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// Limits of a cue, as broadcasters set them (two lines of 42 characters, seven seconds): Netflix
// Timed Text Style Guide, BBC Subtitle Guidelines.
const (
	lineLength  = 42
	cueLength   = 2 * lineLength
	cueDuration = 7 * time.Second
	// sentenceLength is from where on a cue ends with its sentence.
	sentenceLength = lineLength
	// cueGap is a silence that ends a cue.
	cueGap = time.Second
	// cueMin is the shortest duration written: both formats count in milliseconds and WebVTT wants
	// the end behind the start.
	cueMin = time.Millisecond
)

// cue is text that is shown for a time; lines are not escaped.
type cue struct {
	start, end time.Duration
	lines      []string
}

// cuesOf lays out a transcript. A segment is cut into cues that can be read where its words have
// times; times are never invented, so that without them it is one cue. Cues do not overlap.
func cuesOf(t *scout.Transcript) []cue {
	var cues []cue
	for i := range t.Segments {
		cues = append(cues, segmentCues(&t.Segments[i])...)
	}
	for i := range cues {
		c := &cues[i]
		c.start, c.end = c.start.Round(time.Millisecond), c.end.Round(time.Millisecond)
		if i > 0 {
			c.start = max(c.start, cues[i-1].end)
		}
		if i+1 < len(cues) {
			c.end = min(c.end, cues[i+1].start.Round(time.Millisecond))
		}
		c.end = max(c.end, c.start+cueMin)
	}
	return cues
}

func segmentCues(s *scout.Segment) []cue {
	words := s.Words
	var cues []cue
	from, length := 0, 0
	for i := range words {
		size := utf8.RuneCountInString(clean(words[i].Text))
		if i > from && breakBefore(words[from:i], &words[i], length, size) {
			cues = append(cues, wordCue(s, words[from:i]))
			from, length = i, 0
		}
		length += size + 1
	}
	if len(words) == 0 {
		if line := clean(s.Text); line != "" {
			return []cue{{start: s.Start, end: s.End, lines: wrap(line)}}
		}
		return nil
	}
	return append(cues, wordCue(s, words[from:]))
}

// breakBefore tells whether next opens a new cue behind words, which take length characters with the
// space behind them. A cue ends only between two words with times.
func breakBefore(words []scout.Word, next *scout.Word, length, size int) bool {
	last := &words[len(words)-1]
	if next.Start == nil || last.End == nil {
		return false
	}
	if length+size > cueLength || *next.Start-*last.End >= cueGap {
		return true
	}
	if words[0].Start != nil && next.End != nil && *next.End-*words[0].Start > cueDuration {
		return true
	}
	return length > sentenceLength && strings.ContainsAny(last.Text[max(0, len(last.Text)-2):], ".?!")
}

func wordCue(s *scout.Segment, words []scout.Word) cue {
	c := cue{start: s.Start, end: s.End}
	if first := words[0].Start; first != nil {
		c.start = *first
	}
	if last := words[len(words)-1].End; last != nil {
		c.end = *last
	}
	texts := make([]string, 0, len(words))
	for _, w := range words {
		texts = append(texts, w.Text)
	}
	c.lines = wrap(clean(strings.Join(texts, " ")))
	return c
}

// wrap breaks a text of up to two lines in the space that makes the longer line shortest. A longer text,
// as a segment without word times may have, stays in one: players wrap it to their own width.
func wrap(text string) []string {
	total := utf8.RuneCountInString(text)
	if total <= lineLength || total > cueLength {
		return []string{text}
	}
	best, longest, at := -1, total, 0
	for i, r := range text {
		if r == ' ' {
			if l := max(at, total-at-1); l < longest {
				best, longest = i, l
			}
		}
		at++
	}
	if best < 0 {
		return []string{text}
	}
	return []string{text[:best], text[best+1:]}
}
