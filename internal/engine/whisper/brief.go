package whisper

import (
	"math"
	"strings"

	"github.com/scout-speech/scout"
)

// Lengths in samples. Measured: docs/adr/0098-single-words.md.
const (
	// brief is the length below which a piece holds a word or two.
	brief = 2 * scout.EngineSampleRateHz
	// fewWords is the length of speech below which its text is chosen by likeliest, oneWord that below which further words cost.
	fewWords = scout.EngineSampleRateHz
	oneWord  = scout.EngineSampleRateHz * 6 / 10
)

// wordCost is by how many nats a text of a single word's length must be more probable for each further word. A word that was cut
// out of a sentence begins and ends with sounds of its neighbours, of which the model makes words: "In section" of "section".
const wordCost = 2

// sounding returns the length of what is not quiet: from the first to the last 20 ms that are at most 30 dB below the loudest.
func sounding(samples []float32) int {
	const quiet = 1e-3 // of the loudest power
	var powers []float64
	loudest := 0.0
	for at := 0; at+frameSamples <= len(samples); at += frameSamples {
		power := 0.0
		for _, v := range samples[at : at+frameSamples] {
			power += float64(v) * float64(v)
		}
		powers, loudest = append(powers, power), max(loudest, power)
	}
	first, last := -1, -2
	for i, power := range powers {
		if power >= quiet*loudest {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	return (last - first + 1) * frameSamples
}

// likeliest returns the text of a few words: of the words that all their spellings together make the most probable, the most
// probable spelling. cost is what each word after the first must be more probable by. The mean that chooses longer texts favours
// more words, because of few words the model is least sure where they end. A text without words is taken only if there is no other.
func likeliest(texts []branch, cost float64, text func(tokens []int64) string) branch {
	type reading struct {
		words string
		count int
	}
	readings := make([]reading, len(texts))
	together := map[string]float64{} // probability of the spellings
	spoken := false
	for i, b := range texts {
		w := words(text(b.tokens))
		readings[i] = reading{strings.Join(w, " "), len(w)}
		together[readings[i].words] += math.Exp(b.sum)
		spoken = spoken || len(w) > 0
	}
	best, most := texts[0], math.Inf(-1)
	for i, r := range readings {
		if spoken && r.count == 0 {
			continue
		}
		likely := math.Log(together[r.words]) - cost*float64(max(r.count-1, 0))
		if likely > most || likely == most && texts[i].sum > best.sum {
			best, most = texts[i], likely
		}
	}
	return best
}

// choose returns the best of the texts that a beam found.
func (s *session) choose(texts []branch) branch {
	text := s.model.vocabulary.text
	if len(s.samples) < brief {
		switch length := sounding(s.samples); {
		case length < oneWord:
			return likeliest(texts, wordCost, text)
		case length < fewWords:
			return likeliest(texts, 0, text)
		}
	}
	return mostProbable(texts)
}
