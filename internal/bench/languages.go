package bench

import (
	"slices"
)

// LanguageScore is the outcome of the clips in one language, or in all that are counted alike.
type LanguageScore struct {
	// Language is a code; empty for all languages with this unit.
	Language string  `json:"language,omitempty"`
	Unit     Counted `json:"unit"`
	// Heard counts the clips for which the transcriber named a language, and Right those of them for which it named the right one.
	Heard int `json:"languages_heard"`
	Right int `json:"languages_right"`
	Score
}

// Rate is the error rate in the unit of the language.
func (l *LanguageScore) Rate() *Rate {
	if l.Unit == InCharacters {
		return l.CER
	}
	return l.WER
}

// languagesOf summarises clips by language, and then by unit. It returns nil if no language is known.
func languagesOf(files []File) []LanguageScore {
	var codes []string
	for i := range files {
		if code := files[i].Language; code != "" && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	var all []LanguageScore
	add := func(code string, unit Counted, in func(File) bool) {
		l := LanguageScore{Language: code, Unit: unit, Score: scoreOf(files, in)}
		for i := range files {
			if f := &files[i]; in(*f) && f.Heard != "" && f.Language != "" {
				l.Heard++
				if f.Heard == f.Language {
					l.Right++
				}
			}
		}
		if l.Files > 0 {
			all = append(all, l)
		}
	}
	for _, code := range codes {
		add(code, CountedIn(code), func(f File) bool { return f.Language == code })
	}
	if len(codes) > 1 {
		for _, unit := range []Counted{InWords, InCharacters} {
			add("", unit, func(f File) bool { return f.Language != "" && CountedIn(f.Language) == unit })
		}
	}
	return all
}
