package main

import (
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
)

func TestClipsInALanguage(t *testing.T) {
	t.Parallel()
	all := []bench.Entry{{File: "a", Language: "de"}, {File: "b", Language: "fr-CA"}, {File: "c"}, {File: "d", Language: "German"}}
	for situation, c := range map[string]struct {
		language string
		entries  []bench.Entry
		files    string
		code     scout.Code
	}{
		"none named":           {"", all, "abcd", ""},
		"the model finds it":   {"auto", all, "abcd", ""},
		"a code":               {"de", all, "acd", ""},
		"a name":               {"French", all, "bc", ""},
		"only clips of others": {"de", all[1:2], "", scout.CodeInvalidArgument},
		"no language":          {"Klingonish", all, "", scout.CodeInvalidArgument},
	} {
		left, err := inLanguage(c.entries, c.language)
		files := ""
		for _, e := range left {
			files += e.File
		}
		if scout.CodeOf(err) != c.code || err == nil && files != c.files {
			t.Errorf("%s: %q, %v", situation, files, err)
		}
	}
}
