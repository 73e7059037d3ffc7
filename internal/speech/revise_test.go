package speech_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech"
)

// heardWords are words of 0.4 s each with the log-probabilities behind their slashes; without one it is not known. One
// with ~ before it has no times.
func heardWords(t *testing.T, text string) []scout.Word {
	t.Helper()
	var words []scout.Word
	for i, field := range strings.Fields(text) {
		start := time.Duration(i) * 400 * time.Millisecond
		end := start + 400*time.Millisecond
		word, p, known := strings.Cut(field, "/")
		w := scout.Word{Text: word, Start: &start, End: &end}
		if word, without := strings.CutPrefix(word, "~"); without {
			w = scout.Word{Text: word}
		}
		if known {
			logprob, err := strconv.ParseFloat(p, 64)
			if err != nil {
				t.Fatal(err)
			}
			w.LogProb = &logprob
		}
		words = append(words, w)
	}
	return words
}

func TestRevise(t *testing.T) {
	t.Parallel()
	const sure = "/-0.05 "
	for situation, c := range map[string]struct {
		first, second, want string
		hot                 []string
		unheard             []speech.Span
		replaced, kept      int
	}{
		"the same":                           {first: "One/-0.1 two.", second: "one/-0.1 two", want: "One two."},
		"the second pass is likelier":        {first: "a/-0.1 red/-2 cat/-0.1", second: "a/-0.1 bread/-1 cat/-0.1", want: "a bread cat", replaced: 1},
		"the first pass is likelier":         {first: "a/-0.1 red/-0.5 cat/-0.1", second: "a/-0.1 bread/-1 cat/-0.1", want: "a red cat", kept: 1},
		"as likely, in each model's own way": {first: "a/-0.1 red/-0.77 cat/-0.1", second: "a/-0.1 bread/-1 cat/-0.1", want: "a bread cat", replaced: 1},
		"the first pass does not say":        {first: "a/-0.1 red cat/-0.1", second: "a/-0.1 bread/-0.1 cat/-0.1", want: "a red cat", kept: 1},
		"the second pass does not say":       {first: "a/-0.1 red/-3 cat/-0.1", second: "a/-0.1 bread cat/-0.1", want: "a red cat", kept: 1},
		"a word more":                        {first: "a/-0.5 cat/-1", second: "a/-0.1 red/-0.1 cat/-0.1", want: "a red cat", replaced: 1},
		"an unlikely word more":              {first: "a/-0.5 cat/-1", second: "a/-0.1 red/-2 cat/-0.1", want: "a cat", kept: 1},
		"nothing was heard first":            {first: "", second: "thank/-0.1 you/-0.1", want: "", kept: 1},
		"nothing was heard the second time":  {first: "one/-0.1 two/-0.1", second: "", want: "one two", kept: 1},
		"words that the second pass skipped": {first: "a" + sure + "b/-0.3 c/-0.3 d/-0.3 e" + sure, second: "a/-0.5 e/-0.4", want: "a b c d e", kept: 1},
		"invented words":                     {first: "a" + sure + "b/-3 c/-4 d/-3 e" + sure, second: "a" + sure + "e" + sure, want: "a e", replaced: 1},
		"where nothing could be decoded":     {first: "a/-0.1 red/-3 cat/-0.1", second: "a/-0.1 cat/-0.1", want: "a red cat", kept: 1, unheard: []speech.Span{{From: 0, To: time.Second}}},
		"no times where nothing was decoded": {first: "a/-0.1 ~red/-3 cat/-0.1", second: "a/-0.1 cat/-0.1", want: "a red cat", kept: 1, unheard: []speech.Span{{From: 500 * time.Millisecond, To: 700 * time.Millisecond}}},
		"no times, decoded there":            {first: "a/-0.1 ~red/-3 cat/-0.1", second: "a/-0.1 cat/-0.1", want: "a cat", replaced: 1, unheard: []speech.Span{{From: 2 * time.Second, To: 3 * time.Second}}},
		"a hot word stays":                   {first: "ask/-0.1 Kubernetes/-3 now/-0.1", second: "ask/-0.1 cuban/-0.1 ettes/-0.1 now/-0.1", want: "ask Kubernetes now", kept: 1, hot: []string{"kubernetes"}},
		"a hot word comes":                   {first: "ask/-0.1 cuban/-0.1 ettes/-0.1 now/-0.1", second: "ask/-0.1 Kubernetes/-3 now/-0.1", want: "ask Kubernetes now", replaced: 1, hot: []string{"Kubernetes"}},
		"a phrase of hot words":              {first: "in/-0.1 Baden Baden, now/-0.1", second: "in/-0.1 bottom/-0.1 button/-0.1 now/-0.1", want: "in Baden Baden, now", kept: 1, hot: []string{"Baden Baden", "-"}},
	} {
		second := speech.SecondText{Words: heardWords(t, c.second), Unheard: c.unheard}
		first := heardWords(t, c.first)
		r := speech.Revise(first, &second, c.hot)
		if wordsOf(r.Words) != c.want || r.Replaced != c.replaced || r.Kept != c.kept {
			t.Errorf("%s: %q, %d replaced and %d kept, want %q, %d and %d", situation, wordsOf(r.Words), r.Replaced, r.Kept, c.want, c.replaced, c.kept)
		}
		if changed := wordsOf(r.Words) != wordsOf(first); r.Changed != changed {
			t.Errorf("%s: changed is %v", situation, r.Changed)
		}
	}
}
