package text

import (
	"bufio"
	"io"

	"github.com/scout-speech/scout"
)

// PlainWriter writes plain text as it becomes known, segment by segment: sentences in one line, an empty line between
// paragraphs. Where channels were transcribed apart each paragraph is a line that begins with its channel. What it has written when all segments are in is what Write makes of the same transcript.
type PlainWriter struct {
	w          io.Writer
	paragraphs paragraphs
	last       string
}

// NewPlainWriter returns a writer that has written nothing yet.
func NewPlainWriter(w io.Writer) *PlainWriter { return &PlainWriter{w: w} }

// Segment writes the next segment, in the order of time. It returns the error of the underlying writer as it is.
func (p *PlainWriter) Segment(s *scout.Segment) error {
	line := clean(s.Text)
	if line == "" {
		return nil
	}
	between := ""
	begins := p.paragraphs.next(s, line)
	switch {
	case p.last == "":
	case begins && s.Channel != "":
		between = "\n"
	case begins:
		between = "\n\n"
	default:
		between = space(p.last, line)
	}
	if begins {
		between += channelLabel(s.Channel)
	}
	p.last = line
	_, err := io.WriteString(p.w, between+line)
	return err
}

// Close ends the last line; where nothing was said it writes nothing.
func (p *PlainWriter) Close() error {
	if p.last == "" {
		return nil
	}
	_, err := io.WriteString(p.w, "\n")
	return err
}

func writePlain(b *bufio.Writer, doc Document) error {
	p := NewPlainWriter(b)
	for i := range doc.Transcript.Segments {
		if err := p.Segment(&doc.Transcript.Segments[i]); err != nil {
			return err
		}
	}
	return p.Close()
}
