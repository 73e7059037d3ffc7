package bench

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reference, hypothesis string
		want                  []match
	}{
		"nothing":      {"", "", nil},
		"equal":        {"a b", "a b", []match{{0, 0}, {1, 1}}},
		"one wrong":    {"a b c", "a x c", []match{{0, 0}, {2, 2}}},
		"one left out": {"a b c", "a c", []match{{0, 0}, {2, 1}}},
		"one too many": {"a c", "a b c", []match{{0, 0}, {1, 2}}},
		"all wrong":    {"a b", "x y z", nil},
	} {
		if got := matches(strings.Fields(c.reference), strings.Fields(c.hypothesis)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// What is matched is alike and in order, and what is not is as many edits as there must be.
func TestMatchesAreAShortestEdit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"a", "b", "c"})
		a := rapid.SliceOfN(word, 0, 12).Draw(t, "reference")
		b := rapid.SliceOfN(word, 0, 12).Draw(t, "hypothesis")
		edits, i, j := 0, 0, 0
		for _, m := range append(matches(a, b), match{len(a), len(b)}) {
			if m.reference < i || m.hypothesis < j || m.reference < len(a) && a[m.reference] != b[m.hypothesis] {
				t.Fatalf("%v matched after %d, %d", m, i, j)
			}
			edits += max(m.reference-i, m.hypothesis-j)
			i, j = m.reference+1, m.hypothesis+1
		}
		if want := CountEdits(a, b).Errors(); edits != want {
			t.Fatalf("%d edits around the matches, %d needed", edits, want)
		}
	})
}

func TestConfidence(t *testing.T) {
	t.Parallel()
	heard := []HeardWord{{"I'm", -0.1}, {"hear", -2}, {"-", -9}, {"Mr.", -0.3}, {"Smith,", -1.5}, {"now", -0.2}}
	got := judgeWords(strings.Fields("I am here Mister Smith now"), heard)
	want := []judged{{-0.1, false}, {-2, false}, {-0.3, true}, {-1.5, true}, {-0.2, true}}
	if !slices.Equal(got, want) { // "I'm" is two words there: a word is right as a whole, or wrong
		t.Fatalf("judged %v, want %v", got, want)
	}
	for name, c := range map[string]struct {
		words []judged
		auc   float64
	}{
		"perfect":  {[]judged{{-3, false}, {-1, true}, {-2, true}}, 1},
		"upside":   {[]judged{{-1, false}, {-3, true}}, 0},
		"no sense": {[]judged{{-1, false}, {-1, true}, {-1, true}}, 0.5},
		"mixed":    {[]judged{{-4, false}, {-3, true}, {-2, false}, {-1, true}}, 0.75},
	} {
		if got := confidenceOf(c.words); got == nil || math.Abs(got.AUC-c.auc) > 1e-9 || got.Words != len(c.words) {
			t.Errorf("%s: %+v, want %v", name, got, c.auc)
		}
	}
	if got := confidenceOf([]judged{{-1, true}}); got != nil {
		t.Errorf("nothing wrong: %+v", got)
	}
}
