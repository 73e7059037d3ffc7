package file

import "time"

// maxSteps limits the memory of a frameTable to 32 MiB: more than a day of most codecs.
const maxSteps = 4 << 20

// framePlace is where a frame begins: in bytes from the first frame, without those that are no frames, and in samples per channel,
// with what was destroyed.
type framePlace struct{ pos, at int64 }

// frameStep is the way from the beginning of one frame to that of the next one, with what was destroyed between them.
type frameStep struct {
	bytes   uint32
	samples uint32 // and damagedStep, if something was destroyed
}

const (
	damagedStep = 1 << 31
	maxStep     = damagedStep - 1
)

// frameTable is where every frame of a bare stream begins.
type frameTable struct {
	rate        int // of the samples, in Hz; 0 unknown
	first, last framePlace
	steps       []frameStep
	begun       bool
	full        bool // the stream has more frames than the table
}

// add takes the next frame; damaged if something was destroyed before it.
func (t *frameTable) add(p framePlace, damaged bool) {
	if !t.begun {
		t.begun, t.first, t.last = true, p, p
		return
	}
	bytes, samples := p.pos-t.last.pos, p.at-t.last.at
	if t.full = t.full || len(t.steps) == maxSteps || bytes > maxStep || samples > maxStep; t.full {
		return
	}
	step := frameStep{uint32(bytes), uint32(samples)}
	if damaged {
		step.samples |= damagedStep
	}
	t.steps = append(t.steps, step)
	t.last = p
}

// clock tells the times of the frames.
func (t *frameTable) clock() frameClock {
	return frameClock{table: t, here: t.first, stopped: !t.begun || t.rate == 0}
}

// frameClock tells when frames are heard. It goes forward only.
type frameClock struct {
	table   *frameTable
	here    framePlace // of the last frame that begins at the position asked for last, or before it
	index   int        // its number
	exact   bool       // it begins there
	started bool
	stopped bool
}

// frameTime is when a frame is heard.
type frameTime struct {
	at time.Duration
	// follows is true if nothing is missing between it and the frame before.
	follows bool
}

// find returns when the frame that begins at pos is heard. A frame that the table does not have gets the time that its position
// suggests. It is false if the table does not reach so far, or is of no use for this decoder.
func (c *frameClock) find(pos int64) (frameTime, bool) {
	if c.stopped {
		return frameTime{}, false
	}
	before, wasExact, damaged := c.index, c.exact, false
	for c.index < len(c.table.steps) {
		step := c.table.steps[c.index]
		if c.here.pos+int64(step.bytes) > pos {
			break
		}
		c.here.pos += int64(step.bytes)
		c.here.at += int64(step.samples & maxStep)
		damaged = step.samples&damagedStep != 0
		c.index++
	}
	c.exact = c.here.pos == pos
	if !c.started && !c.exact {
		c.stop() // its positions are something else
	}
	c.started = true
	if c.stopped || pos < c.here.pos || !c.exact && c.index == len(c.table.steps) {
		return frameTime{}, false
	}
	at := c.here.at
	if !c.exact {
		step := c.table.steps[c.index]
		at += int64(step.samples&maxStep) * (pos - c.here.pos) / int64(step.bytes)
	}
	follows := c.exact && wasExact && !damaged && c.index <= before+1
	return frameTime{framesToTime(at, c.table.rate), follows}, true
}

// stop makes the clock say no more.
func (c *frameClock) stop() { c.stopped = true }
