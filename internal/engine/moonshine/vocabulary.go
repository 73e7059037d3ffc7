package moonshine

import (
	"bufio"
	"encoding/base64"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

const (
	vocabularySize = 32768
	// firstText and lastText bound the text tokens; outside them are the markers and 768 special tokens.
	firstText, lastText = 3, 32000 - 1
)

// vocabulary maps tokens to their text.
type vocabulary struct {
	pieces [vocabularySize]string // bytes, not always whole characters; empty for tokens without text

	indexOnce sync.Once
	ids       map[string]int64 // tokens by their text; see index
}

// readVocabulary reads lines "base64(token) id", one for every id below vocabularySize, in any order.
func readVocabulary(path string) (*vocabulary, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "load vocabulary", err)
	}
	defer f.Close() //nolint:errcheck // read only
	v := &vocabulary{}
	seen := 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		coded, number, found := strings.Cut(lines.Text(), " ")
		id, errID := strconv.Atoi(number)
		piece, errPiece := base64.StdEncoding.DecodeString(coded)
		if !found || errID != nil || errPiece != nil || id < 0 || id >= vocabularySize {
			return nil, scout.Errorf(scout.CodeModelCorrupt, "load vocabulary %s: line %d is not \"base64 id\"", path, seen+1)
		}
		if id >= firstText && id <= lastText {
			v.pieces[id] = string(piece)
		}
		seen++
	}
	switch {
	case lines.Err() != nil:
		return nil, scout.FileError(scout.CodeReadFailed, "load vocabulary", lines.Err())
	case seen != vocabularySize:
		return nil, scout.Errorf(scout.CodeModelCorrupt, "load vocabulary %s: %d tokens, want %d", path, seen, vocabularySize)
	}
	return v, nil
}

// hypothesis returns ids as tokens to verify: none after an end of text and at most limit of them, because more cannot
// have been said. Ids outside the vocabulary are refused with invalid_argument, wherever they are.
func (v *vocabulary) hypothesis(ids []int32, limit int) ([]int64, error) {
	for i, id := range ids {
		if id < 0 || id >= vocabularySize {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "token %d of the hypothesis is %d: want 0 to %d", i, id, vocabularySize-1)
		}
	}
	if end := slices.Index(ids, endToken); end >= 0 {
		ids = ids[:end]
	}
	ids = ids[:min(len(ids), limit)]
	tokens := make([]int64, len(ids))
	for i, id := range ids {
		tokens[i] = int64(id)
	}
	return tokens, nil
}

// text returns the text of the tokens. Invalid bytes become U+FFFD.
func (v *vocabulary) text(tokens []int64) string {
	var s strings.Builder
	for _, id := range tokens {
		s.WriteString(v.pieces[id])
	}
	return strings.TrimSpace(strings.ToValidUTF8(s.String(), "\uFFFD"))
}

// tokens returns the tokens for the wire. A character made of several tokens is the text of its last token.
func (v *vocabulary) tokens(ids []int64, logprobs []float32) []wire.Token {
	out := make([]wire.Token, len(ids))
	logprobs = append([]float32(nil), logprobs...)
	pending := ""
	for i, id := range ids {
		out[i] = wire.Token{ID: int32(id), LogProb: &logprobs[i]}
		pending += v.pieces[id]
		if i == len(ids)-1 || utf8.ValidString(pending) || len(pending) >= utf8.UTFMax {
			out[i].Text = strings.ToValidUTF8(pending, "\uFFFD")
			pending = ""
		}
	}
	return out
}

// span is a word as a range of tokens: tokens[from:to].
type span struct{ from, to int }

// spans returns the words of the tokens, with each token in exactly one. A word begins with a token that begins with a
// space. A word of punctuation alone belongs to the word before it, and at the very beginning to the one after it.
func (v *vocabulary) spans(tokens []int64) []span {
	var words []span
	spoken := false // whether the last word has a spoken token
	for i, id := range tokens {
		begins := strings.HasPrefix(v.pieces[id], " ")
		if len(words) == 0 || begins && spoken && v.spokenWord(tokens[i:]) {
			words = append(words, span{i, i + 1})
			spoken = false
		} else {
			words[len(words)-1].to = i + 1
		}
		spoken = spoken || v.spoken(id)
	}
	return words
}

// written returns the spans that have a text: those that words returns, in the same order.
func (v *vocabulary) written(tokens []int64) []span {
	return slices.DeleteFunc(v.spans(tokens), func(s span) bool { return v.text(tokens[s.from:s.to]) == "" })
}

// spokenWord reports whether the word that begins with the first token has a spoken token.
func (v *vocabulary) spokenWord(tokens []int64) bool {
	for i, id := range tokens {
		if i > 0 && strings.HasPrefix(v.pieces[id], " ") {
			return false
		}
		if v.spoken(id) {
			return true
		}
	}
	return false
}

// spoken reports whether a token has a letter, a digit or part of a non-ASCII character.
func (v *vocabulary) spoken(id int64) bool {
	for _, r := range v.pieces[id] {
		if r >= utf8.RuneSelf || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return true
		}
	}
	return false
}

// words returns the words of the tokens with their log-probabilities: the sum over spoken tokens. The sum separates
// wrong words from right ones best (AUC 0.90; mean and minimum 0.897).
func (v *vocabulary) words(tokens []int64, logprobs []float32) []wire.Word {
	spans := v.written(tokens)
	out := make([]wire.Word, 0, len(spans))
	for _, s := range spans {
		var sum float32
		for i := s.from; i < s.to; i++ {
			if v.spoken(tokens[i]) {
				sum += logprobs[i]
			}
		}
		out = append(out, wire.Word{Text: v.text(tokens[s.from:s.to]), LogProb: &sum})
	}
	return out
}
