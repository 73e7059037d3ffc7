package text

import "bufio"

// writePlain writes paragraphs with an empty line between them; nothing at all for an empty transcript. Where channels were
// transcribed apart each paragraph is a line that begins with its channel. The text of the first
// segments, without its line break, is the beginning of the text of all: a text is written to a terminal while it grows.
func writePlain(b *bufio.Writer, doc Document) error {
	var paragraphs paragraphs
	last := ""
	for i := range doc.Transcript.Segments {
		s := &doc.Transcript.Segments[i]
		line := clean(s.Text)
		if line == "" {
			continue
		}
		between := ""
		begins := paragraphs.next(s, line)
		switch {
		case last == "":
		case begins && s.Channel != "":
			between = "\n"
		case begins:
			between = "\n\n"
		default:
			between = space(last, line)
		}
		if begins {
			between += channelLabel(s.Channel)
		}
		last = line
		if _, err := b.WriteString(between + line); err != nil {
			return err
		}
	}
	if last == "" {
		return nil
	}
	return b.WriteByte('\n')
}
