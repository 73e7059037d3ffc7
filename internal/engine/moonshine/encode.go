package moonshine

import (
	"slices"
	"strings"
)

// firstPiece is the first token that is a piece of text; the 256 before it are single bytes.
const firstPiece = firstText + 256

// Encode returns the tokens of a text as the model was trained with them (byte-pair encoding as in SentencePiece, Kudo
// and Richardson, EMNLP 2018): it starts with characters and joins the pair that makes the earliest token of the
// vocabulary, until there is none. A character that is not a token becomes its bytes.
func (v *vocabulary) Encode(text string) []int64 {
	ids := v.index()
	parts := make([]string, 0, len(text))
	for _, r := range text {
		parts = append(parts, string(r))
	}
	for {
		best, at := int64(vocabularySize), -1
		for i := range max(len(parts)-1, 0) {
			if id, ok := ids[parts[i]+parts[i+1]]; ok && id < best {
				best, at = id, i
			}
		}
		if at < 0 {
			break
		}
		parts[at] += parts[at+1]
		parts = slices.Delete(parts, at+1, at+2)
	}
	tokens := make([]int64, 0, len(parts))
	for _, part := range parts {
		if id, ok := ids[part]; ok {
			tokens = append(tokens, id)
			continue
		}
		for _, b := range []byte(part) {
			tokens = append(tokens, firstText+int64(b))
		}
	}
	return tokens
}

// index returns the tokens by their text. It is made at the first call: most engines never get hot words.
func (v *vocabulary) index() map[string]int64 {
	v.indexOnce.Do(func() {
		v.ids = make(map[string]int64, lastText-firstPiece+1)
		for id := int64(firstPiece); id <= lastText; id++ {
			if _, taken := v.ids[v.pieces[id]]; !taken && v.pieces[id] != "" {
				v.ids[v.pieces[id]] = id
			}
		}
	})
	return v.ids
}

// EndsWord reports whether a word ends before a token: the token begins another word, is punctuation, or is the end.
func (v *vocabulary) EndsWord(token int64) bool {
	return token == endToken || strings.HasPrefix(v.pieces[token], " ") || !v.spoken(token)
}
