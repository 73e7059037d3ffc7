package settings

import "testing"

func TestTheLanguageOfTheSystem(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		variables []string
		setting   string
		want      string
	}{
		"nothing":                             {nil, "", "en"},
		"C":                                   {[]string{"LANG=C"}, "", "en"},
		"C with an encoding":                  {[]string{"LANG=C.UTF-8"}, "", "en"},
		"POSIX":                               {[]string{"LC_ALL=POSIX", "LANG=de_DE.UTF-8"}, "", "en"},
		"a country and an encoding":           {[]string{"LANG=de_DE.UTF-8"}, "", "de"},
		"a modifier":                          {[]string{"LANG=ca_ES@valencia"}, "", "ca"},
		"a bare language":                     {[]string{"LANG=fr"}, "", "fr"},
		"as BCP 47":                           {[]string{"LANG=pt-BR"}, "", "pt"},
		"messages before the rest":            {[]string{"LANG=de_DE.UTF-8", "LC_MESSAGES=it_IT.UTF-8"}, "", "it"},
		"all before messages":                 {[]string{"LC_ALL=es_ES", "LC_MESSAGES=it_IT.UTF-8"}, "", "es"},
		"an empty variable counts for nobody": {[]string{"LC_ALL=", "LANG=nl_NL"}, "", "nl"},
		"a setting before the system":         {[]string{"LANG=de_DE.UTF-8"}, "ja", "ja"},
		"auto":                                {[]string{"LANG=de_DE.UTF-8"}, "auto", "auto"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			l := &Loaded{Settings: Default(), sources: Sources{Environment: c.variables}}
			l.Dictation.Language = c.setting
			if got := l.DictationLanguage(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
