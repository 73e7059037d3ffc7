package speech

import "testing"

func TestWordy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, ".": false, " ... ": false, "♪ ♪": false, "(-)": false, "“ ”": false, "?": false,
		"a": true, "7": true, "%": true, "$": true, "+": true, "&": true, "½": true, "こ": true, "...ja": true,
	} {
		if got := wordy(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
