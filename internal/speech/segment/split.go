package segment

import scout "github.com/scout-speech/scout"

// splitMin is the shortest core that a piece is split into: half a second still holds a word.
const splitMin = scout.EngineSampleRateHz / 2

// Split cuts a piece in two at its quietest stretch between a third and two thirds of its core, so that a piece that
// gave no good text can be decoded differently. The two cores together are the core of p. The outer context stays.
// overlap (frames, 0 for none) is added at the new cut if it lies in speech. Nothing is copied: both pieces share the
// samples of p, which nobody may change from then on. Split returns false if the core is shorter than a second.
func Split(p Piece, overlap int) (left, right Piece, ok bool) {
	core := p.Core()
	if len(core) < 2*splitMin {
		return p, Piece{}, false
	}
	power := powerOf(core)
	from := max(len(power)/3, splitMin/hopFrames)
	to := min(len(power)-len(power)/3, len(power)-splitMin/hopFrames)
	at, stretch := quietest(power, from, to, 0)
	var local levels
	local.measure(power)
	edge := local.edge(stretch)
	cut := at * hopFrames
	if edge.Kind != EdgeSpeech {
		overlap = 0
	}
	behind, ahead := min(overlap, len(core)-cut), min(overlap, cut)
	left = Piece{
		Start: p.Start, Samples: p.Samples[:p.Before+cut+behind],
		Before: p.Before, After: behind, Left: p.Left, Right: edge,
	}
	right = Piece{
		Start: p.Start + int64(cut), Samples: p.Samples[p.Before+cut-ahead:],
		Before: ahead, After: p.After, Left: edge, Right: p.Right,
	}
	return left, right, true
}
