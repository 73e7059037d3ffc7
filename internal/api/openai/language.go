package openai

import (
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recognize"
)

// otherNames are English names of languages that OpenAI takes besides the usual ones. Source: openai/whisper, tokenizer.py,
// TO_LANGUAGE_CODE.
var otherNames = map[string]string{
	"myanmar": "my", "valencian": "ca", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb", "pushto": "ps", "panjabi": "pa", "moldavian": "ro",
	"moldovan": "ro", "sinhalese": "si", "castilian": "es", "mandarin": "zh", "nynorsk": "nn",
}

// ParseLanguages reads the language and the candidates of a request: ISO 639 codes in any case, tags such as en-US, and English names.
// The result has codes, the language first, each once.
//
// The error is a *FieldError for the field that is wrong.
func ParseLanguages(asked string, candidates []string) ([]string, error) {
	var codes []string
	for i, text := range append([]string{asked}, candidates...) {
		param := "languages"
		if i == 0 {
			param = "language"
		}
		code, known := otherNames[strings.ToLower(strings.TrimSpace(text))]
		if !known {
			var err error
			if code, err = recognize.ParseLanguage(text); err != nil {
				const most = 40 // of a text that is no language
				if short := []rune(text); len(short) > most {
					text = string(short[:most]) + "…"
				}
				return nil, &FieldError{Param: param, Code: CodeLanguageFormat, Err: scout.Errorf(scout.CodeInvalidArgument, "%q is not a language", text).
					WithHint("write a code such as en or de, a tag such as en-US, or a name such as English")}
			}
		}
		if code != "" && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes, nil
}

// namesOfOpenAI are those that differ from the usual English ones. Source: openai/whisper, tokenizer.py, LANGUAGES.
var namesOfOpenAI = map[string]string{"my": "myanmar", "nn": "nynorsk", "nb": "norwegian", "jw": "javanese"}

// LanguageName is the English name of a code in lower case, as verbose_json has it; "unknown" where there is none.
func LanguageName(code string) string {
	if name := namesOfOpenAI[code]; name != "" {
		return name
	}
	if tag, err := language.Parse(code); err == nil && code != "" {
		if name := display.English.Languages().Name(tag); name != "" {
			return strings.ToLower(name)
		}
	}
	return "unknown"
}

// Language is a language of a text.
type Language struct {
	Code string `json:"code"`
}

// Languages are those of a text, for its JSON: empty where the model is not sure.
func Languages(codes ...string) []Language {
	list := []Language{}
	for _, code := range codes {
		if l := (Language{code}); code != "" && !slices.Contains(list, l) {
			list = append(list, l)
		}
	}
	return list
}
