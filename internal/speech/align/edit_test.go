package align_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/speech/align"
)

func kept(a, b []string) []align.Pair {
	return align.Kept(len(a), len(b), func(i, j int) bool { return a[i] == b[j] })
}

func TestKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a, b string
		want [][2]int
	}{
		"nothing":                        {"", "", nil},
		"equal":                          {"a b", "a b", [][2]int{{0, 0}, {1, 1}}},
		"one wrong":                      {"a b c", "a x c", [][2]int{{0, 0}, {2, 2}}},
		"one left out":                   {"a b c", "a c", [][2]int{{0, 0}, {2, 1}}},
		"one too many":                   {"a c", "a b c", [][2]int{{0, 0}, {1, 2}}},
		"all wrong":                      {"a b", "x y z", nil},
		"as short, but keeping one word": {"a b", "b a", [][2]int{{1, 0}}},
	} {
		var got [][2]int
		for _, p := range kept(strings.Fields(c.a), strings.Fields(c.b)) {
			got = append(got, [2]int{p.A, p.B})
		}
		if len(got) != len(c.want) || name != "as short, but keeping one word" && !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The kept words are alike and in order, and the rest is the smallest possible number of edits.
func TestKeptIsAShortestEdit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"a", "b", "c"})
		a := rapid.SliceOfN(word, 0, 12).Draw(t, "a")
		b := rapid.SliceOfN(word, 0, 12).Draw(t, "b")
		edits, i, j := 0, 0, 0
		for _, p := range append(kept(a, b), align.Pair{A: len(a), B: len(b)}) {
			if p.A < i || p.B < j || p.A < len(a) && a[p.A] != b[p.B] {
				t.Fatalf("%v is out of order after %d, %d", p, i, j)
			}
			edits += max(p.A-i, p.B-j)
			i, j = p.A+1, p.B+1
		}
		if want := distance(a, b); edits != want {
			t.Fatalf("%d edits besides the kept words, want %d", edits, want)
		}
	})
}

// distance is Levenshtein's distance, computed from its definition.
func distance(a, b []string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0]++
		for j := range b {
			least := diagonal
			if a[i] != b[j] {
				least = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], least
		}
	}
	return row[len(b)]
}
