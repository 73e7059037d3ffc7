package text_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text"
)

// said is a segment of a talk: its text, and the pause before it in milliseconds.
type said struct {
	pause int
	text  string
}

// talk returns segments of 3 s each, after their pauses.
func talk(parts ...said) text.Document {
	var doc text.Document
	at := 0
	for _, p := range parts {
		at += p.pause
		doc.Transcript.Segments = append(doc.Transcript.Segments, scout.Segment{Start: ms(at), End: ms(at + 3000), Text: p.text})
		at += 3000
	}
	doc.Transcript.Duration = ms(at)
	return doc
}

func repeated(n, pause int, text string) []said {
	var out []said
	for range n {
		out = append(out, said{pause, text})
	}
	return out
}

func written(t *testing.T, format text.Format, doc text.Document) string {
	t.Helper()
	var out bytes.Buffer
	if err := text.Write(&out, format, doc); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestParagraphsEndAtLongPauses(t *testing.T) {
	t.Parallel()
	const fifty = "This sentence is as long as fifty characters, yes."
	for name, c := range map[string]struct {
		talk []said
		want int
	}{
		"nothing said":                            {nil, 0},
		"one sentence":                            {[]said{{500, "One."}}, 1},
		"twenty seconds of silence":               {[]said{{0, "One."}, {20000, "Two."}}, 2},
		"two seconds":                             {[]said{{0, "One."}, {2000, "Two."}}, 2},
		"a breath":                                {[]said{{0, "One."}, {600, "Two."}, {1900, "Three."}}, 1},
		"a long pause inside of a sentence":       {[]said{{0, "And then"}, {3000, "it rained."}}, 1},
		"a very long one":                         {[]said{{0, "and then"}, {4000, "it rained"}}, 2},
		"a title in front of a pause":             {[]said{{0, "I met Mr."}, {2500, "Quilter."}}, 1},
		"a fluent talk without a pause":           {repeated(100, 0, fifty), 1},
		"a long talk with short pauses":           {repeated(63, 700, fifty), 4},
		"a long talk with pauses of a second":     {repeated(40, 1000, fifty), 4},
		"Chinese, two seconds behind a full stop": {[]said{{0, "你好。"}, {2000, "再见。"}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := talk(c.talk...)
			plain := written(t, text.Plain, doc)
			got := 0
			if plain != "" {
				got = len(strings.Split(strings.TrimSuffix(plain, "\n"), "\n\n"))
			}
			if got != c.want {
				t.Errorf("%d paragraphs, want %d:\n%s", got, c.want, plain)
			}
			if md := strings.Count(written(t, text.Markdown, doc), "\n\n**"); md != c.want {
				t.Errorf("%d paragraphs of Markdown, want %d", md, c.want)
			}
			for n := range doc.Transcript.Segments { // adding a segment must not change anything that is already written
				begun := doc
				begun.Transcript.Segments = doc.Transcript.Segments[:n]
				if beginning := strings.TrimSuffix(written(t, text.Plain, begun), "\n"); !strings.HasPrefix(plain, beginning) {
					t.Errorf("the first %d segments are\n%s\nand all\n%s", n, beginning, plain)
				}
			}
		})
	}
}

// A stretch that was not transcribed appears between the texts before and after it, and ends the paragraph.
func TestAsideEndsAParagraphOfMarkdown(t *testing.T) {
	t.Parallel()
	doc := talk(said{0, "One."}, said{500, "Two."}, said{0, "Three."})
	doc.Transcript.SetAside = []scout.SetAside{{Start: ms(3000), End: ms(3500), Code: scout.CodeAudioSetAside, Reason: "the engine ended"}}
	md := written(t, text.Markdown, doc)
	if !strings.Contains(md, "\n\n**0:00** One.\n\n> **0:03-0:03 not transcribed** (audio\\_set\\_aside): the engine ended\n\n**0:03** Two. Three.\n") {
		t.Error(md)
	}
}

func TestScriptsWithoutSpacesGetNone(t *testing.T) {
	t.Parallel()
	for want, parts := range map[string][]string{
		"你好。再见。":            {"你好。", "再见。"},
		"こんにちは。カー！はい":       {"こんにちは。", "カー！", "はい"},
		"สวัสดีครับ":        {"สวัสดี", "ครับ"},
		"안녕하세요. 반갑습니다.":     {"안녕하세요.", "반갑습니다."},
		"Hello. 你好。 Hello.": {"Hello.", "你好。", "Hello."},
		"One. Two.":         {"One.", "Two."},
	} {
		var talked []said
		for _, p := range parts {
			talked = append(talked, said{0, p})
		}
		doc := talk(talked...)
		var parsed struct{ Text string }
		if err := json.Unmarshal([]byte(written(t, text.JSON, doc)), &parsed); err != nil {
			t.Fatal(err)
		}
		if plain := written(t, text.Plain, doc); plain != want+"\n" || parsed.Text != want {
			t.Errorf("plain %q, JSON %q, want %q", plain, parsed.Text, want)
		}
	}
}

// A name or a text with control characters must not reach a terminal, in any format.
func TestNoTextControlsTheTerminal(t *testing.T) {
	t.Parallel()
	for r := rune(0); r < 0xA0; r++ {
		if r >= ' ' && r < 0x7F || r == '\n' || r == '\t' {
			continue
		}
		doc := talk(said{0, fmt.Sprintf("a%cb", r)})
		doc.File = fmt.Sprintf("n%c[31m.wav", r)
		doc.Transcript.SetAside = []scout.SetAside{{Reason: fmt.Sprintf("x%cy", r)}}
		for _, format := range text.Formats() {
			if out := written(t, format, doc); strings.ContainsRune(out, r) {
				t.Errorf("%s: U+%04X reaches the output: %q", format, r, out)
			}
		}
	}
}
