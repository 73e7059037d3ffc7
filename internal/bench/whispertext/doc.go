// Package whispertext normalises texts as OpenAI's Whisper does before it counts errors, so that rates can be compared with published
// ones: Radford et al. 2022 (https://cdn.openai.com/papers/whisper.pdf), appendix C, and the code that they published,
// whisper/normalizers of github.com/openai/whisper. Both of its normalisers are here, to the letter, with their oddities.
package whispertext

import (
	"sync"

	"github.com/rivo/uniseg"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// Units returns what is compared of a text: words, or characters where the language is written without spaces. The language is a code;
// empty means English.
func Units(text, language string) []string {
	if language == "" || language == "en" {
		return fields(English(text))
	}
	return fields(Basic(text, Unspaced(language)))
}

// Unspaced reports whether characters are counted instead of words: whisper/timing.py.
func Unspaced(language string) bool {
	switch language {
	case "zh", "ja", "th", "lo", "my", "yue":
		return true
	}
	return false
}

// graphemes returns the characters of a text as people see them.
func graphemes(text string) []string {
	var all []string
	for g := uniseg.NewGraphemes(text); g.Next(); {
		all = append(all, g.Str())
	}
	return all
}

// lower is Python's str.lower. A Caser has a state, so that each call has its own.
func lower(text string) string {
	caser := cases.Lower(language.Und)
	return caser.String(text)
}

// spellings are read at their first use.
var spellings = sync.OnceValue(readSpellings) //nolint:gochecknoglobals // it never changes
