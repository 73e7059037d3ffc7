package segment_test

import (
	"slices"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// cutAll cuts a whole input that is in memory already.
func cutAll(samples []float32, o segment.Options) ([]segment.Piece, error) {
	var pieces []segment.Piece
	c, err := segment.New(o, func(p segment.Piece) error {
		pieces = append(pieces, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := c.Write(samples); err != nil {
		return nil, err
	}
	return pieces, c.Close()
}

// TestResume continues after every piece of an input with a new cutter, which must emit the same pieces.
func TestResume(t *testing.T) {
	t.Parallel()
	inputs := map[string][]float32{
		"pauses":            bursts(5, 70, rhythm{2, 0.5}, loudness{0.1, 0.0002}),
		"speech throughout": bursts(5, 70, rhythm{1e6, 0}, loudness{0.1, 0.0002}),
		"a short rest":      bursts(6, 43.2, rhythm{1e6, 0}, loudness{0.1, 0.0002}),
		"one piece":         bursts(7, 3, rhythm{2, 0.5}, loudness{0.1, 0.0002}),
	}
	fixed := segment.Defaults()
	fixed.Strategy = segment.Fixed
	for name, in := range inputs {
		for _, o := range []segment.Options{segment.Defaults(), fixed} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				all, err := cutAll(in, o)
				if err != nil {
					t.Fatal(err)
				}
				for i := range all {
					at := o.After(all[i])
					var rest []segment.Piece
					c, err := segment.Resume(o, at, func(p segment.Piece) error { rest = append(rest, p); return nil })
					if err != nil {
						t.Fatal(err)
					}
					for samples := range slices.Chunk(in[at.First():], 999) { // less than the context at first
						if err := c.Write(samples); err != nil {
							t.Fatal(err)
						}
						c.Open()
					}
					if err := c.Close(); err != nil {
						t.Fatal(err)
					}
					if !slices.EqualFunc(rest, all[i+1:], samePiece) {
						t.Fatalf("after piece %d of %d: %d pieces, or different ones", i, len(all), len(rest))
					}
				}
			})
		}
	}
	if _, err := segment.Resume(segment.Defaults(), segment.Position{Start: 3, Before: 4}, nil); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("context before the beginning: %v", err)
	}
}

func samePiece(a, b segment.Piece) bool {
	return a.Start == b.Start && a.Before == b.Before && a.After == b.After && a.Left == b.Left && a.Right == b.Right && slices.Equal(a.Samples, b.Samples)
}
