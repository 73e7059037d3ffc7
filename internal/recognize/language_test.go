package recognize_test

import (
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/recognize"
)

func TestParseLanguage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "auto": "", "AUTO": "", " Auto ": "",
		"en": "en", "EN": "en", "eng": "en", "en-US": "en", "en_US": "en", "en-us": "en", "en_US.UTF-8": "en", "en-GB-oed": "en", "en-Latn-US": "en",
		"english": "en", "English": "en", "ENGLISH": "en",
		"de": "de", "deu": "de", "ger": "de", "de_DE@euro": "de", "german": "de", "Deutsch": "de",
		"pt-BR": "pt", "Portuguese": "pt", "português": "pt", "zh-Hant-TW": "zh", "Chinese": "zh", "中文": "zh",
		"français": "fr", "日本語": "ja", "русский": "ru", "Norwegian Bokmål": "no", "yue": "yue", "Cantonese": "yue", "haw": "haw", "hawaiian": "haw",
	} {
		if got, err := recognize.ParseLanguage(text); err != nil || got != want {
			t.Errorf("%q = %q, %v: want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"klingonese", "e", "x", "-", "12", "en US now", "und", "en-US-with-too-much"} {
		if got, err := recognize.ParseLanguage(text); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%q = %q, %v: want an error", text, got, err)
		}
	}
}

func TestLanguageOfAModel(t *testing.T) {
	t.Parallel()
	english, many, unknown := []string{"en"}, []string{"en", "de", "fr"}, []string(nil)
	for name, c := range map[string]struct {
		known []string
		asked string
		want  string
		code  scout.Code
	}{
		"nothing asked, one known":          {english, "", "en", ""},
		"auto, one known":                   {english, "auto", "en", ""},
		"a name":                            {english, "english", "en", ""},
		"a tag":                             {english, "en-US", "en", ""},
		"another language":                  {english, "de", "", scout.CodeModelLanguage},
		"another language, by its own name": {english, "Deutsch", "", scout.CodeModelLanguage},
		"no language":                       {english, "klingonese", "", scout.CodeInvalidArgument},
		"another code of the language":      {[]string{"no", "he", "tl", "zh"}, "nb", "no", ""},
		"an old code":                       {[]string{"no", "he", "tl", "zh"}, "iw", "he", ""},
		"the code of a standard":            {[]string{"no", "he", "tl", "zh"}, "fil", "tl", ""},
		"one of a group of languages":       {[]string{"no", "he", "tl", "zh"}, "cmn", "zh", ""},
		"nothing asked, many known":         {many, "", "", ""},
		"one of many":                       {many, "de-AT", "de", ""},
		"a model that does not tell":        {unknown, "sv", "sv", ""},
	} {
		r := recognize.Recognizer{Model: model.Installed{}}
		r.Model.Languages = c.known
		if got, err := r.Language(c.asked); got != c.want || scout.CodeOf(err) != c.code {
			t.Errorf("%s: %q, %v: want %q, %q", name, got, err, c.want, c.code)
		}
	}
}
