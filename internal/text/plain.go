package text

import (
	"bufio"

	"github.com/scout-speech/scout"
)

// Growing makes a plain text segment by segment, for callers that show it while it is being made. All that Next has
// returned so far equals what Write makes of the same segments, without the line break at its end. The zero value is an
// empty text.
type Growing struct {
	paragraphs paragraphs
	last       string // the last line that is not empty
}

// Next returns the text that the segment adds, which is empty if the segment has no text.
func (g *Growing) Next(s *scout.Segment) string {
	line := clean(s.Text)
	if line == "" {
		return ""
	}
	between := ""
	begins := g.paragraphs.next(s, line)
	switch {
	case g.last == "":
	case begins && s.Channel != "":
		between = "\n"
	case begins:
		between = "\n\n"
	default:
		between = space(g.last, line)
	}
	if begins {
		between += channelLabel(s.Channel)
	}
	g.last = line
	return between + line
}

// writePlain writes paragraphs with an empty line between them, and nothing for an empty transcript. If channels were
// transcribed separately, each paragraph is a line that begins with its channel.
func writePlain(b *bufio.Writer, doc Document) error {
	var all Growing
	for i := range doc.Transcript.Segments {
		if _, err := b.WriteString(all.Next(&doc.Transcript.Segments[i])); err != nil {
			return err
		}
	}
	if all.last == "" {
		return nil
	}
	return b.WriteByte('\n')
}
