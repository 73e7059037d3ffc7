package align_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
)

// likely makes words with log-probabilities from "we:-0.1 met:-2 .:-0.1", where the full stop is the end.
func likely(text string) align.Heard {
	var out []scout.Word
	var ending *float64
	for _, field := range strings.Fields(text) {
		word, odds, known := strings.Cut(field, ":")
		w := scout.Word{Text: word}
		if known {
			logProb, err := strconv.ParseFloat(odds, 64)
			if err != nil {
				panic(err)
			}
			w.LogProb = &logProb
		}
		if word == "." {
			ending = w.LogProb
			continue
		}
		out = append(out, w)
	}
	return align.Heard{Words: out, EndLogProb: ending}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, a, b, want string }{
		{"the same", "we:-1 met:-1", "We:0 met.:0", "we met"},
		{"one likelier word", "we:-0.1 mat:-2 him:-0.1", "we:-0.1 met:-1 him:-0.1", "we met him"},
		{"each side has the better part", "we:-0.1 mat:-2 him:-0.1 there:-0.2", "we:-0.1 met:-1 him:-0.1 their:-3", "we met him there"},
		{"the word behind tells", "we:-0.1 mat:-0.5 him:-2", "we:-0.1 met:-0.6 him:-0.1", "we met him"},
		{"a lost beginning that left no trace", "he:-0.3 of:-1 a:-1 truth:-0.2", "replied:-0.3 he:-0.1 of:-0.1 a:-0.1 truth:-0.2", "he of a truth"},
		{"a lost beginning made its neighbour unlikely", "he:-1.5 of:-1 a:-1 truth:-0.2", "replied:-0.3 he:-0.1 of:-0.1 a:-0.1 truth:-0.2", "replied he of a truth"},
		{"an end that one side lacks", "we:-0.1 met:-0.1 .:-0.3", "we:-0.1 met:-0.1 him:-1 .:-0.1", "we met"},
		{"an end that was cut off", "we:-0.1 met:-0.1 .:-2", "we:-0.1 met:-0.1 him:-1 .:-0.1", "we met him"},
		{"an end that was invented", "we:-0.1 met:-0.1 him:-1 .:-0.1", "we:-0.1 met:-0.1 .:-0.3", "we met"},
		{"nothing is known of an end", "we:-0.1 met:-0.1 him:-1", "we:-0.1 met:-0.1 .:-0.3", "we met him"},
		{"nothing agrees", "one:-1 two:-1 .:-1", "three:-0.1 four:-0.1 five:-0.1 .:-1", "three four five"},
		{"ties stay", "one:-1 .:-1", "two:-1 .:-1", "one"},
		{"no probability stays", "one two:-9 .:-1", "three:-0.1 two:-0.1 .:-1", "one two"},
		{"nothing and something", ".:-5", "three:-0.1 .:-0.1", "three"},
		{"something and nothing", "three:-0.1 .:-0.1", ".:-5", "three"},
		{"nothing at all", "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := text(align.Merge(likely(test.a), likely(test.b)).Words); got != test.want {
				t.Fatalf("got %q, want %q", got, test.want)
			}
		})
	}
}

// placedWords draws words in order with times that do not overlap.
func placedWords(t *rapid.T, name string) []scout.Word {
	var out []scout.Word
	at := time.Duration(0)
	for range rapid.IntRange(0, 12).Draw(t, name) {
		from := at + time.Duration(rapid.IntRange(0, 300).Draw(t, "pause"))*time.Millisecond
		at = from + time.Duration(rapid.IntRange(1, 600).Draw(t, "length"))*time.Millisecond
		to := at
		logProb := -rapid.Float64Range(0, 5).Draw(t, "odds")
		out = append(out, scout.Word{
			Text:  rapid.SampledFrom([]string{"one", "two", "three", "four", "—"}).Draw(t, "word"),
			Start: &from, End: &to, LogProb: &logProb,
		})
	}
	return out
}

func TestMergeKeepsOrderAndOrigin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := placedWords(t, "a"), placedWords(t, "b")
		ending := func(name string) *float64 {
			logProb := -rapid.Float64Range(0, 5).Draw(t, name)
			return &logProb
		}
		endA, endB := ending("end of a"), ending("end of b")
		before := text(a) + "|" + text(b)
		merged := align.Merge(align.Heard{Words: a, EndLogProb: endA}, align.Heard{Words: b, EndLogProb: endB}).Words
		if text(a)+"|"+text(b) != before {
			t.Fatal("an input was changed")
		}
		if !slices.Equal(texts(align.Merge(align.Heard{Words: a, EndLogProb: endA}, align.Heard{Words: a, EndLogProb: endA}).Words), texts(a)) {
			t.Fatal("a text merged with itself has changed")
		}
		// Every word comes from a or b, and the words of each side are in order.
		i, j := 0, 0
		for _, w := range merged {
			switch {
			case contains(a[i:], w, &i):
			case contains(b[j:], w, &j):
			default:
				t.Fatalf("%q of %q and %q: %q comes from neither, or is out of order", text(merged), text(a), text(b), w.Text)
			}
		}
		// Times are in order.
		var at time.Duration
		for _, w := range merged {
			if w.Start == nil {
				continue
			}
			if *w.Start < at || *w.End < *w.Start {
				t.Fatalf("%q is at %v to %v, but the word before it ends at %v", w.Text, *w.Start, *w.End, at)
			}
			at = *w.End
		}
	})
}

