package vote_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// said makes words of "one two:-1.5 …": each takes half a second, and has the log-probability that is written behind it, or -0.1.
// "|" is a second of silence.
func said(text string) []scout.Word {
	var words []scout.Word
	at := time.Duration(0)
	for _, field := range strings.Fields(text) {
		if field == "|" {
			at += time.Second
			continue
		}
		word, number, _ := strings.Cut(field, ":")
		p := -0.1
		if number != "" {
			p, _ = strconv.ParseFloat(number, 64)
		}
		start, end := at, at+400*time.Millisecond
		at += 500 * time.Millisecond
		words = append(words, scout.Word{Text: word, Start: &start, End: &end, LogProb: &p})
	}
	return words
}

func spelt(words []scout.Word) string {
	list := make([]string, len(words))
	for i := range words {
		list[i] = words[i].Text
	}
	return strings.Join(list, " ")
}

func scores(accurate, fast float64) *vote.Scores { return &vote.Scores{Accurate: accurate, Fast: fast} }

// The rule of docs/adr/0112: m > 0.77 w + 0.42, and both models together for the fast one's words.
func TestRule(t *testing.T) {
	t.Parallel()
	rule := vote.Rule{Slope: 0.77, Offset: 0.42}
	for situation, c := range map[string]struct {
		w, m         float64
		scores       *vote.Scores
		opens, takes bool
	}{
		"the accurate model is sure":            {-0.5, -0.01, scores(-1, -1), false, false},
		"it is unsure, and the fast one is not": {-2, -0.5, scores(1, -1.5), true, true},
		"just below the line":                   {-1, -0.351, scores(-1, -1), false, false},
		"just above it":                         {-1, -0.349, scores(-1, -1), true, true},
		"together for the accurate one":         {-2, -0.5, scores(2, -1.5), true, false},
		"undecided":                             {-2, -0.5, scores(1.5, -1.5), true, false},
		"nobody was asked":                      {-2, -0.5, nil, true, false},
		"the first key does not turn, whatever the second says": {-2, -1.2, scores(-5, -5), false, false},
	} {
		d := &vote.Difference{Fast: c.m, Accurate: c.w, Scores: c.scores}
		if opens, takes := rule.Opens(d), rule.Takes(d); opens != c.opens || takes != c.takes {
			t.Errorf("%s: opens %v, takes %v", situation, opens, takes)
		}
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		fast, accurate string
		whole          bool
		want           string // fast/accurate and both sums of log-probabilities
	}{
		"one word":                       {"we go:-0.5 home", "we run:-2 home", false, "go/run -0.5 -2.0"},
		"a run is not divided":           {"we all:-1 go:-2 home", "we ought:-3 grow:-4 home", false, "all go/ought grow -3.0 -7.0"},
		"the fast one has more":          {"we do:-0.7 go", "we:-2 go:-1", false, "do/ -0.7 -2.0"},
		"the accurate one has more":      {"we:-0.2 go:-0.3", "we do:-2 go", false, "/do -0.3 -2.0"},
		"at the ends of other audio":     {"and we go on", "we go", false, ""},
		"at the ends of the same":        {"and:-1 we go", "we:-2 go", true, "and/ -1.0 -2.0"},
		"spelled in two ways":            {"a shop-boy ran", "a shop boy ran", false, ""},
		"capitals and marks":             {"We go. Then", "we, go then", false, ""},
		"nothing in common":              {"a b", "c d", false, ""},
		"nothing in common, the same":    {"a:-1 b:-1", "c:-2 d:-2", true, "a b/c d -2.0 -4.0"},
		"one of them is empty":           {"", "a b", true, ""},
		"two differences, one at an end": {"a x:-1 c d", "a y:-1 c e", false, "x/y -1.0 -1.0"},
	} {
		b := vote.New(said(c.fast), said(c.accurate), c.whole)
		var got []string
		for _, d := range b.Differences {
			got = append(got, spelt(d.A.Of(b.Fast))+"/"+spelt(d.B.Of(b.Accurate))+
				" "+strconv.FormatFloat(d.Fast, 'f', 1, 64)+" "+strconv.FormatFloat(d.Accurate, 'f', 1, 64))
		}
		if shown := strings.Join(got, "; "); shown != c.want {
			t.Errorf("%s: %q, want %q", situation, shown, c.want)
		}
	}
	without := said("we run home")
	without[1].LogProb = nil
	if b := vote.New(said("we go home"), without, true); len(b.Differences) > 0 {
		t.Errorf("a word without a probability: %+v", b.Differences)
	}
}

