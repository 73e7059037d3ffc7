package hotword

import (
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
)

// letters is a vocabulary of single bytes; a word ends before a space, a full stop and 0.
type letters struct{}

func (letters) Encode(text string) []int64 {
	var tokens []int64
	for _, b := range []byte(text) {
		tokens = append(tokens, int64(b))
	}
	return tokens
}

func (letters) EndsWord(token int64) bool { return token == ' ' || token == '.' || token == 0 }

// after walks along a text.
func after(h *Words, text string) int32 {
	node := Root
	for _, b := range []byte(text) {
		if node = h.Child(node, int64(b)); node == Root {
			return Root
		}
	}
	return node
}

func TestWords(t *testing.T) {
	t.Parallel()
	h, err := New(letters{}, []string{"on", "  one   more ", "--", "", "\xffnow"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		" on": true, " On": true, " one more": true, " One more": true, " now": true, " one": false, "on": false, " off": false, " one moreover": false,
	} {
		node := after(h, text)
		if got := node != Root && h.Complete(node, 0); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if h.Complete(after(h, " on"), 'e') {
		t.Error("a phrase ends inside a word")
	}
	tokens, bonus := make([]int64, h.Width()), make([]float32, h.Width())
	favoured := func(node int32) (string, float32) {
		h.Favour(node, tokens, bonus)
		var s []byte
		for i, token := range tokens {
			if bonus[i] > 0 {
				s = append(s, byte(token))
			}
		}
		slices.Sort(s)
		return string(s), slices.Max(bonus)
	}
	for node, want := range map[int32]struct {
		next  string
		bonus float32
	}{Root: {" ", firstBonus}, Nowhere: {"", 0}, after(h, " "): {"Onno", 0}, after(h, " on"): {"e", restBonus}, after(h, " now"): {"", 0}} {
		if next, most := favoured(node); !sameLetters(next, want.next) || want.bonus > 0 && most != want.bonus {
			t.Errorf("node %d favours %q by %v, want %q by %v", node, next, most, want.next, want.bonus)
		}
	}
}

func sameLetters(a, b string) bool {
	x, y := []byte(strings.ToLower(a)), []byte(strings.ToLower(b))
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, texts := range map[string][]string{
		"too many": slices.Repeat([]string{"x"}, maxWords+1), "too long": {strings.Repeat("x", maxTokens)}, "far too long": {strings.Repeat("x", maxTokens*longestPiece+1)},
	} {
		if h, err := New(letters{}, texts); scout.CodeOf(err) != scout.CodeInvalidArgument || h != nil {
			t.Errorf("%s: %v, %v", name, h, err)
		}
	}
	for name, texts := range map[string][]string{"none": nil, "nothing to say": {"", "--", " "}} {
		h, err := New(letters{}, texts)
		if err != nil || h != nil || h.Width() != 0 {
			t.Errorf("%s: %v, %v", name, h, err)
		}
		h.Favour(Root, nil, nil)
	}
}
