package bench

import "testing"

func TestCountPhrases(t *testing.T) {
	t.Parallel()
	r := Report{Files: []File{
		{Reference: "leni met tapp near whisper hill", Text: "lenny met tapp near whisper hill"},
		{Reference: "lenis hill and whisper hill", Text: "lenis hill and whispered hill"},
		{Reference: "leni", Text: ""},
	}}
	if got, want := r.CountPhrases([]string{"Leni", "Whisper Hill", "Zau", "-"}), (Phrases{Said: 5, Wrong: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	seen := map[string]bool{}
	for _, name := range Unsaid() {
		if seen[name] || len(Words(name)) == 0 {
			t.Errorf("%q: twice, or no name", name)
		}
		seen[name] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d names", len(seen))
	}
}
