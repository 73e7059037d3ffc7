// Package hotword favours words and phrases where the audio is nearly undecided: names, terms of a trade. It is a prefix
// tree of their tokens, the same for every family of models.
package hotword

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// Limits of the hot words of a request.
const (
	maxWords  = 1000 // phrases
	maxTokens = 24   // of one phrase
)

// Bonuses on the logits of a hot word's tokens, in nats: how much less probable than the best one each may be. After
// the first token the bonus is larger, because the model is least sure of the rest of a rare name. Measured with the 30
// rarest names and with 200 wrong ones: docs/adr/0013-hot-words.md.
const (
	firstBonus = 2
	restBonus  = 4
)

// Nodes of Words.
const (
	Root    = int32(0)  // before every word; also means that there is no such child
	Nowhere = int32(-1) // nothing is favoured there
)

// Vocabulary is what favouring has to know of a model's tokens.
type Vocabulary interface {
	// Encode returns the tokens of a text. A space begins a word.
	Encode(text string) []int64
	// EndsWord reports whether a word ends before a token.
	EndsWord(token int64) bool
}

// Words are phrases to favour, as a prefix tree of their tokens.
type Words struct {
	vocabulary Vocabulary
	nodes      []node // the first is the root
	most       int    // children of a node
}

type node struct {
	tokens   []int64 // the tokens of the children
	children []int32
	complete bool // a phrase ends here
}

// New makes a tree of phrases, nil if there are none. Each is favoured as it is written and with a capital, at
// the beginning of a word. Phrases without a letter or digit are left out. Too many or too long phrases are refused
// with invalid_argument.
func New(v Vocabulary, texts []string) (*Words, error) {
	if len(texts) == 0 {
		return nil, nil //nolint:nilnil // nil means that there are no hot words
	}
	if len(texts) > maxWords {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "%d hot words: at most %d", len(texts), maxWords)
	}
	h := &Words{vocabulary: v, nodes: make([]node, 1)}
	for i, text := range texts {
		text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
		if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			continue
		}
		if len(text) > maxTokens*longestPiece {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "hot word %d has %d bytes: too long", i+1, len(text))
		}
		first, size := utf8.DecodeRuneInString(text)
		for _, written := range []string{text, string(unicode.ToUpper(first)) + text[size:]} {
			tokens := v.Encode(" " + written)
			if len(tokens) > maxTokens {
				return nil, scout.Errorf(scout.CodeInvalidArgument, "hot word %d has %d tokens: at most %d", i+1, len(tokens), maxTokens)
			}
			h.add(tokens)
		}
	}
	if h.most == 0 {
		return nil, nil //nolint:nilnil // as above
	}
	return h, nil
}

// longestPiece bounds the bytes of a token.
const longestPiece = 32

func (h *Words) add(tokens []int64) {
	at := Root
	for _, token := range tokens {
		next := h.Child(at, token)
		if next == Root {
			next = int32(len(h.nodes))
			h.nodes = append(h.nodes, node{})
			n := &h.nodes[at]
			n.tokens, n.children = append(n.tokens, token), append(n.children, next)
			h.most = max(h.most, len(n.tokens))
		}
		at = next
	}
	h.nodes[at].complete = true
}

// Child returns the node that a token leads to, Root if there is none.
func (h *Words) Child(at int32, token int64) int32 {
	n := &h.nodes[at]
	if i := slices.Index(n.tokens, token); i >= 0 {
		return n.children[i]
	}
	return Root
}

// Width returns the largest number of tokens that are favoured at once.
func (h *Words) Width() int {
	if h == nil {
		return 0
	}
	return h.most
}

// Favour writes the tokens that are favoured after a node and their bonuses: shape [width] each, padded with a bonus of
// 0.
func (h *Words) Favour(at int32, tokens []int64, bonus []float32) {
	clear(tokens)
	clear(bonus)
	if h == nil || at == Nowhere {
		return
	}
	for i, token := range h.nodes[at].tokens {
		tokens[i], bonus[i] = token, restBonus
		if at == Root {
			bonus[i] = firstBonus
		}
	}
}

// Complete reports whether a phrase ends at a node and may end there: a word ends before the token that comes next.
func (h *Words) Complete(at int32, next int64) bool {
	return h.nodes[at].complete && h.vocabulary.EndsWord(next)
}
