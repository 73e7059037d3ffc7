package segment

// Position is where a cutter goes on: a core begins at frame Start of the input, with Before frames of context ahead of
// it and Left at that side. The zero value is the beginning of an input.
type Position struct {
	Start  int64
	Before int
	Left   Edge
}

// First returns the first frame of the input that a cutter resumed here needs.
func (p Position) First() int64 { return p.Start - int64(p.Before) }

// After returns where a cutter with these options goes on behind a piece that it emitted.
func (o Options) After(p Piece) Position {
	next := Position{Start: p.End(), Left: p.Right}
	if p.Right.Kind == EdgeSpeech {
		next.Before = min(frames(o.Overlap), p.Frames())
	}
	return next
}
