package bench

import "testing"

func TestPassage(t *testing.T) {
	t.Parallel()
	const text = "It should be able to categorize the urgency level, and handle technical vocabulary since I record a lot of notes."
	for situation, c := range map[string]struct{ written, want string }{
		"as it is":           {"handle technical vocabulary since I", "handle technical vocabulary since I"},
		"another word in it": {"Able to categories the urgency", "able to categorize the urgency"},
		"a word missing":     {"urgency level handle technical", "urgency level, and handle technical"},
		"a word too many":    {"record a lot of my notes", "record a lot of notes."},
		"all of it":          {text, text},
		"nothing":            {"", ""},
	} {
		if got := Passage(text, c.written); got != c.want {
			t.Errorf("%s: %q, want %q", situation, got, c.want)
		}
	}
}
