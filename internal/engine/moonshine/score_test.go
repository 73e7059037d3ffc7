package moonshine

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// What the model says is as probable when it is made to say it, and other words are less so.
func TestScores(t *testing.T) {
	t.Parallel()
	b := open(t)
	samples := clip(t, "jfk_16k_mono.wav")
	own := transcribe(t, b, samples, wire.RequestOptions{})
	words := make([]string, len(own.Words))
	for i, w := range own.Words {
		words[i] = w.Text
	}
	at := slices.IndexFunc(words, func(w string) bool { return w == "country" || w == "country," || w == "country." })
	if at < 0 {
		t.Fatalf("%q", words)
	}
	score := func(changes ...wire.Change) *wire.Result {
		r, err := b.Transcribe(context.Background(), &wire.Request{Samples: samples, Options: wire.RequestOptions{
			Score: &wire.Score{Words: words, Behind: 3, Changes: changes},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole := float64(*own.EndLogProb)
	for _, token := range own.Tokens {
		whole += float64(*token.LogProb)
	}
	got := score(wire.Change{From: 0, To: len(words), Words: words}, wire.Change{From: at, To: at + 1, Words: []string{"county"}}, wire.Change{From: 1, To: 2})
	if same := got.Scores[0]; math.Abs(same.Own-whole) > 1 || math.Abs(same.Other-same.Own) > 0.01 {
		t.Errorf("the same words: %+v, decoded with %v", same, whole)
	}
	for _, c := range got.Scores[1:] {
		if !(c.Own > c.Other+1) {
			t.Errorf("other words: %+v", c)
		}
	}
	if got.Text != "" || len(got.Tokens) > 0 {
		t.Errorf("a text was decoded: %q", got.Text)
	}
	_, err := b.Transcribe(context.Background(), &wire.Request{Samples: samples, Options: wire.RequestOptions{Score: &wire.Score{Words: slices.Repeat([]string{"many"}, 300)}}})
	if scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("a text that is too long: %v", err)
	}
}
