package text

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"github.com/scout-speech/scout/internal/spelling"
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
	// A bufio.Writer keeps its first error and returns it from Flush, so the error of each line need not be checked.
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(b, format, args...) }
	line("# %s\n\n- Model: %s\n", title, markdownText(clean(t.Model)))
	switch {
	case t.Translated && t.Language != "":
		line("- Language: %s, translated from %s\n", TranslationLanguage, markdownText(clean(t.Language)))
	case t.Translated:
		line("- Language: %s, translated\n", TranslationLanguage)
	case t.Language != "":
		line("- Language: %s\n", markdownText(clean(t.Language)))
	}
	line("- Length: %s\n", shortClock(t.Duration.Round(time.Second)))
	if doc.TimeTaken > 0 {
		line("- Time taken: %.1f s\n", doc.TimeTaken.Seconds())
	}
	if len(t.SetAside) > 0 {
		line("- Not transcribed: %s, named below\n", spelling.Count(len(t.SetAside), "stretch"))
	}
	aside := t.SetAside
	var paragraphs paragraphs
	last := "" // the end of the open paragraph
	for i := range t.Segments {
		s := &t.Segments[i]
		sentence := clean(s.Text)
		if sentence == "" {
			continue
		}
		begins := paragraphs.next(s, sentence) || len(aside) > 0 && aside[0].Start <= s.Start
		if begins && last != "" {
			line("\n")
		}
		for ; len(aside) > 0 && aside[0].Start <= s.Start; aside = aside[1:] {
			line("%s", asideNote(aside[0].Start, aside[0].End, string(aside[0].Code), aside[0].Reason))
		}
		if begins {
			line("\n**%s** %s%s", shortClock(s.Start), markdownText(channelLabel(s.Channel)), markdownText(sentence))
		} else {
			line("%s%s", space(last, sentence), markdownText(sentence))
		}
		last = sentence
	}
	if last != "" {
		line("\n")
	}
	for _, a := range aside {
		line("%s", asideNote(a.Start, a.End, string(a.Code), a.Reason))
	}
}

func asideNote(start, end time.Duration, code, reason string) string {
	return fmt.Sprintf("\n> **%s-%s not transcribed** (%s): %s\n",
		shortClock(start), shortClock(end), markdownText(clean(code)), markdownText(clean(reason)))
}

// markdownText escapes everything that CommonMark would read as markup. Texts never begin a line, so block markers need
// no escape.
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