func texts(words []scout.Word) []string {
	var out []string
	for _, w := range words {
		out = append(out, w.Text)
	}
	return out
}

// contains finds w by its log-probability, which is unique, and moves at to the word after it.
func contains(words []scout.Word, w scout.Word, at *int) bool {
	for k := range words {
		if words[k].LogProb == w.LogProb {
			*at += k + 1
			return true
		}
	}
	return false
}

// A word that both sides have gets the mean of their times, unless they cannot mean the same place.
func TestMergeTakesTheMeanOfTimes(t *testing.T) {
	t.Parallel()
	at := func(n int) *time.Duration { d := time.Duration(n) * time.Millisecond; return &d }
	heard := func(times ...*time.Duration) align.Heard {
		return align.Heard{Words: []scout.Word{{Text: "so", Start: times[0], End: times[1]}, {Text: "then", Start: times[2], End: times[3]}}}
	}
	for _, tt := range []struct{ a, b, want align.Heard }{
		{heard(at(100), at(200), at(300), at(500)), heard(at(140), at(200), at(240), at(540)), heard(at(120), at(200), at(270), at(520))},
		{heard(at(100), at(200), at(300), at(500)), heard(at(500), at(600), at(700), at(900)), heard(at(100), at(200), at(300), at(500))},
		{heard(at(100), at(200), at(300), at(500)), heard(nil, nil, at(300), at(500)), heard(at(100), at(200), at(300), at(500))},
		{heard(nil, nil, at(300), at(500)), heard(at(100), at(200), at(300), at(500)), heard(nil, nil, at(300), at(500))},
	} {
		got := align.Merge(tt.a, tt.b).Words
		for i, w := range tt.want.Words {
			if !equal(got[i].Start, w.Start) || !equal(got[i].End, w.End) {
				t.Errorf("%+v and %+v: word %d is at %v to %v, want %v to %v", tt.a.Words, tt.b.Words, i, got[i].Start, got[i].End, w.Start, w.End)
			}
		}
	}
}

func equal(a, b *time.Duration) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// TestFill fills what one decoding has lost with the words of another.
func TestFill(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct{ a, b, want string }{
		"nothing is lost":                {"0 we 300 met 600 him", "0 we 300 met 600 him", "we met him"},
		"the end is lost":                {"0 and", "0 and 300 so 600 my 900 fellow", "and so my fellow"},
		"the beginning is lost":          {"900 fellow", "0 and 300 so 600 my 900 fellow", "and so my fellow"},
		"all is lost":                    {"", "0 and 300 so", "and so"},
		"a word between two":             {"0 we 600 him", "0 we 300 met 600 him", "we met him"},
		"other words at the same time":   {"0 we 300 mat 600 him", "0 we 300 met 600 him", "we mat him"},
		"fewer words at the same time":   {"0 we 300 another 900 him", "0 we 320 a 500 other 900 him", "we another him"},
		"other words, and one more":      {"0 we 300 mat", "0 we 300 met 900 him", "we mat him"},
		"no room for it":                 {"0 we 300 met", "0 we 100 all 300 met", "we met"},
		"the other side has fewer words": {"0 we 300 met 600 him", "0 we", "we met him"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			a, b := align.Heard{Words: atTimes(t, c.a), To: 2 * second}, align.Heard{Words: atTimes(t, c.b), To: 2 * second}
			got := align.Fill(a, b, func([]scout.Word) bool { return true })
			if text(got.Words) != c.want {
				t.Errorf("got %q, want %q", text(got.Words), c.want)
			}
			for i := 1; i < len(got.Words); i++ {
				if *got.Words[i].Start < *got.Words[i-1].End {
					t.Errorf("%q begins before %q ends", got.Words[i].Text, got.Words[i-1].Text)
				}
			}
			if refused := align.Fill(a, b, func([]scout.Word) bool { return false }); text(refused.Words) != text(a.Words) {
				t.Errorf("%q although nothing is taken", text(refused.Words))
			}
		})
	}
}

// atTimes reads words of 250 ms, each after the time in ms at which it begins.
func atTimes(t *testing.T, line string) []scout.Word {
	t.Helper()
	var out []scout.Word
	fields := strings.Fields(line)
	for i := 0; i+1 < len(fields); i += 2 {
		ms, err := strconv.Atoi(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		start := time.Duration(ms) * time.Millisecond
		end := start + 250*time.Millisecond
		out = append(out, scout.Word{Text: fields[i+1], Start: &start, End: &end})
	}
	return out
}
