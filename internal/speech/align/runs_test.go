package align_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
)

// runsOf shows runs: "=" before words that both texts have, "!" before those in which they differ.
func runsOf(a, b []scout.Word) string {
	var shown []string
	text := func(words []scout.Word) string {
		list := make([]string, len(words))
		for i := range words {
			list[i] = words[i].Text
		}
		return strings.Join(list, " ")
	}
	for _, r := range align.Runs(a, b) {
		if r.Same {
			shown = append(shown, "="+text(r.A.Of(a)))
		} else {
			shown = append(shown, "!"+text(r.A.Of(a))+"/"+text(r.B.Of(b)))
		}
	}
	return strings.Join(shown, " ")
}

func TestRuns(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct{ a, b, want string }{
		"nothing":                         {"", "", ""},
		"one is empty":                    {"", "one two", "!/one two"},
		"the other is empty":              {"one two", "", "!one two/"},
		"the same":                        {"One two.", "one, two", "=One two."},
		"one word":                        {"a b c", "a x c", "=a !b/x =c"},
		"several words stay together":     {"one red cat ran", "one bread hat ran", "=one !red cat/bread hat =ran"},
		"a word is missing":               {"a b c", "a c", "=a !b/ =c"},
		"written as one word":             {"the shop-boy ran", "the shop boy ran", "=the shop-boy ran"},
		"a mark belongs to the word":      {"a - b", "a b", "=a - b"},
		"a mark at the beginning":         {"- a", "a", "=- a"},
		"pairs words that are alike":      {"he went too far", "he want to fur so", "=he !went too far/want to fur so"},
		"an insertion beside a different": {"we go home", "we all go hum", "=we !/all =go !home/hum"},
		"marks against a word":            {"...", "a", "!.../a"},
	} {
		a, b := spokenWords(c.a, 0, true), spokenWords(c.b, 0, false)
		if got := runsOf(a, b); got != c.want {
			t.Errorf("%s: %s, want %s", situation, got, c.want)
		}
	}
}

// Runs cover both texts in order, and what they say is so. A revised text has, for each run, one side or the other, and its times
// never go back.
func TestRunsCoverBothTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"a", "b", "ab", "c.", "-", "I", "Bc"})
		a := spokenWords(strings.Join(rapid.SliceOfN(word, 0, 10).Draw(t, "a"), " "), 0, rapid.Bool().Draw(t, "a timed"))
		b := spokenWords(strings.Join(rapid.SliceOfN(word, 0, 10).Draw(t, "b"), " "), 0.1, rapid.Bool().Draw(t, "b timed"))
		runs := align.Runs(a, b)
		i, j := 0, 0
		for k, r := range runs {
			if r.A.From != i || r.B.From != j || r.A.To < i || r.B.To < j || k > 0 && runs[k-1].Same == r.Same {
				t.Fatalf("run %d of %v: %+v", k, runsOf(a, b), runs)
			}
			if same := key(r.A.Of(a)) == key(r.B.Of(b)); same != r.Same {
				t.Fatalf("run %d of %v", k, runsOf(a, b))
			}
			i, j = r.A.To, r.B.To
		}
		if i != len(a) || j != len(b) {
			t.Fatalf("%v covers %d of %d and %d of %d words", runsOf(a, b), i, len(a), j, len(b))
		}
		takes := make([]bool, len(runs))
		for k := range takes {
			takes[k] = rapid.Bool().Draw(t, "take")
		}
		before := fmt.Sprint(placesOf(timedOnly(a)), placesOf(timedOnly(b)))
		revised := align.Revise(a, b, runs, func(r align.Run) bool { return takes[slices.Index(runs, r)] })
		var want strings.Builder
		for k, r := range runs {
			if r.Same || takes[k] {
				want.WriteString(key(r.B.Of(b)))
			} else {
				want.WriteString(key(r.A.Of(a)))
			}
		}
		if key(revised) != want.String() {
			t.Fatalf("revised to %q, want %q", key(revised), want.String())
		}
		var last time.Duration
		for _, w := range revised {
			if w.Start == nil {
				continue
			}
			if *w.Start < last || *w.End < *w.Start {
				t.Fatalf("times go back: %v", placesOf(timedOnly(revised)))
			}
			last = *w.End
		}
		if after := fmt.Sprint(placesOf(timedOnly(a)), placesOf(timedOnly(b))); after != before {
			t.Fatalf("the texts were changed: %s, was %s", after, before)
		}
	})
}

