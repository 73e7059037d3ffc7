package whisper

import (
	"context"
	"slices"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// The language is found in as much as the model was trained with where it is not certain, unless somebody waits, and again where the
// audio is heard anew with more.
func TestTellLanguage(t *testing.T) {
	t.Parallel()
	b := random(t, 80)
	l, err := b.slots.Take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer b.slots.Add(l)
	short := speech(t)[:2*scout.EngineSampleRateHz]
	usual, safe, whole := b.model.framesFor(len(short), usualTail), b.model.framesFor(len(short), safeTail), b.model.framesFor(len(short), wholeTail)
	for name, c := range map[string]struct {
		language string
		found    *tongue
		how      how
		in       int // frames in which the language was found, 0 for not at all
	}{
		"given":                     {"de", nil, how{tail: usualTail}, 0},
		"somebody waits":            {"", nil, how{tail: usualTail, once: true}, usual},
		"certain":                   {"", &tongue{"de", firmProb, usual}, how{tail: usualTail}, usual},
		"not certain":               {"", &tongue{"de", 0.49, usual}, how{tail: usualTail}, whole},
		"not certain in the whole":  {"", &tongue{"de", 0.4, whole}, how{tail: safeTail, anew: true}, whole},
		"heard anew":                {"", &tongue{"de", 0.9, usual}, how{tail: safeTail, anew: true, once: true}, safe},
		"heard anew with no more":   {"", &tongue{"de", 0.9, safe}, how{tail: usualTail, anew: true}, safe},
		"and with all of it":        {"", &tongue{"de", 0.9, usual}, how{tail: wholeTail, anew: true}, whole},
		"a second decode, not anew": {"", &tongue{"de", 0.9, usual}, how{tail: safeTail}, usual},
	} {
		s := &session{slot: l, job: job{samples: short, language: c.language}, found: c.found}
		frames := s.framesWith(c.how.tail)
		err := s.listen(frames, c.how.blank())
		if err == nil {
			err = s.tellLanguage(c.how)
		}
		d := &decoding{}
		if err == nil {
			err = s.setPrompt(d)
		}
		if err != nil {
			t.Fatal(err)
		}
		in := 0
		if s.found != nil {
			in = s.found.frames
		}
		if in != c.in {
			t.Errorf("%s: found in %d frames, want %d", name, in, c.in)
		}
		if again := c.in == whole && c.how.tail == usualTail; again != slices.Equal(s.again, []wire.AgainReason{wire.AgainLanguage}) {
			t.Errorf("%s: heard again because of %q", name, s.again)
		}
		if s.heard.frames != frames || s.heard.blank != c.how.blank() {
			t.Errorf("%s: %d frames are heard, want %d", name, s.heard.frames, frames)
		}
		if told := d.prob != nil; told != (c.language == "") || c.language != "" && d.language != c.language || !told && s.found != nil {
			t.Errorf("%s: %s with %v", name, d.language, d.prob)
		}
		s.cache.forget()
		if err := s.owned.Free(); err != nil {
			t.Error(err)
		}
	}
}

// Each decode begins with the text before of its own language.
func TestPromptOfALanguageThatChanges(t *testing.T) {
	t.Parallel()
	b := random(t, 80)
	s := &session{slot: &slot{model: b.model}, job: job{}, found: &tongue{code: "de"}}
	german, english := &decoding{}, &decoding{}
	err := s.setPrompt(german)
	s.found = &tongue{code: "en", prob: 0.8}
	if err == nil {
		err = s.setPrompt(english)
	}
	if err != nil || german.language != "de" || english.language != "en" || german.prompt[1] == english.prompt[1] || *english.prob != 0.8 {
		t.Errorf("%+v, %+v, %v", german, english, err)
	}
}
