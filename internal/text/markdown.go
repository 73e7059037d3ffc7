package text

import (
	"bufio"
	"fmt"
	"strings"
	"time"
)

// shortClock formats 1:05 or 1:01:05.
func shortClock(d time.Duration) string {
	s := max(0, int64(d/time.Second))
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func writeMarkdown(b *bufio.Writer, doc Document) {
	t := &doc.Transcript
	title := markdownText(clean(doc.File))
	if title == "" {
		title = "Transcript"
	}
	// A bufio.Writer keeps its first error and returns it from Flush, so that each line need not be asked.
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(b, format, args...) }
	line("# %s\n\n- Model: %s\n", title, markdownText(clean(t.Model)))
	if t.Language != "" {
		line("- Language: %s\n", markdownText(clean(t.Language)))
	}
	line("- Length: %s\n", shortClock(t.Duration.Round(time.Second)))
	if doc.TimeTaken > 0 {
		line("- Time taken: %.1f s\n", doc.TimeTaken.Seconds())
	}
	if len(t.SetAside) > 0 {
		line("- Not transcribed: %d stretches, named below\n", len(t.SetAside))
	}
	aside := t.SetAside
	for _, s := range t.Segments {
		for ; len(aside) > 0 && aside[0].Start <= s.Start; aside = aside[1:] {
			line("%s", asideNote(aside[0].Start, aside[0].End, string(aside[0].Code), aside[0].Reason))
		}
		line("\n**%s** %s\n", shortClock(s.Start), markdownText(clean(s.Text)))
	}
	for _, a := range aside {
		line("%s", asideNote(a.Start, a.End, string(a.Code), a.Reason))
	}
}

func asideNote(start, end time.Duration, code, reason string) string {
	return fmt.Sprintf("\n> **%s-%s not transcribed** (%s): %s\n",
		shortClock(start), shortClock(end), markdownText(clean(code)), markdownText(clean(reason)))
}

// markdownText escapes what CommonMark would read as markup. Texts never begin a line, so that block
// markers need no care.
func markdownText(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_[]<>&~|", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
