package whisper

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/whisper/token"
	"github.com/scout-speech/scout/internal/engine/wordtext"
)

// vocabulary is the model's tokens, in the type that the runtime takes.
type vocabulary struct{ *token.Vocabulary }

// Encode returns the tokens of a text.
func (v *vocabulary) Encode(text string) []int64 { return wide(v.Vocabulary.Encode(text)) }

// EndsWord reports whether a word ends before a token: the token begins another word, is punctuation, or is no text.
func (v *vocabulary) EndsWord(id int64) bool {
	bytes := v.Bytes(int32(id))
	if strings.HasPrefix(bytes, " ") {
		return true
	}
	return !strings.ContainsFunc(bytes, func(r rune) bool {
		return r >= utf8.RuneSelf || unicode.IsLetter(r) || unicode.IsDigit(r)
	})
}

// pieces returns what each token adds to a text.
func (v *vocabulary) pieces(tokens []int64) []string {
	out := make([]string, len(tokens))
	for i, id := range tokens {
		out[i] = v.Bytes(int32(id))
	}
	return out
}

// text returns the text of tokens.
func (v *vocabulary) text(tokens []int64) string { return wordtext.Text(v.pieces(tokens)) }

// hypothesis returns ids as tokens to verify: none after the end of the text or another marker, and at most limit. Ids
// outside the vocabulary of the model are refused with invalid_argument, wherever they are.
func (v *vocabulary) hypothesis(ids []int32, size, limit int) ([]int64, error) {
	for i, id := range ids {
		if id < 0 || int(id) >= size {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "token %d of the hypothesis is %d: want 0 to %d", i, id, size-1)
		}
	}
	if end := slices.IndexFunc(ids, func(id int32) bool { return id >= v.End }); end >= 0 {
		ids = ids[:end]
	}
	return wide(ids[:min(len(ids), limit)]), nil
}

// simplified says "sentences in Mandarin follow" in simplified characters.
const simplified = "以下是普通话的句子。"

// script returns the text that stands before a first one in a language that is written in two scripts, nil for any other. A
// model learned both and begins with either, whoever speaks; it goes on in the script of the text before.
// docs/adr/0073-chinese-script.md.
func (v *vocabulary) script(language string) []int64 {
	if language != "zh" || v.Previous == token.None {
		return nil
	}
	return append([]int64{int64(v.Previous)}, v.Encode(simplified)...)
}

func wide(ids []int32) []int64 {
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = int64(id)
	}
	return out
}
