package token

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// coder finds the tokens of a text.
type coder struct {
	ids   map[string]int32 // text tokens, as they are written in the file
	ranks map[string]int32 // pairs of tokens to join, "left right", the first to be joined lowest; nil if it is that of the ids
}

// rank returns when two neighbours are joined, and false if never. Without ranks it is the id of the joined token: the
// ids of OpenAI's vocabularies are in the order in which their tokens were found, and its own tokenizer goes by them.
func (c *coder) rank(left, right string) (int32, bool) {
	if c.ranks != nil {
		rank, known := c.ranks[left+" "+right]
		return rank, known
	}
	id, known := c.ids[left+right]
	return id, known
}

func (c *coder) encode(text string) []int32 {
	var ids []int32
	for text != "" {
		n := wordLen(text)
		ids = c.word(ids, text[:n])
		text = text[n:]
	}
	return ids
}

// longestWord is how many bytes of a word are joined at once. No token is nearly as long, and joining takes the square
// of the length.
const longestWord = 512

// word appends the tokens of one word: it joins the pair with the lowest rank until there is none.
func (c *coder) word(ids []int32, word string) []int32 {
	for len(word) > longestWord {
		ids = c.word(ids, word[:longestWord])
		word = word[longestWord:]
	}
	whole := written(word)
	if id, known := c.ids[whole]; known {
		return append(ids, id)
	}
	parts := strings.Split(whole, "")
	for len(parts) > 1 {
		at, best := -1, int32(0)
		for i := range len(parts) - 1 {
			if rank, known := c.rank(parts[i], parts[i+1]); known && (at < 0 || rank < best) {
				at, best = i, rank
			}
		}
		if at < 0 {
			break
		}
		parts[at] += parts[at+1]
		parts = slices.Delete(parts, at+1, at+2)
	}
	for _, part := range parts {
		ids = append(ids, c.ids[part])
	}
	return ids
}

// wordLen returns the length of the first word of a text that is not empty, as GPT-2 splits texts:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func wordLen(text string) int {
	for _, ending := range [...]string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		if strings.HasPrefix(text, ending) {
			return len(ending)
		}
	}
	lead := 0
	if text[0] == ' ' && len(text) > 1 {
		lead = 1
	}
	first, _ := utf8.DecodeRuneInString(text[lead:])
	if kind := kindOf(first); kind != space {
		return lead + runLen(text[lead:], kind)
	}
	n := runLen(text, space)
	if n == len(text) {
		return n
	}
	// The last space belongs to the word after it, unless it is the only one.
	if _, last := utf8.DecodeLastRuneInString(text[:n]); last < n {
		return n - last
	}
	return n
}

// kind is what GPT-2 tells apart.
type kind uint8

const (
	space kind = iota
	letter
	number
	other
)

func kindOf(r rune) kind {
	switch {
	case unicode.Is(unicode.White_Space, r):
		return space
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	}
	return other
}

// runLen returns how many bytes at the beginning of a text are of a kind.
func runLen(text string, of kind) int {
	for i, r := range text {
		if kindOf(r) != of {
			return i
		}
	}
	return len(text)
}
