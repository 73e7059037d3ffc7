package moonshine

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

func TestHotWordsDecideWhatIsNearlyUndecided(t *testing.T) {
	t.Parallel()
	b := open(t)
	samples := clip(t, "libri_1088-134315-0000.wav") // "… has won such universal recognition …", where "one" sounds the same
	free := transcribe(t, b, samples, wire.RequestOptions{Words: true})
	if !b.Facts().HotWords || !strings.Contains(free.Text, "has won such") {
		t.Fatalf("facts %+v, heard %q", b.Facts(), free.Text)
	}
	for name, c := range map[string]struct {
		hot  []string
		want string // instead of "has won such"
	}{
		"the word":                      {[]string{"one"}, "has one such"},
		"a phrase":                      {[]string{"one such universal recognition"}, "has one such"},
		"among others":                  {[]string{"onerous", "on", "Quilter", "one", "once", "wan"}, "has one such"},
		"two of which one begins other": {[]string{"one such a thing", "one"}, "has one such"},
		"a phrase that ends otherwise":  {[]string{"one such a thing"}, "has won such"},
		"a longer word":                 {[]string{"onerous", "wonder", "recognitions"}, "has won such"},
		"names that nobody said":        {[]string{"Zanzibar", "Adelaide", "Prometheus", "Kubernetes"}, "has won such"},
		"what is said anyway":           {[]string{"as you know", "universal", "Recognition"}, "has won such"},
		"nothing to say":                {[]string{"", " ", "--", "\xff"}, "has won such"},
	} {
		r := transcribe(t, b, samples, wire.RequestOptions{Words: true, HotWords: c.hot})
		if want := strings.Replace(free.Text, "has won such", c.want, 1); plain(r.Text) != plain(want) {
			t.Errorf("%s: %q", name, r.Text)
		}
		before := float32(0)
		for _, w := range r.Words { // the rows of abandoned phrases are dropped
			if w.StartMS == nil || *w.StartMS < before {
				t.Fatalf("%s: %q at %v behind %v", name, w.Text, w.StartMS, before)
			}
			before = *w.EndMS
		}
		if name != "among others" {
			continue // one is enough to see that a text with hot words can be continued
		}
		again := transcribe(t, b, samples, wire.RequestOptions{HotWords: c.hot, Hypothesis: ids(r)})
		if plain(again.Text) != plain(r.Text) {
			t.Errorf("%s, with its text as the hypothesis: %q", name, again.Text)
		}
	}
	for name, hot := range map[string][]string{
		"too many": make([]string, 1001), "too long": {strings.Repeat("Donaudampfschiff", 30)}, "far too long": {strings.Repeat("x ", 1<<16)},
	} {
		_, err := b.Transcribe(t.Context(), &wire.Request{Samples: samples, Options: wire.RequestOptions{HotWords: hot}})
		if scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	var encoded []int32
	backend, ok := b.(*backend)
	if !ok {
		t.Fatalf("%T", b)
	}
	for _, id := range backend.vocabulary.Encode(" " + free.Text) {
		encoded = append(encoded, int32(id))
	}
	if !slices.Equal(encoded, ids(free)) {
		t.Errorf("%q is %v in tokens, the model wrote %v", free.Text, encoded, ids(free))
	}
}

// bytesAndPieces returns a vocabulary file with the tokens of single bytes, and the pieces after them.
func bytesAndPieces(pieces ...string) string {
	var b strings.Builder
	for id := range vocabularySize {
		piece := fmt.Sprintf("<%d>", id)
		switch i := id - firstPiece; {
		case id >= firstText && i < 0:
			piece = string([]byte{byte(id - firstText)})
		case i >= 0 && i < len(pieces):
			piece = pieces[i]
		}
		fmt.Fprintf(&b, "%s %d\n", base64.StdEncoding.EncodeToString([]byte(piece)), id)
	}
	return b.String()
}

// The tokens of a text have the same text.
func TestEncodeSaysTheText(t *testing.T) {
	t.Parallel()
	v, err := readVocabulary(fileOf(t, bytesAndPieces(" ", "a", "b", "ab", " a", " ab", "é", "ba", "aba")))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune(" abé漢x")), 0, 20, -1).Draw(t, "text")
		var said strings.Builder
		for _, id := range v.Encode(text) {
			said.WriteString(v.pieces[id])
		}
		if said.String() != text {
			t.Fatalf("%q encoded says %q", text, said.String())
		}
	})
}

func TestEncodeJoinsTheEarliestPair(t *testing.T) {
	t.Parallel()
	v, err := readVocabulary(fileOf(t, bytesAndPieces("a", "b", "c", "bc", "ab", "abc")))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]int64{
		"abc": {firstPiece + 5}, // b and c first, then a: there is "abc"
		"ab":  {firstPiece + 4},
		"abb": {firstPiece + 4, firstPiece + 1},
		"bcb": {firstPiece + 3, firstPiece + 1},
		"é":   {firstText + 0xc3, firstText + 0xa9}, // no token: its bytes
		"":    nil,
	} {
		if got := v.Encode(text); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
