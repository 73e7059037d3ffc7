package scout_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
)

func TestWordsOfATextInAnyScript(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":              nil,
		"  ":            nil,
		"Hello, world!": {"Hello,", "world!"},
		"Добрый день.":  {"Добрый", "день."},
		"안녕 세계":         {"안녕", "세계"},
		"नमस्ते दुनिया।":              {"नमस्ते", "दुनिया।"},
		"今天天气好。走吧！":                   {"今", "天", "天", "气", "好。", "走", "吧！"},
		"彼は「はい」と言った。":                 {"彼", "は", "「は", "い」", "と", "言", "っ", "た。"},
		"データー":                        {"デー", "ター"},
		"用Python写代码":                  {"用Python写", "代", "码"},
		"用 Python 写":                  {"用", "Python", "写"},
		"สวัสดี ครับ":                 {"ส", "วั", "ส", "ดี", "ค", "รั", "บ"},
		"2024年に":                      {"2024年", "に"},
		"。":                           {"。"},
		"“Quoted,” she said — twice.": {"“Quoted,”", "she", "said", "—", "twice."},
	} {
		if got := scout.Words(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Words that are joined again are the text, apart from white space, and no word is empty.
func TestWordsAreTheText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`([a-z]|中|文|「|」|。|ー|か|\x{0E35}|ก| ){0,30}`)).Draw(t, "text")
		words := scout.Words(text)
		if slices.Contains(words, "") {
			t.Fatalf("%q has an empty word: %q", text, words)
		}
		if got, want := strings.Join(words, ""), strings.Join(strings.Fields(text), ""); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}
