package text

import (
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text/sentence"
)

// A paragraph ends at a long pause. The longer the paragraph is, the shorter a pause ends it, so that a fluent talk is
// not one block. Without any pause it continues. Lengths are in columns: 500 are about 35 s of speech.
const (
	pauseAnywhere = 4 * time.Second // also within a sentence, for models that write no full stops
	pauseLong     = 2 * time.Second
	pauseMedium   = time.Second
	pauseShort    = 600 * time.Millisecond

	paragraphMedium = 500
	paragraphLong   = 1000
)

// paragraphs decides, segment by segment, where paragraphs begin. The zero value is ready.
type paragraphs struct {
	begun   bool
	channel string        // of the last segment
	end     time.Duration // of the last segment
	last    string        // its last word
	length  int           // of this paragraph
}

// next takes the next segment and reports whether a paragraph begins with it. line is its cleaned text and not empty.
func (p *paragraphs) next(s *scout.Segment, line string) bool {
	begins := !p.begun || s.Channel != p.channel || p.breaks(s.Start-p.end, line)
	if begins {
		p.length = 0
	}
	p.begun, p.channel, p.end = true, s.Channel, s.End
	p.last = line[strings.LastIndexByte(line, ' ')+1:]
	p.length += width(line)
	return begins
}

func (p *paragraphs) breaks(pause time.Duration, line string) bool {
	if pause >= pauseAnywhere {
		return true
	}
	first, _, _ := strings.Cut(line, " ")
	if !sentence.Ends([]string{p.last, first}, 0) {
		return false
	}
	switch {
	case p.length >= paragraphLong:
		return pause >= pauseShort
	case p.length >= paragraphMedium:
		return pause >= pauseMedium
	}
	return pause >= pauseLong
}

// space returns the separator between two consecutive texts.
func space(left, right string) string { return scout.Between(left, right) }

// spaceless reports whether r is a letter or mark of a script that is written without spaces between words.
func spaceless(r rune) bool { return scout.Spaceless(r) }
