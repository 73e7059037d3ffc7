package text_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text"
)

// This test writes the golden files: go test ./internal/text -update. Read the difference before you keep it.
var update = flag.Bool("update", false, "write the golden files anew")

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func ptr[T any](v T) *T { return &v }

func word(s string, start, end int) scout.Word {
	return scout.Word{Text: s, Start: ptr(ms(start)), End: ptr(ms(end)), LogProb: ptr(-0.25)}
}

// spread returns the words of s with times of 250 ms each, from start on.
func spread(s string, start int) []scout.Word {
	var out []scout.Word
	for i, w := range strings.Fields(s) {
		out = append(out, word(w, start+i*250, start+i*250+230))
	}
	return out
}

// documents are the inputs of the golden files.
func documents() map[string]text.Document {
	long := "We met in the afternoon. Then we walked along the river, past the old mill and the two bridges, until it was dark outside and all the lights of the town were on."
	return map[string]text.Document{
		"plain": {Transcript: scout.Transcript{
			Model: "moonshine-tiny-en", Language: "en", Duration: 23400 * time.Millisecond,
			Segments: []scout.Segment{
				{Start: 0, End: ms(11000), Text: "And so, my fellow Americans, ask not what your country can do for you."},
				{Start: ms(11000), End: ms(23400), Text: long},
			},
		}},
		"words": {
			File: "notes/two_*_three.wav", TimeTaken: 1234567 * time.Microsecond,
			Transcript: scout.Transcript{
				Model: "moonshine-tiny-en", Language: "en", Duration: 3*time.Hour + 62*time.Second + ms(5),
				Segments: []scout.Segment{
					{Start: ms(500), End: ms(12000), Text: long, AvgLogProb: ptr(-0.123456), Words: spread(long, 700)},
					{
						Start: ms(3662000), End: ms(3666005), Text: "Stop  it.",
						Words: []scout.Word{word("Stop", 3662100, 3662400), {Text: "it."}},
					},
				},
			},
		},
		"set-aside": {
			File: "broken.wav",
			Transcript: scout.Transcript{
				Model: "my_own_model", Duration: ms(40000),
				Segments: []scout.Segment{
					{Start: 0, End: ms(9000), Text: "Before."},
					{Start: ms(20000), End: ms(30000), Text: "Between."},
				},
				SetAside: []scout.SetAside{
					{Start: ms(9000), End: ms(20000), Code: scout.CodeAudioSetAside, Reason: "the engine ended twice (signal: killed)"},
					{Start: ms(30000), End: ms(40000), Code: scout.CodeAudioSetAside, Reason: "the engine\nended twice"},
				},
				Warnings: []scout.Warning{
					{Code: scout.WarningTracks, Message: "2 audio tracks: the first was read"},
					{Code: scout.WarningCutOff, Start: ptr(ms(40000)), Message: "the audio ends early"},
				},
			},
		},
		"hostile": {
			File: "<b>a&b</b>.wav",
			Transcript: scout.Transcript{
				Model: "m", Language: "en", Duration: ms(4000),
				Segments: []scout.Segment{
					{Start: 0, End: ms(1000), Text: "a\tb\nc\r\n\r\n2\n00:00:01,000 --> 00:00:02,000 <i>x</i> & y"},
					{Start: ms(1000), End: ms(1000), Text: "no length"},
					{Start: ms(1000), End: ms(4000), Text: "caf\xe9 *bold* [link](http://x) `code` # 1. \"quoted\" \\ ünï 語", AvgLogProb: ptr(nan())},
				},
			},
		},
		"empty": {File: "silence.wav", Transcript: scout.Transcript{Model: "moonshine-tiny-en", Language: "en", Duration: ms(1000)}},
	}
}

func nan() float64 {
	var zero float64
	return zero / zero
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, doc := range documents() {
		for _, format := range text.Formats() {
			t.Run(name+format.Extension(), func(t *testing.T) {
				t.Parallel()
				var got bytes.Buffer
				if err := text.Write(&got, format, doc); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join("testdata", name+format.Extension())
				if *update {
					if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Bytes(), want) {
					t.Errorf("differs from %s:\n%s", path, got.String())
				}
			})
		}
	}
}

func TestFieldsThatTheModelDoesNotGiveAreAbsent(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := text.Write(&got, text.JSON, documents()["plain"]); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"words", "logprob", "file", "time_taken", "set_aside", "warnings", "null"} {
		if strings.Contains(got.String(), field) {
			t.Errorf("%q must not be in\n%s", field, got.String())
		}
	}
}

