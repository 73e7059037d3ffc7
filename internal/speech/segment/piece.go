package segment

import (
	"time"

	scout "github.com/scout-speech/scout"
)

// Edge describes one side of a piece's core.
type Edge struct {
	// Kind says why the core ends here.
	Kind EdgeKind
	// Below says by how many dB the mean level of the 160 ms around the cut is under the loud part (90th percentile) of
	// the piece. It is set for EdgePause and EdgeSpeech, like Above.
	Below float64
	// Above says by how many dB that level is over the quiet part (5th percentile) of the piece.
	Above float64
}

// Faint reports whether the stretch around the cut is not louder than the background, whether or not anybody spoke.
func (e Edge) Faint() bool { return e.Above <= pauseAbove || e.Below >= pauseBelow }

// EdgeKind is a reason for a core to begin or end.
type EdgeKind int

const (
	// EdgeInput is the beginning or the end of the input.
	EdgeInput EdgeKind = iota
	// EdgePause is a cut in a pause: nobody spoke there.
	EdgePause
	// EdgeSpeech is a cut in speech; with overlap, both pieces contain audio from across it.
	EdgeSpeech
	// EdgeFixed is a cut made by length alone.
	EdgeFixed
)

// String returns the kind in lower case.
func (k EdgeKind) String() string {
	switch k {
	case EdgeInput:
		return "input"
	case EdgePause:
		return "pause"
	case EdgeSpeech:
		return "speech"
	case EdgeFixed:
		return "fixed"
	}
	return "unknown"
}

// Piece is a stretch of the input that is decoded at once.
//
// The cores of the pieces of one input, in order, are the input: every frame belongs to exactly one core. Context is
// audio of a neighbour's core, added so that words at a cut are complete.
type Piece struct {
	// Start is where the core begins, in frames from the beginning of the input.
	Start int64
	// Samples is context, core, context: 16 kHz mono, len = Before + Frames() + After.
	// It belongs to whoever received the piece.
	Samples []float32
	// Before and After are the numbers of context frames before and after the core.
	Before, After int
	// Left and Right describe the two sides of the core.
	Left, Right Edge
}

// Core returns the part of Samples that belongs to this piece alone. It shares memory with Samples.
func (p Piece) Core() []float32 { return p.Samples[p.Before : len(p.Samples)-p.After] }

// Behind returns the core from a frame on, without context; without frames if there are none. It shares memory with Samples.
func (p Piece) Behind(from int64) Piece {
	from = min(max(from, p.Start), p.End())
	return Piece{Start: from, Samples: p.Core()[from-p.Start:], Left: Edge{Kind: EdgeFixed}, Right: p.Right}
}

// Frames returns the length of the core.
func (p Piece) Frames() int { return len(p.Samples) - p.Before - p.After }

// End returns the frame after the core.
func (p Piece) End() int64 { return p.Start + int64(p.Frames()) }

// HeardFrom and HeardTo bound everything in Samples, context included, in time from the beginning
// of the input.
func (p Piece) HeardFrom() time.Duration { return Duration(p.Start - int64(p.Before)) }

// HeardTo is described at HeardFrom.
func (p Piece) HeardTo() time.Duration { return Duration(p.End() + int64(p.After)) }

// From and To bound the core in time from the beginning of the input.
func (p Piece) From() time.Duration { return Duration(p.Start) }

// To is described at From.
func (p Piece) To() time.Duration { return Duration(p.End()) }

// Duration is the length of frames at the engine's rate.
func Duration(frames int64) time.Duration {
	return time.Duration(frames) * time.Second / scout.EngineSampleRateHz
}

// Part returns the stretch of the core between two times of the input as a piece without context, and false if it is
// shorter than a hop. It shares memory with the piece.
func (p Piece) Part(from, to time.Duration) (Piece, bool) {
	frame := func(at time.Duration) int64 { return int64(at) * scout.EngineSampleRateHz / int64(time.Second) }
	start, end := max(frame(from), p.Start), min(frame(to), p.End())
	if end-start < hopFrames {
		return Piece{}, false
	}
	at := int(start-p.Start) + p.Before
	edge := Edge{Kind: EdgePause}
	return Piece{Start: start, Samples: p.Samples[at : at+int(end-start)], Left: edge, Right: edge}, true
}
