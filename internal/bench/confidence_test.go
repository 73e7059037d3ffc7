package bench

import (
	"math"
	"slices"
	"strings"
	"testing"
)

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
