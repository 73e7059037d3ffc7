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

// piecesOf returns what each token adds to the text.
func (v *vocabulary) piecesOf(tokens []int64) []string {
	pieces := make([]string, len(tokens))
	for i, id := range tokens {
		pieces[i] = v.pieces[id]
	}
	return pieces
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
