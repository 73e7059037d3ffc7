package moonshine

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// Limits of the hot words of a request.
const (
	maxHotWords      = 1000 // phrases
	maxHotWordTokens = 24   // of one phrase
)

// Bonuses on the logits of a hot word's tokens, in nats: how much less probable than the best one each may be. After
// the first token the bonus is larger, because the model is least sure of the rest of a rare name. Measured with the 30
// rarest names and with 200 wrong ones: docs/adr/0013-hot-words.md.
const (
	firstBonus = 2
	restBonus  = 4
)

// Nodes of hotWords.
const (
	root    = int32(0)  // before every word; also means that there is no such child
	nowhere = int32(-1) // nothing is favoured there
)

// hotWords are phrases to favour, as a prefix tree of their tokens.
type hotWords struct {
	vocabulary *vocabulary
	nodes      []hotNode // the first is the root
	most       int       // children of a node
}

type hotNode struct {
	tokens   []int64 // the tokens of the children
	children []int32
	complete bool // a phrase ends here
}

// hotWordsOf makes a tree of phrases, nil if there are none. Each is favoured as it is written and with a capital, at
// the beginning of a word. Phrases without a letter or digit are left out. Too many or too long phrases are refused
// with invalid_argument.
func (v *vocabulary) hotWordsOf(texts []string) (*hotWords, error) {
	if len(texts) == 0 {
		return nil, nil //nolint:nilnil // nil means that there are no hot words
	}
	if len(texts) > maxHotWords {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "%d hot words: at most %d", len(texts), maxHotWords)
	}
	h := &hotWords{vocabulary: v, nodes: make([]hotNode, 1)}
	for i, text := range texts {
		text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
		if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			continue
		}
		if len(text) > maxHotWordTokens*longestPiece {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "hot word %d has %d bytes: too long", i+1, len(text))
		}
		first, size := utf8.DecodeRuneInString(text)
		for _, written := range []string{text, string(unicode.ToUpper(first)) + text[size:]} {
			tokens := v.encode(" " + written)
			if len(tokens) > maxHotWordTokens {
				return nil, scout.Errorf(scout.CodeInvalidArgument, "hot word %d has %d tokens: at most %d", i+1, len(tokens), maxHotWordTokens)
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

func (h *hotWords) add(tokens []int64) {
	at := root
	for _, token := range tokens {
		next := h.child(at, token)
		if next == root {
			next = int32(len(h.nodes))
			h.nodes = append(h.nodes, hotNode{})
			n := &h.nodes[at]
			n.tokens, n.children = append(n.tokens, token), append(n.children, next)
			h.most = max(h.most, len(n.tokens))
		}
		at = next
	}
	h.nodes[at].complete = true
}

// child returns the node that a token leads to, root if there is none.
func (h *hotWords) child(node int32, token int64) int32 {
	n := &h.nodes[node]
	if i := slices.Index(n.tokens, token); i >= 0 {
		return n.children[i]
	}
	return root
}

// width returns the largest number of tokens that are favoured at once.
func (h *hotWords) width() int {
	if h == nil {
		return 0
	}
	return h.most
}

// favour writes the tokens that are favoured after a node and their bonuses: shape [width] each, padded with a bonus of
// 0.
func (h *hotWords) favour(node int32, tokens []int64, bonus []float32) {
	clear(tokens)
	clear(bonus)
	if h == nil || node == nowhere {
		return
	}
	for i, token := range h.nodes[node].tokens {
		tokens[i], bonus[i] = token, restBonus
		if node == root {
			bonus[i] = firstBonus
		}
	}
}
