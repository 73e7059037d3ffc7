package speech

import (
	"sync"
	"time"

	"github.com/scout-speech/scout"
)

// heldFrames bounds the audio that an intake holds: a minute. Behind that it is read from the recording.
const heldFrames = 60 * scout.EngineSampleRateHz

// stopPatience is how long after a stop frames before it may still come: the latency of a device.
const stopPatience = 200 * time.Millisecond

// intake holds the audio between its source and the cutter. It is safe for concurrent use.
type intake struct {
	wake chan struct{} // gets a value, if it is empty, after each change

	mu    sync.Mutex
	parts []intakePart // in the order of time, not overlapping; what lies between them is in the recording only
	held  int          // samples in parts
	head  int64        // frames up to here exist
	limit int64        // frames from here on are ignored; -1 before a stop
	ended bool         // all frames up to limit exist
	asked time.Time    // when the stop came
}

// intakePart is audio, or a gap if samples is nil.
type intakePart struct {
	from, to int64
	samples  []float32
}

func newIntake(at int64) *intake {
	return &intake{wake: make(chan struct{}, 1), head: at, limit: -1}
}

func (i *intake) changed() {
	select {
	case i.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// come is how many frames exist.
func (i *intake) come() int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.head
}

func (i *intake) write(at int64, samples []float32) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known := i.head - at; known > 0 {
		if known >= int64(len(samples)) {
			return
		}
		at, samples = i.head, samples[known:]
	}
	if len(samples) == 0 {
		return
	}
	i.add(intakePart{at, at + int64(len(samples)), append([]float32(nil), samples...)})
}

func (i *intake) gap(from, to int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if from = max(from, i.head); from < to {
		i.add(intakePart{from, to, nil})
	}
}

// add appends a part and drops the oldest ones if too much is held. The caller holds the lock.
func (i *intake) add(p intakePart) {
	i.parts = append(i.parts, p)
	i.head = p.to
	i.held += len(p.samples)
	for i.held > heldFrames && len(i.parts) > 1 {
		i.pop()
	}
	i.changed()
}

// pop drops the oldest part. The caller holds the lock.
func (i *intake) pop() {
	i.held -= len(i.parts[0].samples)
	i.parts[0] = intakePart{}
	i.parts = i.parts[1:]
}

func (i *intake) stop(at int64, ended bool, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	at = max(at, 0)
	switch {
	case i.limit < 0:
		i.limit, i.asked = at, now
	case i.ended:
		return
	default:
		i.limit = min(i.limit, at)
	}
	i.ended = ended
	i.changed()
}

// Kinds of supply.
const (
	supplyNone    = iota // nothing has come
	supplyAudio          // samples
	supplyMissing        // only the recording has the frames from here to `to`
	supplyEnd            // the stop
)

// supply is what an intake has at a position.
type supply struct {
	kind    int
	samples []float32 // not to be changed
	to      int64     // the position after it
	wake    time.Time // when to look again, zero if only after a change
}

// at returns what there is at a position, at most `most` frames of it, and forgets what lies before it.
func (i *intake) at(pos int64, most int, now time.Time) supply {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.parts) > 0 && i.parts[0].to <= pos {
		i.pop()
	}
	if i.limit >= 0 && pos >= i.limit {
		return supply{kind: supplyEnd, to: pos}
	}
	to := pos + int64(most)
	if i.limit >= 0 {
		to = min(to, i.limit)
	}
	if len(i.parts) == 0 {
		switch late := i.asked.Add(stopPatience); {
		case i.limit < 0:
			return supply{kind: supplyNone}
		case i.ended:
			return supply{kind: supplyMissing, to: to}
		case now.Before(late):
			return supply{kind: supplyNone, wake: late}
		}
		return supply{kind: supplyEnd, to: pos}
	}
	first := &i.parts[0]
	if first.from > pos {
		return supply{kind: supplyMissing, to: min(to, first.from)}
	}
	to = min(to, first.to)
	s := supply{kind: supplyAudio, to: to}
	if first.samples == nil {
		s.samples = make([]float32, to-pos)
	} else {
		s.samples = first.samples[pos-first.from : to-first.from]
	}
	return s
}

// owes reports whether the stop lies after a position.
func (i *intake) owes(pos int64) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.limit > pos
}

// clock returns how far the stream has come, and whether a stop has come.
func (i *intake) clock() (head int64, stopped bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.limit >= 0 {
		if i.ended {
			return i.limit, true
		}
		return min(i.head, i.limit), true
	}
	return i.head, false
}

// stoppedAt returns when the stop came.
func (i *intake) stoppedAt() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}
