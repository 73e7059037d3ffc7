package wire

import (
	"slices"
	"time"

	"github.com/scout-speech/scout"
)

// Hypothesis returns the result in the program's own type. It shares no memory with r.
func (r *Result) Hypothesis() *scout.Hypothesis {
	h := &scout.Hypothesis{
		Text: r.Text, Stop: scout.StopReason(r.Stop), EndLogProb: logProb(r.EndLogProb), Agreed: r.Agreed, Again: again(r.Again),
		Language: language(r.Language), LanguageProb: probability(r.LanguageProb), NoSpeech: probability(r.NoSpeech),
		AudioTokens: count(r.AudioTokens), PromptTokens: count(r.PromptTokens),
		DecodeTime: milliseconds(r.DecodeMS), EncodeTime: milliseconds(r.EncodeMS),
	}
	if len(r.Words) > 0 {
		h.Words = make([]scout.Word, len(r.Words))
	}
	for i, w := range r.Words {
		h.Words[i] = scout.Word{Text: w.Text, Start: at(w.StartMS), End: at(w.EndMS), LogProb: logProb(w.LogProb)}
	}
	r.spell(h.Words)
	if len(r.Tokens) > 0 {
		h.Tokens = make([]scout.Token, len(r.Tokens))
	}
	for _, c := range r.Scores {
		h.Changes = append(h.Changes, scout.ChangeScore{Own: c.Own, Other: c.Other})
	}
	for i, t := range r.Tokens {
		h.Tokens[i] = scout.Token{ID: t.ID, Text: t.Text, LogProb: logProb(t.LogProb), Start: at(t.StartMS)}
	}
	return h
}

// mostTokens is more than any piece and any prompt has.
const mostTokens = 1 << 20

// count returns a number of tokens, and 0 for what is none.
func count(n int) int {
	if n < 0 || n > mostTokens {
		return 0
	}
	return n
}

// longestToken is more bytes than a token of any vocabulary has.
const longestToken = 256

// spell gives words their tokens. A result with more of them than decoder steps, or with one that is none, has no tokens:
// they are a report of the decoding, and whoever asks for them gets all or none.
func (r *Result) spell(words []scout.Word) {
	n := 0
	for i := range r.Words {
		for _, t := range r.Words[i].Tokens {
			if n++; n > len(r.Tokens) || len(t.Bytes) == 0 || len(t.Bytes) > longestToken {
				return
			}
		}
	}
	for i := range r.Words {
		for _, t := range r.Words[i].Tokens {
			words[i].Tokens = append(words[i].Tokens, scout.WordToken{Bytes: slices.Clone(t.Bytes), LogProb: float64(t.LogProb)})
		}
	}
}

// mostAgain is more decodes than any backend makes of one piece.
const mostAgain = 8

// again returns the reasons that this side knows: they become labels of metrics.
func again(reasons []AgainReason) []scout.AgainReason {
	var known []scout.AgainReason
	for _, reason := range reasons[:min(len(reasons), mostAgain)] {
		if r := scout.AgainReason(reason); slices.Contains(scout.AgainReasons(), r) {
			known = append(known, r)
		}
	}
	return known
}

func logProb(p *float32) *float64 {
	if p == nil {
		return nil
	}
	wide := float64(*p)
	return &wide
}

// language returns a code of two or three small letters, and nothing for anything else: the code gets into file names
// and messages.
func language(code string) string {
	if len(code) < 2 || len(code) > 3 {
		return ""
	}
	for _, c := range []byte(code) {
		if c < 'a' || c > 'z' {
			return ""
		}
	}
	return code
}

// probability returns a probability, and nil for what is none.
func probability(p *float32) *float64 {
	if p == nil || !(*p >= 0 && *p <= 1) {
		return nil
	}
	wide := float64(*p)
	return &wide
}

// longestMS is longer than any piece. Times outside it are dropped.
const longestMS = 3_600_000

func at(ms *float32) *time.Duration {
	if ms == nil || !(*ms >= 0 && *ms <= longestMS) {
		return nil
	}
	d := milliseconds(float64(*ms))
	return &d
}

func milliseconds(ms float64) time.Duration {
	return time.Duration(min(max(ms, 0), longestMS) * float64(time.Millisecond))
}
