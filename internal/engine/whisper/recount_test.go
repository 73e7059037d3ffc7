package whisper

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/engine/wire"
)

func TestRowIn(t *testing.T) {
	t.Parallel()
	repeat := func(times int, phrase ...int64) []int64 { return slices.Repeat(phrase, times) }
	for situation, c := range map[string]struct {
		tokens []int64
		want   row
	}{
		"nothing":                      {nil, row{}},
		"six times":                    {repeat(6, 1, 2), row{}},
		"seven times":                  {repeat(7, 1, 2), row{0, 14, 2}},
		"behind other tokens":          {append([]int64{5, 6}, repeat(8, 1)...), row{2, 10, 1}},
		"before others, with one part": {append(repeat(7, 1, 2), 1, 9), row{0, 15, 2}},
		"the longer one":               {append(append(repeat(7, 1), 4), repeat(9, 2)...), row{8, 17, 1}},
		"a sentence":                   {repeat(7, 1, 2, 3, 4, 5, 6, 7), row{}},
	} {
		if got := rowIn(c.tokens); got != c.want {
			t.Errorf("%s: %+v, want %+v", situation, got, c.want)
		}
	}
}

// Of the texts with the phrase fewer times the likeliest is taken, if it ended by itself.
func TestRecount(t *testing.T) {
	t.Parallel()
	nine := append([]int64{3}, slices.Repeat([]int64{1, 2}, 9)...)
	text := func(sum float32, stop wire.StopReason) *decoding {
		return &decoding{logprobs: []float32{sum}, stop: stop}
	}
	broken := errors.New("broken")
	for situation, c := range map[string]struct {
		tokens []int64
		stop   wire.StopReason
		texts  []*decoding
		err    error
		take   int // of texts; -1 for the text itself
		asked  []int
	}{
		"three times less":  {nine, wire.StopEnd, []*decoding{text(-9, wire.StopEnd), text(-8, wire.StopEnd), text(-6, wire.StopEnd), text(-7, wire.StopEnd), text(-8, wire.StopEnd)}, nil, 2, []int{17, 15, 13, 11, 9}},
		"none is likelier":  {nine, wire.StopEnd, slices.Repeat([]*decoding{text(-9, wire.StopEnd)}, 5), nil, -1, []int{17, 15, 13, 11, 9}},
		"it does not end":   {nine, wire.StopEnd, slices.Repeat([]*decoding{text(-1, wire.StopRepeats)}, 5), nil, -1, []int{17, 15, 13, 11, 9}},
		"a loop":            {nine, wire.StopRepeats, nil, nil, -1, nil},
		"said a few times":  {nine[:13], wire.StopEnd, nil, nil, -1, nil},
		"it cannot be done": {nine, wire.StopEnd, []*decoding{nil}, broken, -1, []int{17}},
	} {
		d := &decoding{tokens: c.tokens, logprobs: []float32{-7}, stop: c.stop}
		var asked []int
		best, tried, err := recount(t.Context(), d, func(_ context.Context, tokens int) (*decoding, error) {
			asked = append(asked, tokens)
			return c.texts[len(asked)-1], c.err
		})
		if !errors.Is(err, c.err) || !slices.Equal(asked, c.asked) {
			t.Errorf("%s: asked %v, %v", situation, asked, err)
			continue
		}
		want := d
		if c.take >= 0 {
			want = c.texts[c.take]
		}
		if err == nil && (best != want || tried != len(asked)) {
			t.Errorf("%s: took %+v after %d", situation, best, tried)
		}
	}
}

// A shortened text begins as the text, goes on with another token, and has the log-probabilities that the model gives it.
func TestShortened(t *testing.T) {
	t.Parallel()
	const kept = 5
	b := running(t, load(t, baseDir(t), ""))
	l, err := b.slots.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.slots.Add(l)
	s := &session{slot: l, job: job{samples: speech(t), language: "en", align: true}}
	err = s.during(t.Context(), func() error {
		d, err := s.decode(t.Context(), how{tail: usualTail, beam: 1})
		if err != nil {
			return err
		}
		other, err := s.shortened(t.Context(), d, kept)
		if err != nil {
			return err
		}
		if !slices.Equal(other.tokens[:kept], d.tokens[:kept]) || other.tokens[kept] == d.tokens[kept] || other.stop != wire.StopEnd {
			t.Errorf("%q and %q", s.text(d), s.text(other))
		}
		for i, p := range other.logprobs[:kept] {
			if math.Abs(float64(p-d.logprobs[i])) > 0.1 {
				t.Errorf("token %d: %v, decoded with %v", i, p, d.logprobs[i])
			}
		}
		if !s.align {
			t.Error("what follows is not placed")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
