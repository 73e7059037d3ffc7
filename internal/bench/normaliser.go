package bench

import (
	"strings"
	"unicode/utf8"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench/whispertext"
)

// Normaliser says how texts are compared.
type Normaliser string

const (
	// NormaliserScout compares what Words returns: docs/formats/wer-normalisation.md.
	NormaliserScout Normaliser = "scout"
	// NormaliserWhisper compares as OpenAI's Whisper does, for published figures: package whispertext.
	NormaliserWhisper Normaliser = "whisper"
)

// ParseNormaliser returns the normaliser of that name.
func ParseNormaliser(name string) (Normaliser, error) {
	switch n := Normaliser(name); n {
	case NormaliserScout, NormaliserWhisper:
		return n, nil
	}
	return "", scout.Errorf(scout.CodeInvalidArgument, "unknown normaliser %q: want %s or %s", name, NormaliserScout, NormaliserWhisper)
}

// Counted is what errors are counted in.
type Counted string

// What is counted.
const (
	InWords      Counted = "word"
	InCharacters Counted = "character"
)

// CountedIn returns what is counted for a language: characters where it is written without spaces between words.
func CountedIn(language string) Counted {
	if language == "km" || whispertext.Unspaced(language) {
		return InCharacters
	}
	return InWords
}

// Units returns what is compared of a text in a language; an empty language counts as English.
func (n Normaliser) Units(text, language string) []string {
	if n == NormaliserWhisper {
		return whispertext.Units(text, language)
	}
	words := Words(text)
	if CountedIn(language) == InWords {
		return words
	}
	var characters []string
	for _, r := range strings.Join(words, "") {
		characters = append(characters, string(r))
	}
	return characters
}

// charactersOf compares units character by character. Words are compared with one space between them.
func charactersOf(reference, heard []string, unit Counted) Characters {
	space := " "
	if unit == InCharacters {
		space = ""
	}
	before, after := strings.Join(reference, space), strings.Join(heard, space)
	return Characters{Reference: utf8.RuneCountInString(before), Errors: Distance(before, after)}
}
