package espeak

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// One synthesizer for one test: the library has one state for the process.
func TestSpeak(t *testing.T) {
	s, err := Open()
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	const sentence = "The boat, an old one, came back in the rain."
	spoken, err := s.Speak(sentence, Voice{Name: "en-us", Rate: 150, Pitch: 50})
	if err != nil {
		t.Fatal(err)
	}
	length := time.Duration(len(spoken.Samples)) * time.Second / time.Duration(spoken.SampleRateHz)
	if spoken.SampleRateHz != 22050 || length < time.Second || length > 5*time.Second {
		t.Errorf("%v at %d Hz", length, spoken.SampleRateHz)
	}
	var texts []string
	before := time.Duration(0)
	for _, w := range spoken.Words {
		texts = append(texts, w.Text)
		for _, at := range []*time.Duration{w.Start, w.End} {
			if at != nil && (*at < before || *at > length) {
				t.Errorf("%q has a border at %v, behind one at %v of %v", w.Text, *at, before, length)
			} else if at != nil {
				before = *at
			}
		}
		if (w.Start == nil) != (w.Text == "the") || (w.End == nil) != (w.Text == "in") { // "in the" is spoken as one
			t.Errorf("%q from %v to %v", w.Text, w.Start, w.End)
		}
	}
	if got, want := strings.Join(texts, " "), strings.NewReplacer(",", "", ".", "").Replace(sentence); got != want {
		t.Errorf("words %q, want %q", got, want)
	}
	if gap := *spoken.Words[2].Start - *spoken.Words[1].End; gap < 50*time.Millisecond {
		t.Errorf("a pause of %v at the comma", gap)
	}
	slow, err := s.Speak(sentence, Voice{Name: "en+f2", Rate: 110, Pitch: 50})
	if err != nil || len(slow.Samples) <= len(spoken.Samples) {
		t.Errorf("slow speech is %d samples long, fast speech %d: %v", len(slow.Samples), len(spoken.Samples), err)
	}
	if _, err := s.Speak(sentence, Voice{Name: "no-such-voice", Rate: 150, Pitch: 50}); err == nil {
		t.Error("a voice that does not exist speaks")
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range Sentences() {
		if seen[s] || len(strings.Fields(s)) < 5 || strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' }) {
			t.Errorf("%q: twice, too short, or not ASCII", s)
		}
		seen[s] = true
	}
	if len(seen) < 200 {
		t.Errorf("%d sentences", len(seen))
	}
}
