package text_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text"
	"github.com/scout-speech/scout/internal/text/sentence"
)

// shown is a cue as a player shows it.
type shown struct {
	start, end time.Duration
	lines      []string
}

func (c shown) text() string { return strings.Join(c.lines, " ") }

func (c shown) columns() int { return uniseg.StringWidth(c.text()) }

func (c shown) speed() float64 { return float64(c.columns()) / (c.end - c.start).Seconds() }

var cueTimes = regexp.MustCompile(`^(\d+):(\d\d):(\d\d)[.,](\d\d\d) --> (\d+):(\d\d):(\d\d)[.,](\d\d\d)$`)

// cues reads SubRip or WebVTT without escapes.
func cues(t failing, written string) []shown {
	var all []shown
	for block := range strings.SplitSeq(strings.TrimSpace(strings.TrimPrefix(written, "WEBVTT\n")), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if len(lines) > 1 && !cueTimes.MatchString(lines[0]) {
			lines = lines[1:] // SubRip's number
		}
		m := cueTimes.FindStringSubmatch(lines[0])
		if m == nil || len(lines) < 2 {
			if block == "" {
				continue
			}
			t.Fatalf("no cue: %q", block)
		}
		at := func(i int) time.Duration {
			var n [4]int
			for k := range n {
				n[k], _ = strconv.Atoi(m[i+k]) // the expression matches only digits
			}
			return time.Duration(n[0])*time.Hour + time.Duration(n[1])*time.Minute + time.Duration(n[2])*time.Second + ms(n[3])
		}
		all = append(all, shown{at(1), at(5), lines[1:]})
	}
	return all
}

// failing is what testing and rapid have in common.
type failing interface {
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// spoken reads a transcript in testdata/speech beside this file. Scout made them with its default model from clips of
// ../shared/speech/dev: scout transcribe -q -f json CLIP | jq -c 'del(.time_taken)'.
func spoken(t *testing.T, path string) scout.Transcript {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Duration float64
		Segments []struct {
			Start, End float64
			Text       string
			Words      []struct {
				Word       string
				Start, End *float64
			}
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	at := func(s float64) time.Duration { return time.Duration(s*1e3+0.5) * time.Millisecond }
	transcript := scout.Transcript{Duration: at(doc.Duration)}
	for _, s := range doc.Segments {
		segment := scout.Segment{Start: at(s.Start), End: at(s.End), Text: s.Text}
		for _, w := range s.Words {
			word := scout.Word{Text: w.Word}
			if w.Start != nil {
				word.Start, word.End = ptr(at(*w.Start)), ptr(at(*w.End))
			}
			segment.Words = append(segment.Words, word)
		}
		transcript.Segments = append(transcript.Segments, segment)
	}
	return transcript
}

// Counts, over real speech, how often each rule is broken.
func TestSubtitlesOfSpeechAreReadable(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/speech/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	var all, wide, high, long, short, shortBeforePause, lonely, fast, fastBeforePause, veryFast, badEnd, lines int
	for _, path := range files {
		doc := text.Document{Transcript: spoken(t, path)}
		got := cues(t, written(t, text.SRT, doc))
		var words []string
		for _, c := range got {
			words = append(words, strings.Fields(c.text())...)
		}
		at := 0
		for i, c := range got {
			all++
			next := doc.Transcript.Duration
			if i+1 < len(got) {
				next = got[i+1].start
			}
			for _, l := range c.lines {
				lines++
				if uniseg.StringWidth(l) > 42 {
					wide++
				}
			}
			for _, l := range c.lines[:len(c.lines)-1] {
				if regexp.MustCompile(`(?i)(^| )(a|an|the|of|to)$`).MatchString(l) {
					badEnd++
				}
			}
			if len(c.lines) > 2 {
				high++
			}
			if c.end-c.start > 7*time.Second {
				long++
			}
			pause := next-c.end > time.Millisecond
			if c.end-c.start < 830*time.Millisecond {
				short++
				t.Logf("%s: short, %v: %q", filepath.Base(path), c.end-c.start, c.lines)
				if pause {
					shortBeforePause++
				}
			}
			n := len(strings.Fields(c.text()))
			if n == 1 && at > 0 && !sentence.Ends(words, at-1) {
				lonely++
				t.Logf("%s: lonely: %q", filepath.Base(path), c.lines)
			}
			at += n
			if c.speed() > 20 {
				fast++
				if pause && c.end < spokenEnd(&doc.Transcript, next)+500*time.Millisecond {
					fastBeforePause++
				}
			}
			if c.speed() > 25 {
				veryFast++
				t.Logf("%s: %.0f a second: %q", filepath.Base(path), c.speed(), c.lines)
			}
		}
	}
	t.Logf("%d cues, %d lines: %d lines over 42 columns, %d cues over 2 lines, %d over 7 s, %d under 0.83 s (%d before a pause), %d lonely words, "+
		"%d over 20 columns a second (%d before a pause that is left), %d over 25, %d lines end with an article or with \"of\" or \"to\"",
		all, lines, wide, high, long, short, shortBeforePause, lonely, fast, fastBeforePause, veryFast, badEnd)
	if wide+high+long+shortBeforePause+lonely+fastBeforePause > 0 {
		t.Error("a rule is broken")
	}
	if all < 150 || short*50 > all || badEnd*50 > lines || veryFast*30 > all {
		t.Error("too many are hard to read") // those over 25 are spoken that fast, without a pause
	}
}

// spokenEnd returns the end of the last word that begins before the time.
func spokenEnd(t *scout.Transcript, before time.Duration) time.Duration {
	var end time.Duration
	for i := range t.Segments {
		for _, w := range t.Segments[i].Words {
			if w.Start != nil && *w.Start < before {
				end = max(end, *w.End)
			}
		}
	}
	return end
}
