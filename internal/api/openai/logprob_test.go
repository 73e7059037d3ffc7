package openai_test

import (
	"math"
	"slices"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
)

func TestLogProbs(t *testing.T) {
	t.Parallel()
	known, endless := -2.0, math.Inf(-1)
	word := func(text string, tokens ...string) scout.Word {
		w := scout.Word{Text: text, LogProb: &known}
		for _, token := range tokens {
			w.Tokens = append(w.Tokens, scout.WordToken{Bytes: []byte(token), LogProb: -1})
		}
		return w
	}
	unsure := word("so", "so")
	unsure.Tokens[0].LogProb = math.NaN()
	for name, c := range map[string]struct {
		before string
		words  []scout.Word
		want   []string
		whole  int // entries that are words
	}{
		"nothing":                       {want: []string{}},
		"the first word has no space":   {words: []scout.Word{word("Ask", " As", "k"), word("not.", " not", ".")}, want: []string{"As", "k", " not", "."}},
		"a space that the model left":   {before: "so", words: []scout.Word{word("Ask", "Ask")}, want: []string{" Ask"}},
		"a space that is a token":       {before: "so", words: []scout.Word{word("да", " ", "да")}, want: []string{" ", "да"}},
		"the same at the beginning":     {words: []scout.Word{word("да", " ", "да")}, want: []string{"да"}},
		"parts of characters":           {words: []scout.Word{word("Zoë", " Zo", "\xc3", "\xab")}, want: []string{"Zo", "\xc3", "\xab"}},
		"a script without spaces":       {before: "今", words: []scout.Word{word("天", "\xe5\xa4", "\xa9")}, want: []string{"\xe5\xa4", "\xa9"}},
		"spaces at the end":             {words: []scout.Word{word("so", " so", " ")}, want: []string{"so"}},
		"a full stop was taken away":    {words: []scout.Word{word("so", " so", ".")}, want: []string{"so"}},
		"a capital came":                {before: "so.", words: []scout.Word{word("Ask", " as", "k")}, want: []string{" As", "k"}},
		"other marks where pieces meet": {before: "so", words: []scout.Word{word("ask,", " as", "k", "."), word("not", " not")}, want: []string{" ask,", " not"}, whole: 1},
		"a part of the last token":      {words: []scout.Word{word("as", " a", "sk")}, want: []string{"as"}, whole: 1},
		"fewer bytes than the word has": {words: []scout.Word{word("ask", " as")}, want: []string{"ask"}, whole: 1},
		"a model that tells no tokens":  {words: []scout.Word{word("ask")}, want: []string{"ask"}, whole: 1},
		"a token without a probability": {words: []scout.Word{unsure}, want: []string{"so"}, whole: 1},
		"a word without a probability":  {words: []scout.Word{word("so", "so"), {Text: "a"}}},
		"a word that is impossible":     {words: []scout.Word{{Text: "a", LogProb: &endless}}},
	} {
		all := openai.LogProbs(c.before, c.words)
		if (all == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, all)
		}
		var got []string
		whole := 0
		for _, one := range all {
			raw := make([]byte, len(one.Bytes))
			for i, b := range one.Bytes {
				raw[i] = byte(b)
			}
			got = append(got, string(raw))
			if one.LogProb == known {
				whole++
			}
		}
		if !slices.Equal(got, c.want) || whole != c.whole {
			t.Errorf("%s: %q with %d words, want %q with %d", name, got, whole, c.want, c.whole)
		}
	}
}
