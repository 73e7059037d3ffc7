package align_test

import (
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
)

// words makes words that are said one after the other, 0.4 s each from a time on; timed says whether they have times.
func spokenWords(text string, from float64, timed bool) []scout.Word {
	var list []scout.Word
	for i, w := range strings.Fields(text) {
		word := scout.Word{Text: w}
		if timed {
			start := time.Duration((from + 0.4*float64(i)) * float64(time.Second))
			end := start + 400*time.Millisecond
			word.Start, word.End = &start, &end
		}
		list = append(list, word)
	}
	return list
}

func TestAfter(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		handed, words string
		from          float64 // where words begin, if they have times
		want          int
	}{
		"nothing was handed out":         {"", "one two", 0, 0},
		"nothing was heard":              {"one two", "", 0, 0},
		"the same and more":              {"one two", "one two three four", 0, 2},
		"other punctuation and capitals": {"one two.", "One, two three", 0, 2},
		"a word was misheard":            {"one two three", "one tree three four", 0, 3},
		"the last word was misheard":     {"one two", "one toucan three", 0, 2},
		"all that is new":                {"one two three", "one two three", 0, 3},
		"less than was handed out":       {"one two three four", "one two", 0, 2},
		"repeated words":                 {"no no no", "no no no no yes", 0, 3},
	} {
		for _, timed := range []bool{true, false} {
			handed, words := spokenWords(c.handed, 0, timed), spokenWords(c.words, c.from, timed)
			if got := align.After(handed, words); got != c.want {
				t.Errorf("%s, times %v: %d words belong to what was handed out, want %d", situation, timed, got, c.want)
			}
		}
	}
	// Times decide between words that are the same: the phrase is said again one second later.
	handed := spokenWords("and then and then", 0, true)
	words := spokenWords("and then and then and then", 0, true)
	if got := align.After(handed, words); got != 4 {
		t.Errorf("a phrase that is repeated: %d", got)
	}
}
