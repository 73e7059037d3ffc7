package segment_test

import (
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/speech/segment"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	pause := slices.Concat(bursts(1, 5, rhythm{1e6, 0}, loudness{0.1, 0.0002}), make([]float32, rate/2), bursts(2, 5, rhythm{1e6, 0}, loudness{0.1, 0.0002}))
	p := segment.Piece{Start: 1000, Samples: pause, Before: 300, After: 200}
	left, right, ok := segment.Split(p, rate)
	if !ok {
		t.Fatal("ten seconds were not split")
	}
	if at := float64(left.Frames()+300) / rate; at < 5.2 || at > 5.3 || left.Right.Kind != segment.EdgePause {
		t.Errorf("split at %.3f s as %+v, want the pause at 5.25 s", at, left.Right)
	}
	if left.After != 0 || right.Before != 0 || left.Before != 300 || right.After != 200 {
		t.Errorf("contexts %d, %d and %d, %d", left.Before, left.After, right.Before, right.After)
	}

	p = segment.Piece{Start: 5, Samples: bursts(1, 10, rhythm{1e6, 0}, loudness{0.1, 0.0002})}
	left, right, ok = segment.Split(p, rate)
	if !ok || left.Right.Kind != segment.EdgeSpeech || left.After != rate || right.Before != rate {
		t.Errorf("without a pause: %v, %+v, context %d and %d", ok, left.Right, left.After, right.Before)
	}
	if left.Start != 5 || left.End() != right.Start || right.End() != p.End() {
		t.Errorf("cores [%d,%d) and [%d,%d) of [5,%d)", left.Start, left.End(), right.Start, right.End(), p.End())
	}
	if !slices.Equal(slices.Concat(left.Core(), right.Core()), p.Core()) {
		t.Error("the two cores are not the core")
	}

	for _, n := range []int{0, 1, rate - 1} {
		if _, _, ok := segment.Split(segment.Piece{Samples: make([]float32, n)}, 0); ok {
			t.Errorf("%d frames were split", n)
		}
	}
}
