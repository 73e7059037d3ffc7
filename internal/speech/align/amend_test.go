package align_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/speech/align"
)

func TestAmend(t *testing.T) {
	t.Parallel()
	testRewriting(t, align.Amend, map[string]rewriting{
		"nothing is taken":                       {"We met Frank. And left.", "we met franc and lift", "We met Frank. And left.", false},
		"words that both have stay":              {"We met Frank. And left.", "we met frank and left", "We met Frank. And left.", true},
		"the mark that stood there":              {"Hello, word.", "hello world", "Hello, world.", true},
		"no second mark":                         {"Hello word and", "hello world. And", "Hello world and", true},
		"a sentence begins":                      {"Yes. This are good.", "yes these are good", "Yes. These are good.", true},
		"a capital within a sentence":            {"ask not with your", "ask not What your", "ask not What your", true},
		"a name":                                 {"we met peta there", "we met Peter there", "we met Peter there", true},
		"I and NATO":                             {"at. the an nature", "At. the. I NATO", "at. the I NATO", true},
		"words are put in":                       {"One three.", "one two three", "One two three.", true},
		"words are put in before a sentence":     {"Yes. The cat", "yes so the cat", "Yes. So the cat", true},
		"words go":                               {"One two three.", "one three", "One three.", true},
		"the last words go":                      {"One two uh.", "one two", "One two.", true},
		"the first words go":                     {"Uh one two.", "one two", "One two.", true},
		"the last words go, behind a mark":       {"One two, uh.", "one two", "One two,", true},
		"all words go":                           {"Uh.", "", "", true},
		"written as one word":                    {"the shop boy", "the shop-boy", "the shop boy", true},
		"the first word, from a text in capital": {"one two", "On two", "On two", true},
	})
}

// An amended text has, for each run, one side or the other, and its times never go back.
func TestAmendTakesOneSideOfEachRun(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"a", "b", "ab", "c.", "-", "I", "Bc"})
		a := spokenWords(strings.Join(rapid.SliceOfN(word, 0, 10).Draw(t, "a"), " "), 0, rapid.Bool().Draw(t, "a timed"))
		b := spokenWords(strings.Join(rapid.SliceOfN(word, 0, 10).Draw(t, "b"), " "), 0.1, rapid.Bool().Draw(t, "b timed"))
		runs := align.Runs(a, b)
		takes := make([]bool, len(runs))
		var want strings.Builder
		for k, r := range runs {
			if takes[k] = rapid.Bool().Draw(t, "take"); takes[k] && !r.Same {
				want.WriteString(key(r.B.Of(b)))
			} else {
				want.WriteString(key(r.A.Of(a)))
			}
		}
		amended := align.Amend(a, b, runs, func(r align.Run) bool { return takes[slices.Index(runs, r)] })
		if key(amended) != want.String() {
			t.Fatalf("amended to %q, want %q", key(amended), want.String())
		}
		var last time.Duration
		for _, w := range timedOnly(amended) {
			if *w.Start < last || *w.End < *w.Start {
				t.Fatalf("times go back: %v", placesOf(timedOnly(amended)))
			}
			last = *w.End
		}
	})
}

// Long texts are compared in windows: what they share is found at any place, and where one of them lacks many words.
func TestRunsOfLongTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(300, 1000).Draw(t, "words")
		a := spokenWords(strings.Join(numberedWords(0, n), " "), 0, false)
		wrong := rapid.IntRange(0, n-1).Draw(t, "wrong")
		lost := rapid.IntRange(0, 40).Draw(t, "lost")
		from := rapid.IntRange(0, n-lost).Draw(t, "from")
		list := numberedWords(0, n)
		list[wrong] = "qqq"
		b := spokenWords(strings.Join(slices.Delete(list, from, from+lost), " "), 0, false)
		same := 0
		for _, r := range align.Runs(a, b) {
			if r.Same {
				same += r.B.To - r.B.From
			}
		}
		if want := len(b) - 1; same < want {
			t.Fatalf("of %d words %d are found", want, same)
		}
	})
}

// numberedWords are different words.
func numberedWords(from, to int) []string {
	list := make([]string, 0, to-from)
	for k := from; k < to; k++ {
		list = append(list, "w"+strings.Repeat(string(rune('a'+k%26)), 1+k%3)+string(rune('a'+k/26%26))+string(rune('a'+k/676%26)))
	}
	return list
}
