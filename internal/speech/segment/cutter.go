package segment

import (
	"errors"
	"time"

	scout "github.com/scout-speech/scout"
)

// Cutter cuts a stream into pieces. The pieces depend only on the samples, not on the blocks in which they arrive. Its
// memory is bounded by the options: a piece, its context and a second. It is not safe for concurrent use.
type Cutter struct {
	strategy       Strategy
	shortest, most int // frames
	overlap, tail  int // frames
	emit           func(Piece) error
	err            error
	closed         bool
	buf            []float32 // frames from bufStart, with at most overlap frames before the core
	bufStart       int64
	core           int64 // where the current core begins
	left           Edge
	before         int       // frames of context before the current core
	power          []float64 // of the complete hops from core on
	local          levels
	cut            int64 // end of the current core once it is found; 0 before
	right          Edge
}

// writeFrames bounds how much is taken into the buffer before the next search for pieces.
const writeFrames = scout.EngineSampleRateHz

// favourLate is how much longer a pause at the end of the window counts. Measured: docs/adr/0007.
const favourLate = 0.5

// errClosed is returned by Write after Close.
var errClosed = errors.New("cut into pieces: written after the end")

// New returns a cutter that calls emit with every piece as soon as it is certain, from inside Write and Close. The
// piece and its samples belong to emit. An error of emit ends the cutter: Write and Close return it from then on.
// Invalid options give the code invalid_argument.
func New(o Options, emit func(Piece) error) (*Cutter, error) { return Resume(o, Position{}, emit) }

// Resume returns a cutter that continues after a piece that another cutter with the same options emitted: see After.
// The first frame written to it is at.First(). It emits what the other cutter would have emitted.
func Resume(o Options, at Position, emit func(Piece) error) (*Cutter, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if at.Start < 0 || at.Before < 0 || at.First() < 0 {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "cut into pieces: no audio begins at frame %d with %d frames of context", at.Start, at.Before)
	}
	c := &Cutter{
		strategy: o.Strategy,
		shortest: frames(o.Min),
		most:     frames(o.Max),
		overlap:  frames(o.Overlap),
		tail:     frames(o.Tail),
		emit:     emit,
		bufStart: at.First(),
		core:     at.Start,
		before:   at.Before,
		left:     at.Left,
	}
	if c.strategy == Fixed {
		c.shortest, c.overlap = c.most, 0
	}
	c.buf = make([]float32, 0, c.overlap+c.most+max(c.tail, c.overlap)+writeFrames+hopFrames)
	c.power = make([]float64, 0, cap(c.buf)/hopFrames+1)
	return c, nil
}

// Write takes the next samples (16 kHz mono, any number) and copies them. It emits the pieces that became certain and
// returns the error of emit.
func (c *Cutter) Write(samples []float32) error {
	if c.closed && c.err == nil {
		return errClosed
	}
	for len(samples) > 0 && c.err == nil {
		n := min(len(samples), writeFrames)
		c.buf = append(c.buf, samples[:n]...)
		samples = samples[n:]
		c.measure()
		c.err = c.advance()
	}
	return c.err
}

// Close emits what is left and returns the error of emit. Further calls return the same.
func (c *Cutter) Close() error {
	if c.closed || c.err != nil {
		c.closed = true
		return c.err
	}
	c.closed = true
	c.err = c.finish()
	return c.err
}

// Open returns the piece that is still growing: the audio after the last emitted core, with the context before it. Live
// transcription decodes it again and again. Its samples are a view, valid until the next Write, Pause or Close.
func (c *Cutter) Open() Piece {
	p := Piece{Start: c.core, Left: c.left, Right: Edge{Kind: EdgeInput}}
	if rest := c.rest(); len(rest) > 0 {
		p.Before = c.before
		p.Samples = c.buf[int(c.core-c.bufStart)-c.before:]
	}
	return p
}

// Pause ends the current core in the pause at the end of what was written, if the core is long enough there and its last
// least are one pause, by the rule that judges every cut. The cut lies in the middle of these. It reports whether it
// emitted the piece, and returns the error of emit. A stream that is followed while it grows gets shorter pieces this
// way than a recording that is complete.
func (c *Cutter) Pause(least time.Duration) (bool, error) {
	quiet := max(frames(least)/hopFrames, stretchHops)
	n := len(c.power)
	if c.strategy != Quiet || c.closed || c.err != nil || c.cut > c.core || n-quiet/2 < c.shortest/hopFrames {
		return false, c.err
	}
	c.local.measure(c.power)
	loudest := 0.0
	for at := n - quiet; at+stretchHops <= n; at++ {
		sum := 0.0
		for _, p := range c.power[at : at+stretchHops] {
			sum += p
		}
		loudest = max(loudest, sum/stretchHops)
	}
	edge := c.local.edge(loudest)
	if edge.Kind != EdgePause {
		return false, nil
	}
	c.cut, c.right = c.core+int64((n-quiet/2)*hopFrames), edge
	c.err = c.emitCut()
	return true, c.err
}

