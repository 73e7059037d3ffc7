package text

import "bufio"

// writePlain writes paragraphs with an empty line between them; nothing at all for an empty transcript. The text of the first
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
		switch begins := paragraphs.next(s, line); {
		case last == "":
		case begins:
			between = "\n\n"
		default:
			between = space(last, line)
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
