package recognize

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/spelling"
)

// autoLanguage asks the model to detect the language, or uses the only language of the model.
const autoLanguage = "auto"

// ParseLanguage reads a language as people write it: an ISO 639 code (en, eng), a BCP 47 tag (en-US, pt_BR, zh-Hant),
// or a name in English or in the language itself (English, Deutsch). Case does not matter.
//
// It returns the shortest ISO 639 code, and "" for an empty text and for autoLanguage. The error has the code
// invalid_argument.
func ParseLanguage(text string) (string, error) {
	asked := strings.TrimSpace(text)
	if asked == "" || strings.EqualFold(asked, autoLanguage) {
		return "", nil
	}
	// A POSIX locale, as in $LANG: en_US.UTF-8, de_DE@euro.
	tag, _, _ := strings.Cut(asked, ".")
	tag, _, _ = strings.Cut(tag, "@")
	if parsed, err := language.Parse(tag); err == nil {
		// "und" has a base too: the most likely language of all.
		if base, confidence := parsed.Base(); confidence >= language.High {
			return base.String(), nil
		}
	}
	if code := codeOfName(asked); code != "" {
		return code, nil
	}
	unknown := scout.Errorf(scout.CodeInvalidArgument, "unknown language %q", text)
	if meant := meantLanguage(asked); meant != "" {
		return "", unknown.WithHint("did you mean %s (%s)?", languageName(meant), meant)
	}
	return "", unknown.WithHint("write a code such as en or de, a tag such as en-US, a name such as English, or %s", autoLanguage)
}

// meantLanguage returns the code of the language whose name was probably meant, empty if there is none.
func meantLanguage(name string) string {
	const shortest = 4 // letters of a name: any code is close to another one
	if utf8.RuneCountInString(name) < shortest {
		return ""
	}
	english := display.English.Languages()
	var names []string
	codes := map[string]string{}
	for _, tag := range display.Supported.Tags() {
		base, confidence := tag.Base()
		if confidence == language.No {
			continue
		}
		plain := language.Make(base.String())
		for _, known := range []string{english.Name(plain), display.Self.Name(plain)} {
			if known != "" && codes[known] == "" {
				names, codes[known] = append(names, known), base.String()
			}
		}
	}
	slices.Sort(names)
	return codes[spelling.Closest(name, names)]
}

// codeOfName returns the code of the language with that name, in English or in the language itself; empty if there is
// none.
func codeOfName(name string) string {
	english := display.English.Languages()
	for _, tag := range display.Supported.Tags() {
		base, confidence := tag.Base()
		if confidence == language.No {
			continue
		}
		plain := language.Make(base.String())
		if strings.EqualFold(english.Name(plain), name) || strings.EqualFold(display.Self.Name(plain), name) {
			return base.String()
		}
	}
	return ""
}

// canonical returns one code for languages that have several: nb and no, iw and he, fil and tl, cmn and zh.
func canonical(code string) string {
	tag, err := language.All.Parse(code)
	if err != nil {
		return code
	}
	base, _ := tag.Base()
	return base.String()
}

// knows returns the code of a list that stands for a language, empty if there is none.
func knows(list []string, code string) string {
	if slices.Contains(list, code) {
		return code
	}
	if i := slices.IndexFunc(list, func(k string) bool { return canonical(k) == canonical(code) }); i >= 0 {
		return list[i]
	}
	return ""
}

// languageName returns the English name of a code, or the code if it has none.
func languageName(code string) string {
	tag, err := language.Parse(code)
	if err != nil {
		return code
	}
	if name := display.English.Languages().Name(tag); name != "" {
		return name
	}
	return code
}

// Language returns the code of a language as people write it. The code is "" if the model detects the language. For an
// empty text and autoLanguage it is the language of a model that knows only one. The error is one of ParseLanguage, or
// has the code model_language if the model does not know the language.
func (r *Recognizer) Language(asked string) (string, error) {
	known := r.Model.Languages
	code, err := ParseLanguage(asked)
	switch {
	case err != nil:
		return "", err
	case code == "" && len(known) == 1:
		return known[0], nil
	case code == "", len(known) == 0:
		return code, nil
	}
	if own := knows(known, code); own != "" {
		return own, nil
	}
	const most = 8
	list := strings.Join(known[:min(len(known), most)], ", ")
	if len(known) > most {
		list += ", …"
	}
	unknown := scout.Errorf(scout.CodeModelLanguage, "model %s does not know the language %s (it knows %s)", r.Model.ID, languageName(code), list)
	if r.Model.ID != usuallyAccurate && offered(usuallyAccurate, code) {
		return "", unknown.WithHint("use a model of many languages: scout models pull %s, then --model %s", usuallyAccurate, usuallyAccurate)
	}
	return "", unknown.WithHint("see which languages models know: scout models list")
}

// offered reports whether the model with an id, as the catalogue has it, knows a language.
func offered(id, code string) bool {
	entries := model.Catalogue()
	i := slices.IndexFunc(entries, func(e model.Entry) bool { return e.ID == id })
	return i >= 0 && knows(entries[i].Languages, code) != ""
}