// CutAt ends the current core at a frame, at the hop before it, whatever is heard there; the next one begins there without
// overlap. It reports whether it emitted the piece, and returns the error of emit. It emits none if the core would be empty, or
// ends elsewhere already.
func (c *Cutter) CutAt(frame int64) (bool, error) {
	hops := (frame - c.core) / hopFrames
	if c.closed || c.err != nil || c.cut > c.core || hops < 1 || frame > c.end() {
		return false, c.err
	}
	c.cut, c.right = c.core+hops*hopFrames, Edge{Kind: EdgeFixed}
	c.err = c.emitCut()
	return true, c.err
}

// Loudest judges the loudest stretch of what was written from a frame on by the rule for cuts, against the open piece.
func (c *Cutter) Loudest(from int64) Edge {
	return c.local.loudest(c.power, int(from-c.core)/hopFrames, len(c.power))
}

// rest is the audio from the current core on. A resumed cutter has none before it gets the context before that core.
func (c *Cutter) rest() []float32 { return c.buf[min(c.core-c.bufStart, int64(len(c.buf))):] }

// end is the frame after the last one written.
func (c *Cutter) end() int64 { return c.bufStart + int64(len(c.buf)) }

// measure appends the power of the hops that are now complete. Cores begin on the grid of hops.
func (c *Cutter) measure() {
	rest := c.rest()
	for at := len(c.power) * hopFrames; at+hopFrames <= len(rest); at += hopFrames {
		c.power = append(c.power, hopPower(rest[at:at+hopFrames]))
	}
}

// advance emits pieces as long as later audio cannot change them.
func (c *Cutter) advance() error {
	for c.choose() {
		if c.end() < c.cut+int64(max(c.tail, c.context())) {
			return nil
		}
		if err := c.emitCut(); err != nil {
			return err
		}
	}
	return nil
}

// finish emits everything that is left: a short rest is joined to the piece before it.
func (c *Cutter) finish() error {
	for c.choose() && c.end()-c.cut >= int64(max(c.tail, 1)) {
		if err := c.emitCut(); err != nil {
			return err
		}
	}
	if c.end() <= c.core {
		return nil
	}
	c.cut, c.right = c.end(), Edge{Kind: EdgeInput}
	return c.emitCut()
}

// choose finds the cut that ends the current core. It returns false as long as the core may be the last one.
func (c *Cutter) choose() bool {
	switch {
	case c.cut > c.core:
		return true
	case c.end()-c.core <= int64(c.most):
		return false
	case c.strategy == Fixed:
		c.cut, c.right = c.core+int64(c.most), Edge{Kind: EdgeFixed}
		return true
	}
	window := c.power[:c.most/hopFrames]
	at, stretch := quietest(window, c.shortest/hopFrames, len(window), favourLate)
	c.local.measure(window)
	c.cut, c.right = c.core+int64(at*hopFrames), c.local.edge(stretch)
	return true
}

// context returns the overlap that the chosen cut needs.
func (c *Cutter) context() int {
	if c.right.Kind == EdgeSpeech {
		return c.overlap
	}
	return 0
}

// emitCut hands out the current core and continues with the next.
func (c *Cutter) emitCut() error {
	after := min(c.context(), int(c.end()-c.cut))
	from := int(c.core-c.bufStart) - c.before
	to := int(c.cut-c.bufStart) + after
	piece := Piece{
		Start:   c.core,
		Samples: append(make([]float32, 0, to-from), c.buf[from:to]...),
		Before:  c.before,
		After:   after,
		Left:    c.left,
		Right:   c.right,
	}
	c.before = min(c.context(), int(c.cut-c.core))
	hops := min(len(c.power), int(c.cut-c.core)/hopFrames)
	c.power = append(c.power[:0], c.power[hops:]...)
	c.core, c.left = c.cut, c.right
	drop := int(c.core-c.bufStart) - c.before
	c.buf = append(c.buf[:0], c.buf[drop:]...)
	c.bufStart += int64(drop)
	return c.emit(piece)
}
