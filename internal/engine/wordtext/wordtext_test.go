package wordtext_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/engine/wordtext"
)

func ids(pieces []string) []int32 { return make([]int32, len(pieces)) }

func zeros(pieces []string) []float32 { return make([]float32, len(pieces)) }

func TestTextAndWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pieces []string
		text   string
		words  []string
	}{
		"nothing":                        {nil, "", nil},
		"words and punctuation":          {[]string{" Hello", ",", " wor", "ld", "!"}, "Hello, world!", []string{"Hello,", "world!"}},
		"punctuation by itself":          {[]string{" Hello", " -", " wor", "ld"}, "Hello - world", []string{"Hello -", "world"}},
		"punctuation before a word":      {[]string{" Hello", " \"", "ld"}, "Hello \"ld", []string{"Hello", "\"ld"}},
		"a negative number":              {[]string{" wor", " -", "4"}, "wor -4", []string{"wor", "-4"}},
		"punctuation at the beginning":   {[]string{" -", " Hello"}, "- Hello", []string{"- Hello"}},
		"only punctuation":               {[]string{" -", "!"}, "-!", []string{"-!"}},
		"curly quotation marks":          {[]string{" “", "So", "”", " —", " he", " said"}, "“So” — he said", []string{"“So” —", "he", "said"}},
		"a character of two tokens":      {[]string{" caf", "\xc3", "\xa9", "!"}, "café!", []string{"café!"}},
		"half a character":               {[]string{" caf", "\xc3"}, "caf\uFFFD", []string{"caf\uFFFD"}},
		"an apostrophe":                  {[]string{" I", "'m", " Hello"}, "I'm Hello", []string{"I'm", "Hello"}},
		"a character of four bytes":      {[]string{"\xf0\x9f", "\x98\x80"}, "😀", []string{"😀"}},
		"a sign that is read aloud":      {[]string{" 5", " €"}, "5 €", []string{"5", "€"}},
		"Cyrillic":                       {[]string{" Д", "об", "рый", " день", "."}, "Добрый день.", []string{"Добрый", "день."}},
		"Arabic":                         {[]string{" مر", "حبا", "،", " كيف"}, "مرحبا، كيف", []string{"مرحبا،", "كيف"}},
		"Hindi with a danda":             {[]string{" नम", "स", "्त", "े", " दुनिया", "।"}, "नमस्ते दुनिया।", []string{"नमस्ते", "दुनिया।"}},
		"Korean, which has spaces":       {[]string{" 안", "녕", " 세계"}, "안녕 세계", []string{"안녕", "세계"}},
		"Chinese":                        {[]string{"今天", "天", "气", "好", "。", "走", "吧", "！"}, "今天天气好。走吧！", []string{"今天", "天", "气", "好。", "走", "吧！"}},
		"Chinese in parts of characters": {[]string{"今", "\xe5\xa4", "\xa9", "好"}, "今天好", []string{"今", "天", "好"}},
		"Japanese with brackets":         {[]string{"彼", "は", "「", "はい", "」", "と"}, "彼は「はい」と", []string{"彼", "は", "「はい」", "と"}},
		"Japanese, a long vowel":         {[]string{"テ", "スト", "デ", "ータ", "ー"}, "テストデーター", []string{"テ", "スト", "データー"}},
		"Latin within Chinese":           {[]string{"用", "Py", "thon", "写", "代码"}, "用Python写代码", []string{"用Python写", "代码"}},
		"Latin in spaces in Chinese":     {[]string{"用", " Py", "thon", " 写"}, "用 Python 写", []string{"用", "Python", "写"}},
		"Thai with signs above":          {[]string{"สวั", "ส", "ดี", "ค", "\u0e35", "รับ"}, "สวัสดีคีรับ", []string{"สวั", "ส", "ดี", "คี", "รับ"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := wordtext.Text(c.pieces); got != c.text {
				t.Errorf("text %q, want %q", got, c.text)
			}
			var words []string
			line := wordtext.New(c.pieces)
			list := line.Words(zeros(c.pieces))
			line.Spell(zeros(c.pieces), list)
			for _, w := range list {
				words = append(words, w.Text)
				var spelt []string
				for _, token := range w.Tokens {
					spelt = append(spelt, string(token.Bytes))
				}
				if wordtext.Text(spelt) != w.Text || slices.ContainsFunc(spelt, func(s string) bool { return !slices.Contains(c.pieces, s) }) {
					t.Errorf("%q has the tokens %q", w.Text, spelt)
				}
			}
			if !slices.Equal(words, c.words) {
				t.Errorf("words %q, want %q", words, c.words)
			}
			said := ""
			for _, token := range wordtext.Tokens(ids(c.pieces), c.pieces, zeros(c.pieces)) {
				said += token.Text
			}
			if strings.TrimSpace(said) != c.text {
				t.Errorf("tokens say %q, want %q", said, c.text)
			}
		})
	}
}

// Every token is in exactly one word, in order, unless the word has no text.
func TestSpansCoverEverything(t *testing.T) {
	t.Parallel()
	pieces := []string{" a", "b", " -", "!", " ", "\xc3", "\xa9", " 1", "\n", "中", "。", "「", "\xe4\xb8", "\xad", "\u0e35", "ー", ""}
	rapid.Check(t, func(t *rapid.T) {
		chosen := rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 20).Draw(t, "tokens")
		at, words := 0, ""
		for _, s := range wordtext.New(chosen).Spans() {
			if s.From < at || s.To <= s.From || wordtext.Text(chosen[at:s.From]) != "" {
				t.Fatalf("word %v after %d tokens", s, at)
			}
			at = s.To
			words += wordtext.Text(chosen[s.From:s.To])
		}
		if wordtext.Text(chosen[at:]) != "" {
			t.Fatalf("words cover %d of %d tokens", at, len(chosen))
		}
		if strings.Join(strings.Fields(words), "") != strings.Join(strings.Fields(wordtext.Text(chosen)), "") {
			t.Fatalf("words say %q, the text %q", words, wordtext.Text(chosen))
		}
	})
}

func TestWordLogProbLeavesPunctuationOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pieces   []string
		logprobs []float32
	}{
		"a comma":              {[]string{" wor", "ld", ","}, []float32{-1, -0.5, -7}},
		"an ideographic stop":  {[]string{"中", "。"}, []float32{-1.5, -7}},
		"a mark of two tokens": {[]string{"中", "\xe3\x80", "\x82"}, []float32{-1.5, -3, -4}},
		"a letter of two":      {[]string{"\xe4\xb8", "\xad"}, []float32{-1, -0.5}},
	} {
		words := wordtext.New(c.pieces).Words(c.logprobs)
		if len(words) != 1 || words[0].LogProb == nil || *words[0].LogProb != -1.5 {
			t.Errorf("%s: %+v", name, words)
		}
	}
}
