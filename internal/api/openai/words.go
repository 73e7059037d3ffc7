package openai

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// Limits of hot words.
const (
	maxHotWords       = 1000 // of one request
	maxHotWordLetters = 200
	maxPhraseWords    = 5 // of a phrase in a prompt
)

// Preferences are what a request would like to see in the text.
type Preferences struct {
	// HotWords are keywords and, after them, phrases of the prompt, for a model that has hot words.
	HotWords []string
	keywords int // of HotWords
	// Context is the prompt, for a model that takes context.
	Context string
}

// Keywords are the hot words that are no phrases of the prompt, for a model that takes the prompt as context.
func (p *Preferences) Keywords() []string { return p.HotWords[:p.keywords] }

// Prefer reads keywords and a prompt. Each phrase of up to five words between commas, semicolons or line ends of the prompt is a hot
// word. The error is a *FieldError.
func Prefer(keywords []string, prompt string) (Preferences, error) {
	var p Preferences
	if !utf8.ValidString(prompt) {
		return p, Invalid("prompt", "it is not UTF-8")
	}
	for _, word := range keywords {
		if !utf8.ValidString(word) {
			return p, Invalid("keywords", "it is not UTF-8")
		}
		word = strings.Join(strings.Fields(word), " ")
		if utf8.RuneCountInString(word) > maxHotWordLetters {
			return p, Invalid("keywords", "a keyword has more than %d characters", maxHotWordLetters)
		}
		if word != "" && !slices.Contains(p.HotWords, word) {
			p.HotWords = append(p.HotWords, word)
		}
	}
	if len(p.HotWords) > maxHotWords {
		return p, Invalid("keywords", "%d keywords: at most %d", len(p.HotWords), maxHotWords)
	}
	p.keywords = len(p.HotWords)
	p.Context = strings.TrimSpace(prompt)
	for part := range strings.FieldsFuncSeq(prompt, func(r rune) bool { return strings.ContainsRune(",;\n\r", r) }) {
		words := strings.Fields(part)
		phrase := strings.Join(words, " ")
		if len(words) == 0 || len(words) > maxPhraseWords || utf8.RuneCountInString(phrase) > maxHotWordLetters || slices.Contains(p.HotWords, phrase) {
			continue
		}
		if len(p.HotWords) == maxHotWords {
			return p, Invalid("prompt", "more than %d hot words, those of the keywords included", maxHotWords)
		}
		p.HotWords = append(p.HotWords, phrase)
	}
	return p, nil
}

// Invalid is a *FieldError for a value that can never be right.
func Invalid(param, format string, args ...any) error {
	return &FieldError{Param: param, Code: CodeInvalidValue, Err: scout.Errorf(scout.CodeInvalidArgument, format, args...)}
}
