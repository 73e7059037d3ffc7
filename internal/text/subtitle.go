package text

import (
	"bufio"
	"fmt"
	"strings"
	"time"
)

// clock formats hours, minutes, seconds and milliseconds; point is the separator before the milliseconds.
func clock(d time.Duration, point byte) string {
	ms := max(0, milliseconds(d))
	return fmt.Sprintf("%02d:%02d:%02d%c%03d", ms/3600000, ms/60000%60, ms/1000%60, point, ms%1000)
}

// writeSRT writes SubRip. The format has no escapes, and an arrow in the text would look like a line of times, so
// arrows are shortened.
func writeSRT(b *bufio.Writer, doc Document) error {
	arrow := strings.NewReplacer("-->", "->")
	for i, c := range channelCues(&doc.Transcript, doc.Layout) {
		_, err := fmt.Fprintf(b, "%d\n%s --> %s\n%s\n\n", i+1, clock(c.start, ','), clock(c.end, ','),
			arrow.Replace(strings.Join(c.lines, "\n")))
		if err != nil {
			return err
		}
	}
	return nil
}

func writeVTT(b *bufio.Writer, doc Document) error {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	if _, err := b.WriteString("WEBVTT\n"); err != nil {
		return err
	}
	for _, c := range channelCues(&doc.Transcript, doc.Layout) {
		_, err := fmt.Fprintf(b, "\n%s --> %s\n%s\n", clock(c.start, '.'), clock(c.end, '.'),
			escape.Replace(strings.Join(c.lines, "\n")))
		if err != nil {
			return err
		}
	}
	return nil
}
