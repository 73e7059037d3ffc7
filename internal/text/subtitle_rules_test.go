package text_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text"
)

var vocabulary = []string{
	"a", "the", "of", "we", "it.", "So,", "Mr.", "Quilter", "afternoon", "responsibilities", "and", "because", "No.", "well-known", "“Stop!”", "he",
	"https://example.com/a/very/long/path/that/no/line/can/hold?with=arguments&and=more", strings.Repeat("Donaudampf", 12), "é́", "👨‍👩‍👧‍👦",
	"你好。", "我们在下午见面，然后沿着河边走，经过老磨坊和两座桥，一直走到天黑，镇上的灯都亮了。", "「こんにちは」", "カラー", "안녕하세요.", "ＡＢＣ！",
	"สวัสดีครับเราพบกันตอนบ่ายแล้วเดินเลียบแม่น้ำไปจนมืด", "שלום", "مرحبا؟", "नमस्ते।", "3.50", "1,000,000", "x",
}

// transcripts draws any transcript: with known, partly known and unknown words, pauses, fast speech, and segments
// without words.
func transcripts(t *rapid.T) scout.Transcript {
	var tr scout.Transcript
	at := rapid.IntRange(0, 2000).Draw(t, "begin")
	for range rapid.IntRange(1, 8).Draw(t, "segments") {
		s := scout.Segment{Start: ms(at)}
		withWords := rapid.IntRange(0, 3).Draw(t, "with words") > 0
		unplaced := rapid.SampledFrom([]int{0, 0, 10, 60, 100}).Draw(t, "unplaced")
		hurry := rapid.SampledFrom([]int{20, 60, 90, 200}).Draw(t, "milliseconds a character")
		var texts []string
		for range rapid.IntRange(1, 30).Draw(t, "words") {
			w := scout.Word{Text: rapid.SampledFrom(vocabulary).Draw(t, "word")}
			texts = append(texts, w.Text)
			took := hurry * uniseg.StringWidth(w.Text)
			if rapid.IntRange(0, 99).Draw(t, "placed") >= unplaced {
				w.Start, w.End = ptr(ms(at)), ptr(ms(at+took))
			}
			at += took + rapid.SampledFrom([]int{0, 0, 0, 0, 10, 100, 400, 1200, 2900, 3000, 20000}).Draw(t, "pause")
			if withWords {
				s.Words = append(s.Words, w)
			}
		}
		s.End, s.Text = ms(at), strings.Join(texts, " ")
		tr.Segments = append(tr.Segments, s)
		at += rapid.SampledFrom([]int{0, 0, 300, 9000}).Draw(t, "silence")
	}
	tr.Duration = ms(at)
	return tr
}

// Every rule without exception holds for any transcript and layout.
func TestSubtitlesKeepTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		doc := text.Document{Transcript: transcripts(t), Layout: text.Layout{
			MaxLineWidth: rapid.SampledFrom([]int{0, 10, 20, 42, 80}).Draw(t, "width"), MaxLineCount: rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "lines"),
		}}
		var out strings.Builder
		if err := text.Write(&out, text.SRT, doc); err != nil {
			t.Fatalf("%v", err)
		}
		keepsTheRules(t, &doc, cues(t, out.String()))
	})
}