// key are the letters of words.
func key(words []scout.Word) string {
	var text strings.Builder
	for _, w := range words {
		text.WriteString(strings.ToLower(strings.Trim(w.Text, ".-")))
	}
	return text.String()
}

func timedOnly(words []scout.Word) []scout.Word {
	return slices.DeleteFunc(slices.Clone(words), func(w scout.Word) bool { return w.Start == nil || w.End == nil })
}

// rewriting is what Amend or Revise makes of two texts where every run that differs is taken, or none.
type rewriting struct {
	a, b, want string
	take       bool
}

// testRewriting tries the cases, and which times words get.
func testRewriting(t *testing.T, rewrite func(a, b []scout.Word, runs []align.Run, take func(align.Run) bool) []scout.Word, cases map[string]rewriting) {
	t.Helper()
	made := func(a, b []scout.Word, take bool) []scout.Word {
		return rewrite(a, b, align.Runs(a, b), func(align.Run) bool { return take })
	}
	for situation, c := range cases {
		words := made(spokenWords(c.a, 0, true), spokenWords(c.b, 0, true), c.take)
		list := make([]string, len(words))
		for i := range words {
			list[i] = words[i].Text
		}
		if got := strings.Join(list, " "); got != c.want {
			t.Errorf("%s: %q, want %q", situation, got, c.want)
		}
	}
	words := made(spokenWords("one too three", 0, true), spokenWords("one two three", 0.15, true), true)
	if got, want := placesOf(words), "one(0.40) two(0.95) three(1.20) "; got != want {
		t.Errorf("times are %s, want %s", got, want)
	}
}

func TestRevise(t *testing.T) {
	t.Parallel()
	testRewriting(t, align.Revise, map[string]rewriting{
		"all of b":                         {"we met frank. and left", "We met Frank and left.", "We met Frank and left.", true},
		"a's word takes b's mark":          {"hello word", "Hello, world.", "Hello, word.", false},
		"a's word begins a sentence":       {"yes. these are good", "Yes. This are good", "Yes. These are good", false},
		"a's sentence began and b's not":   {"we know. The end", "we know, an end", "we know, the end", false},
		"I has its capital anywhere":       {"we know. I end", "we know, an end", "we know, I end", false},
		"a name in b has its capital in a": {"we met. Peter there", "we met Peta there", "we met Peter there", false},
		"an abbreviation":                  {"at. NATO now", "at nature now", "at NATO now", false},
		"a word that b has not":            {"one two three", "One three.", "One two three.", false},
		"a word that a has not":            {"one three", "One two three.", "One three.", false},
		"the same is taken from b":         {"the shop boy", "The shop-boy!", "The shop-boy!", false},
	})
}

func TestRunLogProbs(t *testing.T) {
	t.Parallel()
	with := func(text string, p ...float64) []scout.Word {
		words := spokenWords(text, 0, false)
		for i := range p {
			words[i].LogProb = &p[i]
		}
		return words
	}
	for situation, c := range map[string]struct {
		a, b  []scout.Word
		x, y  float64
		known bool
	}{
		"sums of words":             {with("a b c d", -0.1, -1, -2, -0.1), with("a x d", -0.1, -3, -0.1), -3, -3, true},
		"missing: the lower beside": {with("a b c", -0.1, -1, -2), with("a c", -0.5, -0.25), -1, -0.5, true},
		"missing at the end":        {with("a b", -0.1, -1), with("a", -0.5), -1, -0.5, true},
		"not known":                 {with("a b c", -0.1, -1, -2), with("a x c"), -1, 0, false},
	} {
		for _, r := range align.Runs(c.a, c.b) {
			if r.Same {
				continue
			}
			if x, y, known := r.LogProbs(c.a, c.b); known != c.known || x != c.x || known && y != c.y {
				t.Errorf("%s: %v and %v, known: %v", situation, x, y, known)
			}
		}
	}
}
