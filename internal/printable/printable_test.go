package printable_test

import (
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/printable"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"plain":                       {"talk.wav", "talk.wav"},
		"other scripts":               {"Gespräch 会議 مقابلة.wav", "Gespräch 会議 مقابلة.wav"},
		"an emoji that is joined":     {"👩\u200d🔬.wav", "👩\u200d🔬.wav"},
		"colour":                      {"a\x1b[31mb.wav", "a\uFFFD[31mb.wav"},
		"title of the window":         {"\x1b]0;x\x07.wav", "\uFFFD]0;x\uFFFD.wav"},
		"C1 control sequence":         {"a\u009b31mb", "a\uFFFD31mb"},
		"DEL, bell, backspace":        {"a\x7f\x07\x08b", "a\uFFFD\uFFFD\uFFFDb"},
		"line breaks and tabs":        {"a\nb\rc\td\u2028e\u0085f", "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFDf"},
		"direction of writing":        {"photo\u202Egpj.wav", "photo\uFFFDgpj.wav"},
		"isolates and marks":          {"\u2066a\u2069\u200f\u061c", "\uFFFDa\uFFFD\uFFFD\uFFFD"},
		"zero width, byte order":      {"a\u200bb\ufeffc", "a\uFFFDb\uFFFDc"},
		"tags":                        {"a\U000E0041", "a\uFFFD"},
		"bytes that are not UTF-8":    {"a\xff\xfeb", "a\uFFFD\uFFFDb"},
		"a raw C1 byte of Latin-1":    {"a\x9bb", "a\uFFFDb"},
		"nothing":                     {"", ""},
		"a replacement character":     {"a\uFFFDb", "a\uFFFDb"},
		"combining marks stay":        {"e\u0301", "e\u0301"},
		"a soft hyphen stays":         {"a\u00adb", "a\u00adb"},
		"zero-width non-joiner stays": {"a\u200cb", "a\u200cb"},
	} {
		if got := printable.Line(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "a", "interview-with-a-long-name.flac", "会議の録音ファイル.wav", "naïve e\u0301te\u0301.wav",
		"👩\u200d🔬👩\u200d🔬👩\u200d🔬", strings.Repeat("x", 200), "a会b議c",
	} {
		for cells := range 40 {
			for name, got := range map[string]string{"end": printable.Shorten(text, cells), "middle": printable.ShortenMiddle(text, cells)} {
				if w := printable.Width(got); w > cells {
					t.Errorf("%s: %q in %d cells takes %d: %q", name, text, cells, w, got)
				}
				if printable.Width(text) <= cells && got != text {
					t.Errorf("%s: %q fits in %d cells, got %q", name, text, cells, got)
				}
				if printable.Line(got) != got {
					t.Errorf("%s: %q cut inside a character: %q", name, text, got)
				}
			}
		}
	}
	if got := printable.ShortenMiddle("interview-2026-11-28.flac", 13); got != "interv…8.flac" {
		t.Errorf("%q does not keep both ends", got)
	}
}
