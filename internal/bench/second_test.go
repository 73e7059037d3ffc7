package bench_test

import (
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// TestSeconds judges a clip in which each pass has one word wrong, and the second is unsure of its own.
func TestSeconds(t *testing.T) {
	t.Parallel()
	said := func(text string, sure map[string]float64) (words []scout.Word) {
		for i, w := range strings.Fields(text) {
			start, end, p := time.Duration(i)*time.Second, time.Duration(i)*time.Second+time.Second/2, -0.1
			if other, ok := sure[w]; ok {
				p = other
			}
			words = append(words, scout.Word{Text: w, Start: &start, End: &end, LogProb: &p})
		}
		return words
	}
	first := said("ask nut what your country", map[string]float64{"nut": -3})
	second := said("ask not what you country", map[string]float64{"you": -3})
	decoded := speech.Decoded{Heard: align.Heard{Words: second}}
	clips := []bench.SecondClip{{
		File: "a.wav", Reference: "ask not what your country", Seconds: 5, First: first, Pieces: []bench.VotePiece{{Decoded: decoded}},
		CPU: bench.VoteCPU{Accurate: 0.5, Fast: 1}, Late: []time.Duration{300 * time.Millisecond, 500 * time.Millisecond},
	}}
	r := bench.Seconds(clips, bench.NormaliserScout, vote.Default())
	for name, want := range map[string]float64{"first pass": 0.2, "second pass alone": 0.2, "published": 0} {
		for _, row := range r.Rows {
			if row.Name == name && (row.All.Value != want || row.Short.Value != want) {
				t.Errorf("%s: %+v, want %v", name, row, want)
			}
		}
	}
	if r.Clips != 1 || r.Words != 5 || r.CPU.Accurate != 0.1 || r.Late.Max != 500 || r.Within != 0.5 || len(r.Rows) != 5 {
		t.Errorf("%+v", r)
	}
	var out strings.Builder
	if err := r.WriteTable(&out); err != nil || !strings.Contains(out.String(), "within 400 ms: 50 %") {
		t.Errorf("%v: %s", err, out.String())
	}
}
