package settings

import "strings"

// systemLanguage is the language of a system whose locale names none: C, POSIX, or nothing.
const systemLanguage = "en"

// DictationLanguage returns the language that is dictated: dictation.language, else that of the system's locale.
func (l *Loaded) DictationLanguage() string {
	if l.Dictation.Language != "" {
		return l.Dictation.Language
	}
	return localeLanguage(environment(l.sources.Environment))
}

// localeLanguage returns the language that the locale for messages names. Source: POSIX, "Environment Variables", 8.2.
func localeLanguage(variables map[string]string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		locale := variables[name]
		if locale == "" {
			continue
		}
		locale, _, _ = strings.Cut(locale, ".") // de_DE.UTF-8
		locale, _, _ = strings.Cut(locale, "@") // de_DE@euro
		locale, _, _ = strings.Cut(strings.ReplaceAll(locale, "-", "_"), "_")
		if locale == "C" || locale == "POSIX" {
			return systemLanguage
		}
		return strings.ToLower(locale)
	}
	return systemLanguage
}
