package bench_test

import (
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/bench"
	"pgregory.net/rapid"
)

func TestCountEdits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reference, hypothesis string
		want                  bench.Edits
	}{
		{"", "", bench.Edits{}},
		{"a b c", "a b c", bench.Edits{Reference: 3}},
		{"a b c", "", bench.Edits{Reference: 3, Deleted: 3}},
		{"", "a b", bench.Edits{Inserted: 2}},
		{"a b c", "a x c", bench.Edits{Reference: 3, Substituted: 1}},
		{"a b c", "a c", bench.Edits{Reference: 3, Deleted: 1}},
		{"a b c", "a b x c", bench.Edits{Reference: 3, Inserted: 1}},
		{"a b c d", "b c d e", bench.Edits{Reference: 4, Deleted: 1, Inserted: 1}},
		{"the cat sat", "a cat sat down", bench.Edits{Reference: 3, Substituted: 1, Inserted: 1}},
	}
	for _, tt := range tests {
		if got := bench.CountEdits(strings.Fields(tt.reference), strings.Fields(tt.hypothesis)); got != tt.want {
			t.Errorf("%q to %q: %+v, want %+v", tt.reference, tt.hypothesis, got, tt.want)
		}
	}
}

// plain is the edit distance as the textbook has it.
func plain[T comparable](a, b []T) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
		}
	}
	return d[len(a)][len(b)]
}

func TestDistancesAreThoseOfTheTextbook(t *testing.T) {
	t.Parallel()
	letters := rapid.SliceOfN(rapid.RuneFrom([]rune("abä ")), 0, 300)
	rapid.Check(t, func(t *rapid.T) {
		a, b := letters.Draw(t, "a"), letters.Draw(t, "b")
		if rapid.Bool().Draw(t, "alike") { // few differences in a long text
			b = append([]rune{}, a...)
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				if len(b) > 0 {
					i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
					b = append(b[:i], b[i+1:]...)
				}
			}
		}
		if got, want := bench.Distance(string(a), string(b)), plain(a, b); got != want {
			t.Fatalf("distance of %q and %q is %d, want %d", string(a), string(b), got, want)
		}
		x, y := strings.Split(string(a), ""), strings.Split(string(b), "")
		e := bench.CountEdits(x, y)
		if e.Errors() != plain(x, y) || e.Reference != len(x) || len(x)-e.Deleted+e.Inserted != len(y) {
			t.Fatalf("edits of %q and %q are %+v, want %d in all", x, y, e, plain(x, y))
		}
	})
}

func BenchmarkDistance(b *testing.B) {
	text := strings.Repeat("the quick brown fox jumps over the lazy dog ", 1400)
	other := strings.ReplaceAll(text, "lazy dog the quick", "lacy dock a quick")
	for b.Loop() {
		bench.Distance(text, other)
	}
}
