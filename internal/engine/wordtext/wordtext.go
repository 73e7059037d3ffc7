// Package wordtext makes text and words of the tokens of a decoder. It serves all vocabularies whose tokens are rows of
// bytes, with the space of a word at its beginning. It is pure: strings in, words out.
package wordtext

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/engine/wordtime"
)

// Text returns the text of tokens, given what each adds to it. It has no surrounding spaces; bytes that are no character
// become U+FFFD.
func Text(pieces []string) string {
	return strings.TrimSpace(strings.ToValidUTF8(strings.Join(pieces, ""), "\uFFFD"))
}

// Tokens returns tokens for the wire. A character made of several tokens is the text of its last token.
//
//	ids, pieces, logprobs  shape [tokens]; logprobs is copied
func Tokens[ID int32 | int64](ids []ID, pieces []string, logprobs []float32) []wire.Token {
	out := make([]wire.Token, len(ids))
	logprobs = slices.Clone(logprobs)
	for i, id := range ids {
		out[i] = wire.Token{ID: int32(id), LogProb: &logprobs[i]}
	}
	for _, u := range unitsOf(pieces) {
		out[u.to-1].Text = u.text
	}
	return out
}

// unit is the fewest tokens that hold whole characters: tokens [from, to).
type unit struct {
	from, to int
	text     string
	spoken   bool // it has a sound: punctuation and spaces have none
	begins   bool // a word may begin with it
	opens    bool // it consists of marks that open, such as 「
}

// unitsOf divides tokens into units, with each token in exactly one.
func unitsOf(pieces []string) []unit {
	var units []unit
	from, pending := 0, ""
	for i, piece := range pieces {
		if pending += piece; i < len(pieces)-1 && !utf8.ValidString(pending) && len(pending) < utf8.UTFMax {
			continue
		}
		u := unit{from: from, to: i + 1, text: strings.ToValidUTF8(pending, "\uFFFD")}
		u.spoken = strings.ContainsFunc(u.text, spoken)
		u.begins = strings.HasPrefix(u.text, " ")
		u.opens = u.text != "" && !strings.ContainsFunc(u.text, func(r rune) bool { return !unicode.In(r, unicode.Ps, unicode.Pi) })
		if n := len(units); n > 0 && !u.begins {
			before, _ := utf8.DecodeLastRuneInString(units[n-1].text)
			after, _ := utf8.DecodeRuneInString(u.text)
			u.begins = scout.Divides(before, after)
		}
		units = append(units, u)
		from, pending = i+1, ""
	}
	return units
}

// spoken reports whether a character has a sound of its own, or belongs to one. Signs such as € are read aloud.
func spoken(r rune) bool {
	if r < utf8.RuneSelf {
		return unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	return !unicode.IsPunct(r) && !unicode.IsSpace(r)
}

// Line is a text that is divided into words.
type Line struct {
	pieces []string
	spoken []bool          // of each token
	spans  []wordtime.Word // with each token in exactly one
}

// New divides tokens into words. A word begins with a token that begins with a space, or with any character of a script
// without spaces. A word of punctuation alone belongs to the word before it, and at the very beginning to the one after
// it. pieces must not be changed afterwards.
func New(pieces []string) *Line {
	l := &Line{pieces: pieces, spoken: make([]bool, len(pieces))}
	units := unitsOf(pieces)
	heard := false // whether the last word has a sound
	for i, u := range units {
		if n := len(l.spans); n == 0 || u.begins && heard && hasSound(units[i:]) {
			l.spans = append(l.spans, wordtime.Word{From: u.from, To: u.to})
			heard = false
		} else {
			l.spans[n-1].To = u.to
		}
		heard = heard || u.spoken
		for k := u.from; k < u.to; k++ {
			l.spoken[k] = u.spoken
		}
	}
	return l
}

// hasSound reports whether the word that begins with the first unit has a sound.
func hasSound(units []unit) bool {
	for i, u := range units {
		if i > 0 && u.begins && !units[i-1].opens {
			return false
		}
		if u.spoken {
			return true
		}
	}
	return false
}

// Spans returns the words that have a text, as tokens.
func (l *Line) Spans() []wordtime.Word {
	return slices.DeleteFunc(slices.Clone(l.spans), func(s wordtime.Word) bool { return Text(l.pieces[s.From:s.To]) == "" })
}

// Words returns the words with their log-probabilities: the sum over the tokens that have a sound. The sum separates
// wrong words from right ones best (AUC 0.90; mean and minimum 0.897).
func (l *Line) Words(logprobs []float32) []wire.Word {
	spans := l.Spans()
	out := make([]wire.Word, 0, len(spans))
	for _, s := range spans {
		var sum float32
		for i := s.From; i < s.To; i++ {
			if l.spoken[i] {
				sum += logprobs[i]
			}
		}
		out = append(out, wire.Word{Text: Text(l.pieces[s.From:s.To]), LogProb: &sum})
	}
	return out
}

// Spell gives the words that Words returned their tokens. A token without a text is left out.
//
//	logprobs  shape [tokens]
func (l *Line) Spell(logprobs []float32, words []wire.Word) {
	for i, s := range l.Spans() {
		for k := s.From; k < s.To; k++ {
			if l.pieces[k] != "" {
				words[i].Tokens = append(words[i].Tokens, wire.WordToken{Bytes: []byte(l.pieces[k]), LogProb: logprobs[k]})
			}
		}
	}
}

// Place sets the times of the words that Words returned. The placer must have seen the decode of the samples.
func (l *Line) Place(p *wordtime.Placer, samples []float32, words []wire.Word) {
	placed := p.Place(samples, l.spoken, l.Spans())
	for i := range words {
		if s := &placed[i]; s.Placed {
			words[i].StartMS, words[i].EndMS = &s.StartMS, &s.EndMS
		}
	}
}
