package token

import (
	"strings"

	"github.com/scout-speech/scout"
)

// None is the id of a marker that the vocabulary does not have.
const None int32 = -1

// Vocabulary is what the tokens of a model stand for. It is safe for concurrent use.
type Vocabulary struct {
	// End ends a text. Tokens from it on are no text.
	End int32
	// Start begins every prompt.
	Start int32
	// Translate and Transcribe say what is wanted. Only multilingual models use them.
	Translate, Transcribe int32
	// Previous begins the text that was said before, NoSpeech is what a model predicts where nobody speaks. Each is None
	// if the vocabulary lacks it.
	Previous, NoSpeech int32
	// NoTimestamps asks for text without times. The tokens from FirstTimestamp on are times, one every 20 ms.
	NoTimestamps, FirstTimestamp int32
	// Languages are the tokens of languages by their codes (ISO 639-1, or three letters where that has none). An
	// English-only model lists them too, but was not trained with them.
	Languages map[string]int32
	// Multilingual reports whether prompts name a language and a task.
	Multilingual bool

	pieces []string // the bytes of each text token
	coder  coder
}

// Size returns how many tokens are text or markers, without the timestamps that a file does not list.
func (v *Vocabulary) Size() int32 { return v.FirstTimestamp }

// Bytes returns what a token adds to a text, which may be part of a character. It is empty for markers, for times and
// for ids outside the vocabulary.
func (v *Vocabulary) Bytes(id int32) string {
	if id < 0 || int(id) >= len(v.pieces) {
		return ""
	}
	return v.pieces[id]
}

// Decode returns the text of the tokens as the model wrote it: it mostly begins with a space. Characters may span
// tokens. Bytes that are no character become U+FFFD.
func (v *Vocabulary) Decode(ids []int32) string {
	var s strings.Builder
	for _, id := range ids {
		s.WriteString(v.Bytes(id))
	}
	return strings.ToValidUTF8(s.String(), "\uFFFD")
}

// Encode returns the tokens of a text, as the model's own tokenizer splits it. Names of markers in the text are plain
// text: no text can become a marker.
func (v *Vocabulary) Encode(text string) []int32 { return v.coder.encode(text) }

// Language returns the code of a language's token, and false for any other token.
func (v *Vocabulary) Language(id int32) (string, bool) {
	for code, language := range v.Languages {
		if language == id {
			return code, true
		}
	}
	return "", false
}

// Prompt returns the markers that ask for a text without times: [start, language, task, no timestamps], and [start, no
// timestamps] for an English-only model. It fails with invalid_argument if the model does not know the language, or
// cannot translate.
func (v *Vocabulary) Prompt(language string, translate bool) ([]int32, error) {
	if !v.Multilingual {
		if language != "" && language != "en" {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "language %q: the model knows English only", language)
		}
		if translate {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "the model knows English only: it cannot translate")
		}
		return []int32{v.Start, v.NoTimestamps}, nil
	}
	id, known := v.Languages[language]
	if !known {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "language %q: the model does not know it", language)
	}
	task := v.Transcribe
	if translate {
		task = v.Translate
	}
	return []int32{v.Start, id, task, v.NoTimestamps}, nil
}
