package text

import (
	"bufio"
	"fmt"
	"time"
)

// writeTSV writes the same table as OpenAI's whisper.
func writeTSV(b *bufio.Writer, doc Document) error {
	if _, err := b.WriteString("start\tend\ttext\n"); err != nil {
		return err
	}
	for _, s := range doc.Transcript.Segments {
		if _, err := fmt.Fprintf(b, "%d\t%d\t%s\n", milliseconds(s.Start), milliseconds(s.End), channelLabel(s.Channel)+clean(s.Text)); err != nil {
			return err
		}
	}
	return nil
}

// milliseconds rounds to the nearest millisecond.
func milliseconds(d time.Duration) int64 { return d.Round(time.Millisecond).Milliseconds() }
