package openai

import (
	"bytes"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// LogProb is one of the model's tokens. The bytes of all, joined, are the text.
type LogProb struct {
	Token   string  `json:"token" doc:"What the token adds to the text; a character of which it holds only a part is U+FFFD"`
	LogProb float64 `json:"logprob" doc:"The natural logarithm of its probability"`
	Bytes   []int   `json:"bytes" doc:"What the token adds to the text, as UTF-8"`
}

// LogProbs are the tokens of words that follow a text, nil if a word has no probability. The first of a word begins with the space
// that divides it from what was before. Without words there are none, and the result is empty.
//
// A word is one entry, with its own probability, where its tokens are not its text: if it was spelt anew where two pieces meet, and
// with models that tell no tokens.
//
//	before  the text of before, empty for none; its last character decides about a space
func LogProbs(before string, words []scout.Word) []LogProb {
	all := make([]LogProb, 0, len(words))
	for i := range words {
		w := &words[i]
		if w.LogProb == nil || !finite(*w.LogProb) {
			return nil
		}
		space := scout.Between(before, w.Text)
		if tokens := tokensOf(space, w); tokens != nil {
			all = append(all, tokens...)
		} else {
			all = append(all, logProb([]byte(space+w.Text), *w.LogProb))
		}
		before = w.Text
	}
	return all
}

// tokensOf are the tokens of a word behind a space, nil if they are not its text. What follows the text in them was taken away since: a
// full stop where the sentence went on.
func tokensOf(space string, w *scout.Word) []LogProb {
	var list []LogProb
	rest, letters := w.Text, false
	for _, t := range w.Tokens {
		add := t.Bytes
		if !letters {
			add = bytes.TrimLeftFunc(add, unicode.IsSpace)
		}
		n := len(add)
		if !finite(t.LogProb) || n > len(rest) || !bytes.EqualFold(add, []byte(rest[:n])) { // a capital may have come since
			return nil
		}
		said := rest[:n]
		if len(list) == 0 {
			said = space + said
		}
		if said != "" {
			list = append(list, logProb([]byte(said), t.LogProb))
		}
		letters = letters || n > 0
		if rest = rest[n:]; rest == "" {
			return list
		}
	}
	return nil
}

func finite(p float64) bool { return !math.IsNaN(p) && !math.IsInf(p, 0) }

func logProb(text []byte, p float64) LogProb {
	one := LogProb{Token: string(text), LogProb: p, Bytes: make([]int, len(text))}
	if !utf8.Valid(text) {
		one.Token = strings.ToValidUTF8(one.Token, "\uFFFD")
	}
	for i, b := range text {
		one.Bytes[i] = int(b)
	}
	return one
}