// A translation names the language that was spoken, and that of its words.
func TestATranslationNamesBothLanguages(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		transcript     scout.Transcript
		json, markdown string
	}{
		"a text":                        {scout.Transcript{Language: "de"}, `"language":"de",`, "- Language: de\n"},
		"a translation":                 {scout.Transcript{Language: "de", Translated: true}, `"language":"de","task":"translate","text_language":"en",`, "- Language: en, translated from de\n"},
		"a translation of nobody knows": {scout.Transcript{Translated: true}, `"task":"translate","text_language":"en",`, "- Language: en, translated\n"},
	} {
		doc := text.Document{Transcript: c.transcript}
		object, err := json.Marshal(text.ObjectOf(doc))
		if err != nil || !strings.Contains(string(object), c.json) || strings.Contains(string(object), "text_language") != c.transcript.Translated {
			t.Errorf("%s: %s (%v), want %s", situation, object, err, c.json)
		}
		if got := written(t, text.Markdown, doc); !strings.Contains(got, c.markdown) {
			t.Errorf("%s: %s, want %s", situation, got, c.markdown)
		}
	}
}

func TestParseFormat(t *testing.T) {
	t.Parallel()
	for _, f := range text.Formats() {
		if got, err := text.ParseFormat(strings.ToUpper(string(f))); err != nil || got != f {
			t.Errorf("%s: %v, %v", f, got, err)
		}
	}
	for _, s := range []string{"", "docx", "srt "} {
		if _, err := text.ParseFormat(s); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// full fails after some bytes, as a full disk does.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func TestWriteFails(t *testing.T) {
	t.Parallel()
	for _, format := range text.Formats() {
		err := text.Write(&full{room: 5}, format, documents()["words"])
		if scout.CodeOf(err) != scout.CodeDiskFull || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v has code %q", format, err, scout.CodeOf(err))
		}
	}
	if err := text.Write(&full{}, "docx", text.Document{}); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("unknown format: %v", err)
	}
}

// FuzzWrite checks that no text can break its format: subtitle files keep their structure, the JSON file parses, and
// the table keeps its columns.
func FuzzWrite(f *testing.F) {
	f.Add("hello world", "again", int64(0), int64(1000), int64(2000))
	f.Add("a --> b\n\n1\n00:00:00.000 --> 00:00:01.000", "<c>&\x00", int64(5), int64(5), int64(4))
	f.Add("\xff\xfe", "", int64(-7), int64(1<<40), int64(-1<<40))
	cueLine := regexp.MustCompile(`^\d\d+:\d\d:\d\d[.,]\d\d\d --> \d\d+:\d\d:\d\d[.,]\d\d\d$`)
	f.Fuzz(func(t *testing.T, a, b string, t0, t1, t2 int64) {
		d := func(n int64) time.Duration { return time.Duration(n%1e9) * time.Microsecond }
		doc := text.Document{File: a, Transcript: scout.Transcript{
			Model: b, Segments: []scout.Segment{
				{Start: d(t0), End: d(t1), Text: a},
				{Start: d(t1), End: d(t2), Text: a + " " + b, Words: []scout.Word{{Text: a, Start: ptr(d(t1)), End: ptr(d(t2))}, {Text: b, Start: ptr(d(t2))}}},
			},
		}}
		for _, format := range text.Formats() {
			var out bytes.Buffer
			if err := text.Write(&out, format, doc); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			switch format {
			case text.JSON:
				if !json.Valid(out.Bytes()) {
					t.Fatalf("not JSON: %s", out.String())
				}
			case text.TSV:
				for _, l := range lines {
					if strings.Count(l, "\t") != 2 {
						t.Fatalf("line %q", l)
					}
				}
				if len(lines) != 3 {
					t.Fatalf("%d lines", len(lines))
				}
			case text.SRT, text.VTT:
				for i, l := range lines {
					if strings.Contains(l, "-->") != cueLine.MatchString(l) {
						t.Fatalf("line %d is %q in\n%s", i, l, out.String())
					}
				}
			}
		}
	})
}

func TestCuesAreReadable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := text.Write(&out, text.SRT, documents()["words"]); err != nil {
		t.Fatal(err)
	}
	cues := strings.Split(strings.TrimSpace(out.String()), "\n\n")
	if len(cues) < 3 {
		t.Errorf("%d cues:\n%s", len(cues), out.String())
	}
	for _, c := range cues {
		lines := strings.Split(c, "\n")[2:]
		if len(lines) > 2 || len(strings.Join(lines, " ")) > 84 {
			t.Errorf("cue of %d lines: %q", len(lines), lines)
		}
	}
}
