package whisper

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// What the model says is as probable when it is made to say it, other words are less so, and what was heard is not heard again
// where it was kept.
func TestScores(t *testing.T) {
	t.Parallel()
	b := running(t, load(t, baseDir(t), ""))
	samples := speech(t)
	options := english
	options.Keep = true
	own := transcribe(t, b, samples, options)
	words := make([]string, len(own.Words))
	for i, w := range own.Words {
		words[i] = w.Text
	}
	score := func(changes ...wire.Change) *wire.Result {
		options := english
		options.Score = &wire.Score{Words: words, Behind: 3, Changes: changes}
		return transcribe(t, b, samples, options)
	}
	whole := float64(*own.EndLogProb)
	for _, token := range own.Tokens {
		whole += float64(*token.LogProb)
	}
	at := slices.IndexFunc(words, func(w string) bool { return plain(w) == "country" })
	changes := []wire.Change{
		{From: 0, To: len(words), Words: words}, {From: at, To: at + 1, Words: []string{"county"}}, {From: 1, To: 2}, {From: 0, To: 1, Words: []string{"Then"}},
	}
	kept := score(changes...)
	if same := kept.Scores[0]; math.Abs(same.Own-whole) > 1 || math.Abs(same.Other-same.Own) > 0.01 {
		t.Errorf("the same words: %+v, decoded with %v", same, whole)
	}
	for _, c := range kept.Scores[1:] {
		if !(c.Own > c.Other+1) {
			t.Errorf("other words: %+v", c)
		}
	}
	if kept.EncodeMS != 0 || kept.Text != "" {
		t.Errorf("heard again for %v ms, text %q", kept.EncodeMS, kept.Text)
	}
	again := score(changes...)
	if again.EncodeMS == 0 {
		t.Error("what was heard is kept for more than one request")
	}
	for i, c := range again.Scores {
		if math.Abs(c.Own-kept.Scores[i].Own) > 1e-3 || math.Abs(c.Other-kept.Scores[i].Other) > 1e-3 {
			t.Errorf("change %d: %+v heard again, %+v kept", i, c, kept.Scores[i])
		}
	}
}

// What is kept belongs to its samples, and only until the slot has another request.
func TestKeptSound(t *testing.T) {
	t.Parallel()
	b := random(t, 80)
	samples := speech(t)
	other := slices.Clone(samples)
	other[100]++
	ask := func(samples []float32, o wire.RequestOptions) *wire.Result {
		o.Language = "en"
		r, err := b.Transcribe(context.Background(), &wire.Request{Samples: samples, Options: o})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	keep, plain := wire.RequestOptions{Keep: true}, wire.RequestOptions{}
	score := wire.RequestOptions{Score: &wire.Score{Words: []string{"a"}, Changes: []wire.Change{{From: 0, To: 1, Words: []string{"b"}}}}}
	for situation, c := range map[string]struct {
		before []func()
		again  bool
	}{
		"kept":                       {[]func(){func() { ask(samples, keep) }}, false},
		"not kept":                   {[]func(){func() { ask(samples, plain) }}, true},
		"of other samples":           {[]func(){func() { ask(other, keep) }}, true},
		"others on all slots since":  {[]func(){func() { ask(samples, keep) }, func() { ask(other, plain) }}, true},
		"kept with a longer silence": {[]func(){func() { o := keep; o.TailMS = 30000; ask(samples, o) }}, false},
	} {
		for _, before := range c.before {
			before()
		}
		if r := ask(samples, score); (r.EncodeMS > 0) != c.again {
			t.Errorf("%s: heard for %v ms", situation, r.EncodeMS)
		}
	}
	if _, err := b.Transcribe(context.Background(), &wire.Request{Samples: samples, Options: wire.RequestOptions{Language: "en", Score: &wire.Score{Words: slices.Repeat([]string{"word"}, 500)}}}); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("a text that is too long: %v", err)
	}
}
