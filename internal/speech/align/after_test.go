package align_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

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

// sayAgain draws what somebody says: words that differ or are said again at once, alone or as a phrase, each where it was said.
func sayAgain(t *rapid.T) []scout.Word {
	var said []scout.Word
	at := time.Duration(0)
	say := func(text string) {
		at += time.Duration(rapid.SampledFrom([]int{0, 0, 40, 300, 1500, 4000}).Draw(t, "pause")) * time.Millisecond
		start := at
		at += time.Duration(rapid.IntRange(100, 500).Draw(t, "length")) * time.Millisecond
		end := at
		said = append(said, scout.Word{Text: text, Start: &start, End: &end})
	}
	for k := range rapid.IntRange(1, 12).Draw(t, "words") {
		say(fmt.Sprintf("%cord", 'a'+k))
		if n := rapid.SampledFrom([]int{0, 0, 1, 2, 3}).Draw(t, "said again"); n <= len(said) {
			for _, w := range slices.Clone(said[len(said)-n:]) {
				say(w.Text)
			}
		}
	}
	return said
}

// moved returns words whose times are elsewhere, in order: as a model places them that hears less of what follows.
func moved(t *rapid.T, words []scout.Word) []scout.Word {
	most := rapid.SampledFrom([]int{0, 100, 1200}).Draw(t, "most ms")
	out := slices.Clone(words)
	last := time.Duration(0)
	for i := range out {
		by := time.Duration(rapid.IntRange(-most, most).Draw(t, "moved")) * time.Millisecond
		start := max(*out[i].Start+by, last)
		end := max(*out[i].End+by, start)
		out[i].Start, out[i].End, last = &start, &end, end
	}
	return out
}

// TestAfterKnowsWordsThatMoved hands words out and hears the same ones again, and more, at other times: none comes again, and none
// that was really said twice is taken for the one before it.
func TestAfterKnowsWordsThatMoved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		said := sayAgain(t)
		n := rapid.IntRange(1, len(said)).Draw(t, "handed out")
		handed, heard := moved(t, said[:n]), moved(t, said)
		if rapid.Bool().Draw(t, "misheard") {
			heard = slices.Clone(heard)
			heard[n-1].Text += "s"
			if n < len(heard) && heard[n].Text == said[n-1].Text {
				return // nobody can tell which of the two it is
			}
		}
		if got := align.After(handed, heard); got != n {
			t.Fatalf("%d words belong to what was handed out, want %d:\nhanded %v\nheard  %v", got, n, placesOf(handed), placesOf(heard))
		}
	})
}

// placesOf shows words with the seconds at which they end.
func placesOf(words []scout.Word) string {
	var text strings.Builder
	for _, w := range words {
		fmt.Fprintf(&text, "%s(%.2f) ", w.Text, w.End.Seconds())
	}
	return text.String()
}

// TestAfterByTheTimes hears less than was handed out, or one of several words that are the same: the times say which.
func TestAfterByTheTimes(t *testing.T) {
	t.Parallel()
	at := func(text string, ends ...float64) []scout.Word {
		words := strings.Fields(text)
		out := make([]scout.Word, len(words))
		for i := range words {
			end := time.Duration(ends[i] * float64(time.Second))
			start := end - 300*time.Millisecond
			out[i] = scout.Word{Text: words[i], Start: &start, End: &end}
		}
		return out
	}
	for situation, c := range map[string]struct {
		handed, words []scout.Word
		want          int
	}{
		"a word in the silence before it":           {at("Wenn", 2.14), at("Wenn Sie den", 3.38, 3.6, 3.8), 1},
		"the same, spelled in another way":          {at("wann", 2.14), at("wannen Sie den", 3.38, 3.6, 3.8), 1},
		"behind others, in the silence before it":   {at("so ist es Wenn", 0.5, 0.8, 1.1, 2.14), at("so ist es Wenn Sie", 0.5, 0.8, 1.1, 3.9, 4.2), 4},
		"said twice, once handed out":               {at("no", 1), at("no no yes", 1, 1.5, 2), 1},
		"said twice, the second lost":               {at("no no", 1, 1.5), at("no yes", 1.5, 2.5), 1},
		"said twice, both handed out":               {at("no no", 1, 1.5), at("no no yes", 0.9, 1.6, 2), 2},
		"other words, later: the first ones lost":   {at("one two", 1, 1.5), at("six seven eight", 7, 7.5, 8), 0},
		"one word instead of two, at the same time": {at("one two", 1, 1.5), at("onto three", 1.5, 2), 1},
		"lost, and said again much later":           {at("no", 1), at("no I", 7, 7.4), 0},
		"lost, and a similar word much later":       {at("for", 1), at("forward I", 7, 7.4), 0},
	} {
		if got := align.After(c.handed, c.words); got != c.want {
			t.Errorf("%s: %d words belong to what was handed out, want %d", situation, got, c.want)
		}
	}
}

// TestAfterCompound hears in one word what was handed out as several, and the other way round: no part comes again, and what follows is
// not lost.
func TestAfterCompound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handed, words []string // with the end of each in tenths of a second
		want          int
	}{
		"one word is now two":        {[]string{"Juden", "5", "und", "6", "Nicht-Judengleichermaßen.", "20"}, []string{"Juden", "5", "und", "6", "Nicht-Juden", "12", "gleichermaßen.", "20", "Nachdem", "26"}, 4},
		"one word is now three":      {[]string{"und", "6", "Nicht-Judengleichermaßen.", "20"}, []string{"und", "6", "nicht", "8", "Juden", "12", "gleichermaßen.", "20", "Nachdem", "26"}, 4},
		"two words are now one":      {[]string{"zu", "2", "Tode", "5", "arbeiteten,", "13"}, []string{"zu", "2", "Todearbeiteten", "13", "Juden", "17"}, 2},
		"a word that is said again":  {[]string{"say", "3", "bye-bye", "7"}, []string{"say", "3", "bye-bye", "7", "bye", "9", "bye", "12"}, 2},
		"words that are said again":  {[]string{"say", "3", "bye", "5", "bye", "7"}, []string{"say", "3", "bye", "5", "bye", "7", "bye-bye", "12"}, 3},
		"signs are no part of words": {[]string{"so", "3", "–", "4", "well", "7"}, []string{"so", "3", "well", "7", "then", "9"}, 2},
	} {
		for _, timed := range []bool{true, false} {
			list := func(fields []string) (list []scout.Word) {
				for i := 0; i < len(fields); i += 2 {
					word := scout.Word{Text: fields[i]}
					if n, err := strconv.Atoi(fields[i+1]); err != nil {
						t.Fatal(err)
					} else if timed {
						end := time.Duration(n) * 100 * time.Millisecond
						start := end - 100*time.Millisecond
						word.Start, word.End = &start, &end
					}
					list = append(list, word)
				}
				return list
			}
			if got := align.After(list(c.handed), list(c.words)); got != c.want {
				t.Errorf("%s, times %v: %d, want %d", name, timed, got, c.want)
			}
		}
	}
}
