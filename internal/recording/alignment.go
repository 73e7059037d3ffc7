package recording

import (
	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
)

// alignment says which frame of a ring is which frame of a recording. Only it converts between the two. Both have the
// same format, so a number of frames is the same in both, and only their beginnings differ: the ring may hold audio
// from before the recording, and the recording may have begun with another ring.
type alignment struct {
	zero uint64 // position in the ring of frame 0 of the recording, also if that is no longer there, modulo 2^64
}

// align returns the alignment where one frame is at both positions.
func align(inRing ring.Position, inRecording scout.Position) alignment {
	return alignment{zero: uint64(inRing) - uint64(inRecording)}
}

// ring returns where a frame of the recording is in the ring. The frame must not be older than the ring.
func (a alignment) ring(p scout.Position) ring.Position { return ring.Position(a.zero + uint64(p)) }

// recording returns where a frame of the ring is in the recording; 0 for one from before the recording.
func (a alignment) recording(p ring.Position) scout.Position {
	since := int64(uint64(p) - a.zero)
	return scout.Position(max(since, 0))
}
