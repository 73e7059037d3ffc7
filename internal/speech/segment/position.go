package segment

// Position is where a cutter continues: a core begins at frame Start of the input, with Before frames of context before
// it and Left as its left side. The zero value is the beginning of an input.
type Position struct {
	Start  int64
	Before int
	Left   Edge
}

// First returns the first frame of the input that a cutter resumed here needs.
func (p Position) First() int64 { return p.Start - int64(p.Before) }

// After returns where a cutter with these options continues after it emitted p.
func (o Options) After(p Piece) Position {
	next := Position{Start: p.End(), Left: p.Right}
	if p.Right.Kind == EdgeSpeech {
		next.Before = min(frames(o.Overlap), p.Frames())
	}
	return next
}