func keepsTheRules(t failing, doc *text.Document, got []shown) {
	wide, high := doc.Layout.MaxLineWidth, doc.Layout.MaxLineCount
	if wide == 0 {
		wide = 42
	}
	if high == 0 {
		high = 2
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
	var want, have strings.Builder
	for i := range doc.Transcript.Segments {
		want.WriteString(squeeze(doc.Transcript.Segments[i].Text))
	}
	for i, c := range got {
		have.WriteString(squeeze(c.text()))
		fail := func(format string, args ...any) {
			t.Fatalf("cue %d of %d, %v to %v, %q: %s", i+1, len(got), c.start, c.end, c.lines, fmt.Sprintf(format, args...))
		}
		next := doc.Transcript.Duration
		if i+1 < len(got) {
			next = got[i+1].start
		}
		if len(c.lines) > high {
			fail("more than %d lines", high)
		}
		for _, l := range c.lines {
			if uniseg.StringWidth(l) > wide || strings.TrimSpace(l) != l || l == "" {
				fail("a line of %d columns: %q", uniseg.StringWidth(l), l)
			}
		}
		if c.end <= c.start || c.end-c.start > 7*time.Second || c.end > next {
			fail("shown for %v, the next at %v", c.end-c.start, next)
		}
		if c.end-c.start < 829*time.Millisecond && next-c.end > time.Millisecond {
			fail("too short, though the next one begins at %v", next)
		}
	}
	if have.String() != want.String() {
		t.Fatalf("the text is\n%s\nnot\n%s", have.String(), want.String())
	}
}

// A cue is prolonged into a pause for the reader, but not for long: the times of known words say when it should have
// ended.
func TestCuesEndSoonAfterTheirWords(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tr := scout.Transcript{Segments: []scout.Segment{{}}}
		s := &tr.Segments[0]
		at := 0
		var ends []time.Duration
		for range rapid.IntRange(1, 40).Draw(t, "words") {
			w := rapid.SampledFrom([]string{"a", "word", "another", "end.", "comma,", "considerable"}).Draw(t, "word")
			took := rapid.IntRange(20, 900).Draw(t, "took")
			s.Words = append(s.Words, word(w, at, at+took))
			ends = append(ends, ms(at+took))
			at += took + rapid.SampledFrom([]int{0, 0, 0, 200, 900, 1500, 5000}).Draw(t, "pause")
		}
		s.End, tr.Duration = ms(at), ms(at)
		var out strings.Builder
		if err := text.Write(&out, text.VTT, text.Document{Transcript: tr}); err != nil {
			t.Fatalf("%v", err)
		}
		n := 0
		for _, c := range cues(t, out.String()) {
			n += len(strings.Fields(c.text()))
			end := ends[n-1]
			if c.end < min(end, c.start+7*time.Second) || c.end > max(end+500*time.Millisecond, c.start+830*time.Millisecond) {
				t.Fatalf("%q is at %v to %v, but its last word ends at %v", c.lines, c.start, c.end, end)
			}
		}
	})
}

// Each case is a stretch of speech of even speed, and how it should be shown: "/" separates lines, "|" separates cues.
func TestSubtitlesAreCutWell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said string
		pace int // milliseconds a word; 0 for no times
		want string
	}{
		"one word":                     {"Stop.", 400, "Stop."},
		"a title begins the sentence":  {"Mr. Quilter is the apostle of the middle classes, and we are glad to welcome his gospel.", 330, "Mr. Quilter is the apostle/of the middle classes,|and we are glad to welcome his gospel."},
		"the last word stays":          {"The weather was fine and we were all glad to be out in the sun, which shone on everything and everybody.", 300, "The weather was fine/and we were all glad to be out in the sun,|which shone on everything and everybody."},
		"short sentences share a cue":  {"Yes. I know. Go on.", 250, "Yes. I know. Go on."},
		"long sentences do not":        {"We met in the afternoon by the river. Then we walked along the old road.", 300, "We met in the afternoon by the river.|Then we walked along the old road."},
		"no article ends a line":       {"I can see the whole length of it from the window here.", 300, "I can see the whole length/of it from the window here."},
		"no time known":                {"We met by the river and then we walked along the old road until it was dark and all the lights were on.", 0, "We met by the river and then we walked/along the old road until it was dark|and all the lights were on."},
		"Chinese":                      {"我们在下午见面，然后沿着河边走，经过老磨坊和桥，一直走到天黑。", 5000, "我们在下午见面，然后沿着河边走，/经过老磨坊和桥，一直走到天黑。"},
		"an address wider than a line": {"See https://example.com/documents/speech/recognition/index.html for more.", 1000, "See https://example.com/documents//speech/recognition/index.html for more."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scout.Segment{Text: c.said}
			at := 0
			for _, w := range strings.Fields(c.said) {
				if c.pace > 0 {
					s.Words = append(s.Words, word(w, at, at+c.pace-20))
				}
				at += max(c.pace, 330)
			}
			s.End = ms(at)
			doc := text.Document{Transcript: scout.Transcript{Duration: ms(at + 2000), Segments: []scout.Segment{s}}}
			var got []string
			shown := cues(t, written(t, text.SRT, doc))
			for _, c := range shown {
				got = append(got, strings.Join(c.lines, "/"))
			}
			if strings.Join(got, "|") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), c.want)
			}
			keepsTheRules(t, &doc, shown)
		})
	}
}

func TestImpossibleLayouts(t *testing.T) {
	t.Parallel()
	for _, l := range []text.Layout{{MaxLineWidth: 9}, {MaxLineWidth: -1}, {MaxLineWidth: 1001}, {MaxLineCount: -1}, {MaxLineCount: 21}} {
		if err := text.Write(&strings.Builder{}, text.SRT, text.Document{Layout: l}); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%+v: %v", l, err)
		}
	}
}
