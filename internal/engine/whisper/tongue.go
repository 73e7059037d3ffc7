package whisper

import (
	"math"

	"github.com/scout-speech/scout/internal/engine/wire"
)

// firmProb is the probability of a language from which it is believed at once. Measured: docs/adr/0072-whisper-padding.md.
const firmProb = 0.5

// tongue is a language that the model found.
type tongue struct {
	code   string
	prob   float32
	frames int // of what it was found in
}

// tellLanguage finds the language of the samples, which were heard before, where none is given. Short speech with little silence behind
// it is taken for another language, and then the model repeats itself. So a language that is not certain is found in as much as the model
// was trained with, unless somebody waits; and it is found again where the audio is heard anew with more.
func (s *session) tellLanguage(w how) error {
	if s.language != "" || !s.model.vocabulary.Multilingual {
		return nil
	}
	if s.found == nil || w.anew && s.heard.frames > s.found.frames {
		if err := s.findLanguage(); err != nil {
			return err
		}
	}
	whole := s.framesWith(wholeTail)
	if w.once || s.found.prob >= firmProb || s.found.frames >= whole {
		return nil
	}
	s.again = append(s.again, wire.AgainLanguage)
	before := s.heard
	if err := s.listen(whole, false); err != nil {
		return err
	}
	if err := s.findLanguage(); err != nil {
		return err
	}
	return s.listen(before.frames, before.blank)
}

// findLanguage asks the model for the language of what was heard last.
func (s *session) findLanguage() error {
	if err := s.room(1, cacheStep, 0, &s.owned); err != nil {
		return err
	}
	if err := s.run(input{
		hearing: s.heard, tokens: []int64{int64(s.model.vocabulary.Start)}, rows: []int64{0}, bias: s.model.first, count: 1,
	}); err != nil {
		return err
	}
	code, prob := s.spoken()
	s.found = &tongue{code, prob, s.heard.frames}
	return nil
}

// spoken returns the most probable language after the start marker, and its share of the probability of all languages.
func (s *session) spoken() (code string, prob float32) {
	best, most, sum := "en", math.Inf(-1), 0.0
	for language, id := range s.model.vocabulary.Languages {
		if int(id) >= s.model.Vocabulary {
			continue
		}
		if logit := float64(s.logits[id]); logit > most || logit == most && language < best {
			best, most = language, logit
		}
	}
	for _, id := range s.model.vocabulary.Languages {
		if int(id) < s.model.Vocabulary {
			sum += math.Exp(float64(s.logits[id]) - most)
		}
	}
	return best, float32(1 / sum)
}