// What wins stands in the text as it would have been written there, and what the models are asked about is spelled the same.
func TestWords(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		fast, accurate   string
		want             string
		change, backward string // that the accurate, and the fast model is asked about
	}{
		"one word":                    {"We go home.", "We run home.", "We go home.", "go", "run"},
		"it takes the mark":           {"We go home. Now", "We run, home now", "We go, home now", "go,", "run"},
		"in the middle of a sentence": {"Well. Go home now", "Well, run home now", "Well, go home now", "go", "Run"},
		"at its beginning":            {"Well, go home now", "Well. Run home now", "Well. Go home now", "Go", "run"},
		"a name stays one":            {"we met NATO today", "we met data today", "we met NATO today", "NATO", "data"},
		"several words for one":       {"we have been there", "we having there", "we have been there", "have been", "having"},
		"no word":                     {"we go home", "we do go home", "we go home", "", "do"},
		"one more word":               {"we do go home", "we go home", "we do go home", "do", ""},
	} {
		b := vote.New(said(c.fast), said(c.accurate), false)
		if len(b.Differences) != 1 {
			t.Errorf("%s: %d differences", situation, len(b.Differences))
			continue
		}
		d := b.Differences[0]
		if got := spelt(b.Words(func(*vote.Difference) bool { return true })); got != c.want {
			t.Errorf("%s: %q, want %q", situation, got, c.want)
		}
		if got := spelt(b.Words(func(*vote.Difference) bool { return false })); got != spelt(said(c.accurate)) {
			t.Errorf("%s, not taken: %q", situation, got)
		}
		change, backward := b.InAccurate(d), b.InFast(d)
		if got := strings.Join(change.Words, " "); got != c.change || change.From != d.B.From || change.To != d.B.To {
			t.Errorf("%s: the accurate model is asked about %+v, want %q", situation, change, c.change)
		}
		if got := strings.Join(backward.Words, " "); got != c.backward || backward.From != d.A.From || backward.To != d.A.To {
			t.Errorf("%s: the fast model is asked about %+v, want %q", situation, backward, c.backward)
		}
	}
}

// Words that both have keep the times of the accurate model, and a ballot that was stored is the same ballot.
func TestStoredBallot(t *testing.T) {
	t.Parallel()
	fast := said("we go home")
	*fast[0].Start, *fast[2].Start = 50*time.Millisecond, 1100*time.Millisecond
	b := vote.New(fast, said("we run home"), false)
	content, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var stored vote.Ballot
	if err := json.Unmarshal(content, &stored); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*vote.Ballot{b, &stored} {
		words := b.Words(func(*vote.Difference) bool { return true })
		if spelt(words) != "we go home" || *words[0].Start != 0 || *words[2].Start != time.Second {
			t.Errorf("%q, at %v and %v", spelt(words), words[0].Start, words[2].Start)
		}
	}
	if *fast[0].Start != 50*time.Millisecond {
		t.Error("the words of the ballot were changed")
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	words := func(from, n int) string {
		var list []string
		for i := range n {
			list = append(list, "w"+strconv.Itoa(from+i))
		}
		return strings.Join(list, " ")
	}
	for situation, c := range map[string]struct {
		fast, accurate string
		length         time.Duration
		want           []string
	}{
		"short audio is one window": {words(0, 10) + " x " + words(11, 10), words(0, 10) + " y " + words(11, 10), 12 * time.Second, []string{"0s 12s w0 w20 1"}},
		// x is said at 10 s. There is silence 4 s before it, and 5 s behind.
		"from pause to pause": {
			words(0, 10) + " | " + words(10, 8) + " x " + words(19, 10) + " | " + words(29, 20), words(0, 10) + " | " + words(10, 8) + " y " + words(19, 10) + " | " + words(29, 20),
			30 * time.Second,
			[]string{"5.45s 15.95s w10 w28 1"},
		},
		"neighbours share one": {
			words(0, 18) + " x " + words(19, 3) + " z " + words(23, 40), words(0, 18) + " y " + words(19, 3) + " zz " + words(23, 40),
			40 * time.Second,
			[]string{"2.95s 15.45s w6 w30 2"},
		},
		"those far apart do not": {
			words(0, 18) + " x " + words(19, 30) + " z " + words(50, 18), words(0, 18) + " y " + words(19, 30) + " zz " + words(50, 18),
			40 * time.Second,
			[]string{"", ""},
		},
		"at the ends": {"x " + words(1, 60) + " z", "y " + words(1, 60) + " zz", 31 * time.Second, []string{"0s 6.45s", "24.45s 31s"}},
	} {
		b := vote.New(said(c.fast), said(c.accurate), true)
		var got []string
		for _, w := range b.Windows(b.Differences, 0, c.length) {
			text := w.Words.Of(b.Fast)
			got = append(got, strings.Join([]string{w.From.String(), w.To.String(), text[0].Text, text[len(text)-1].Text, strconv.Itoa(len(w.Differences))}, " "))
			for _, d := range w.Differences {
				if d.A.From < w.Words.From || d.A.To > w.Words.To {
					t.Errorf("%s: a difference outside of its window", situation)
				}
			}
			if w.To-w.From > 14*time.Second {
				t.Errorf("%s: a window of %v", situation, w.To-w.From)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %q, want %q", situation, got, c.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], c.want[i]) {
				t.Errorf("%s: %q, want %q", situation, got, c.want)
			}
		}
	}
	untimed := said(words(0, 20) + " x " + words(21, 20))
	for i := range untimed {
		untimed[i].Start, untimed[i].End = nil, nil
	}
	b := vote.New(untimed, said(words(0, 20)+" y "+words(21, 20)), true)
	if w := b.Windows(b.Differences, 0, 30*time.Second); len(w) > 0 {
		t.Errorf("words without times: %+v", w)
	}
	if w := b.Windows(b.Differences, 0, 13*time.Second); len(w) != 1 || w[0].Words != (align.Range{To: 41}) || !slices.Equal(w[0].Differences, b.Differences) {
		t.Errorf("words without times in short audio: %+v", w)
	}
}
