package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
)

func TestParseWordTimes(t *testing.T) {
	t.Parallel()
	const header = "file\tstart_s\tend_s\tword\n"
	clips, err := ParseWordTimes(strings.NewReader(header + "a.wav\t0.5\t0.8\tgood\na.wav\t0.8\t1\tmorning\r\n\nb.wav\t0\t0.25\tyes\n"))
	if err != nil || len(clips) != 2 || len(clips[0].Words) != 2 || clips[1].File != "b.wav" ||
		clips[0].Words[1].Text != "morning" || *clips[0].Words[1].End != time.Second || *clips[1].Words[0].End != 250*time.Millisecond {
		t.Fatalf("%+v, %v", clips, err)
	}
	for name, text := range map[string]string{
		"empty": "", "a header alone": header, "three fields": header + "a\t1\tb\n", "no number": header + "a\tx\t1\tb\n",
		"NaN": header + "a\tNaN\t1\tb\n", "below 0": header + "a\t-1\t1\tb\n", "ends first": header + "a\t2\t1\tb\n",
		"out of order": header + "a\t2\t3\tb\na\t1\t2\tc\n", "endless": header + "a\t1\tInf\tb\n",
	} {
		if _, err := ParseWordTimes(strings.NewReader(text)); scout.CodeOf(err) != scout.CodeManifestInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseWordTimes(f *testing.F) {
	f.Add("file\tstart_s\tend_s\tword\na.wav\t0.5\t0.8\tgood\n")
	f.Add("\n\t\t\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		clips, err := ParseWordTimes(strings.NewReader(text))
		for _, c := range clips {
			for _, w := range c.Words {
				if err == nil && (*w.Start < 0 || *w.End < *w.Start) {
					t.Fatalf("%q from %v to %v", w.Text, *w.Start, *w.End)
				}
			}
		}
	})
}

func TestWordTimesAdd(t *testing.T) {
	t.Parallel()
	ms := func(n int) *time.Duration { d := time.Duration(n) * time.Millisecond; return &d }
	known := []TimedWord{{"Good", ms(0), ms(200)}, {"morning", ms(200), ms(700)}, {"to", ms(700), nil}, {"you", ms(800), ms(1000)}}
	heard := []scout.Word{
		{Text: "good", Start: ms(30), End: ms(190)},
		{Text: "mourning", Start: ms(190), End: ms(690)}, // another word: not judged
		{Text: "to,", Start: ms(550), End: ms(800)},
		{Text: "you"}, // no time
	}
	var w WordTimes
	w.Add(known, heard)
	want := BorderErrors{Count: 2, Median: 90, P90: 138, Bias: -60, Within100: 0.5, Within200: 1}
	if w.Words != 4 || w.Heard != 3 || w.Unplaced != 1 || w.Start != want || w.End.Count != 1 || w.End.Median != 10 || w.End.Bias != -10 {
		t.Errorf("%+v", w)
	}
}

// If a word was said twice and recognised once, the nearest in time is used.
func TestWordTimesAddTakesTheNearest(t *testing.T) {
	t.Parallel()
	at := func(n int) *time.Duration { d := time.Duration(n) * time.Millisecond; return &d }
	known := []TimedWord{{"going", at(100), at(300)}, {"else", at(300), at(500)}, {"going", at(500), at(700)}, {"on", at(700), at(900)}}
	for _, start := range []int{110, 490} {
		var w WordTimes
		w.Add(known, []scout.Word{{Text: "going", Start: at(start), End: at(start + 200)}, {Text: "on", Start: at(700), End: at(900)}})
		if w.Heard != 2 || w.Start.Within100 != 1 {
			t.Errorf("heard at %d ms: %+v", start, w)
		}
	}
}
