package file

import (
	"slices"
	"time"
)

const (
	// holeLeast is the shortest hole in the time stamps that becomes silence. Containers round them, some to 1 ms; live
	// recorders are less precise.
	holeLeast = 100 * time.Millisecond
	// jumpBack is how far a time stamp may go back before it counts as the beginning of another clock.
	jumpBack = 300 * time.Millisecond
	// jumpAhead is the length from which a hole in a program stream counts as a jump of its clock. ffmpeg uses the same
	// limit (-dts_delta_threshold). In a transport stream, which is divided where its clock jumps, it is a hole.
	jumpAhead = 10 * time.Second
	// holeMost limits the silence that a damaged time stamp can cause.
	holeMost = 6 * time.Hour
)

// timeline places decoded frames in time. Its clock starts at the beginning of the input, whatever the time stamp there.
type timeline struct {
	container string
	rate      int           // of the output, in Hz
	length    time.Duration // of the input as its header says; 0 unknown

	started bool
	zero    time.Duration // the time stamp of the beginning of the output
	out     int64         // frames placed so far, silence included
	owed    float64       // the part of a frame left over by rounding
	// For a stream without time stamps:
	holes []hole        // still to come
	clock frameClock    // the times of its frames
	shift time.Duration // from these times to those of the output
	// pauses are those that its time stamps do not tell, still to come.
	pauses []pause
	paused time.Duration // so far
}

// timed reports whether the container has its own time stamps. For bare streams ffmpeg computes them from the frames
// that it found, with the first rate.
func timed(container string) bool {
	return slices.Contains([]string{"mp4", "mov", "matroska", "webm", "ogg", "mpegts", "mpeg", "flv", "asf", "mxf", "nut", "rm", "wtv", "nsv", "dhav"}, container)
}

// pause returns how many frames of silence come before the noted frame because the stream pauses there. Nothing is missing.
func (t *timeline) pause(note frameNote) int64 {
	const half = 15 * time.Millisecond // of a frame
	var all int64
	for len(t.pauses) > 0 && t.now()-t.paused+half >= t.pauses[0].at {
		length := t.pauses[0].length
		t.pauses = t.pauses[1:]
		t.paused += length
		silence := int64(length.Seconds()*float64(t.rate) + 0.5)
		t.out += silence
		all += silence
	}
	if all > 0 && note.timed {
		t.started, t.zero = true, note.at-t.now()
	}
	return all
}

// bridge returns how many frames of silence replace frames that are missing before the noted one.
func (t *timeline) bridge(note frameNote) int64 {
	if timed(t.container) {
		return 0
	}
	silence, ok := t.bridgeTo(note)
	if !ok {
		silence = t.bridgeHole()
	}
	return silence
}

// bridgeTo is bridge by the position of the frame in the file. It is false if that is not known.
func (t *timeline) bridgeTo(note frameNote) (silence int64, ok bool) {
	const rounding = 5 * time.Millisecond
	first := !t.clock.started
	place, ok := t.clock.find(note.pos)
	if !ok {
		return 0, false
	}
	missing := place.at - t.now() + t.shift
	switch {
	case first && missing > 0 && missing < holeLeast:
		t.shift, missing = -missing, 0 // decoders drop what the encoder added
	case missing > rounding && place.follows:
		t.clock.stop() // nothing is missing: the frames are shorter than their headers say
		return 0, false
	case missing < rounding:
		missing = 0
	}
	silence = int64(missing.Seconds()*float64(t.rate) + 0.5)
	t.out += silence
	for len(t.holes) > 0 && t.holes[0].at <= t.now() {
		t.pop()
	}
	if note.timed {
		t.started, t.zero = true, note.at-t.now() // its time stamps count only the frames that ffmpeg found
	}
	return silence, true
}

// bridgeHole is bridge by the time at which bytes that are no frames stand in the file.
func (t *timeline) bridgeHole() int64 {
	const half = 15 * time.Millisecond // of a frame
	var all int64
	for len(t.holes) > 0 && t.now()+half >= t.holes[0].at {
		length := t.pop()
		silence := int64(length.Seconds()*float64(t.rate) + 0.5)
		t.out += silence
		t.zero -= length
		all += silence
	}
	return all
}

// holeWithin reports whether a hole is less than that time ahead.
func (t *timeline) holeWithin(ahead time.Duration) bool {
	return len(t.holes) > 0 && t.now()+ahead > t.holes[0].at
}

// pop removes the first hole and returns its length, by which the others move.
func (t *timeline) pop() time.Duration {
	length := t.holes[0].length
	t.holes = t.holes[1:]
	for i := range t.holes {
		t.holes[i].at += length
	}
	return length
}

// place returns how many frames of silence come before the decoded frame, and how many frames it becomes.
//
//	origin  time stamp of the beginning of the input, if it is known
func (t *timeline) place(note frameNote, origin time.Duration, hasOrigin bool) (silence, frames int64) {
	if note.timed {
		silence = t.silence(note, origin, hasOrigin)
	}
	exact := float64(note.samples)*float64(t.rate)/float64(note.sampleRateHz) + t.owed
	frames = int64(exact)
	t.owed = exact - float64(frames)
	t.out += silence + frames
	return silence, frames
}

func (t *timeline) silence(note frameNote, origin time.Duration, hasOrigin bool) int64 {
	least := holeLeast
	if !t.started {
		t.started, t.zero, least = true, note.at, 0
		if hasOrigin && timed(t.container) {
			t.zero = min(origin, note.at)
		}
	}
	now := t.now()
	hole := note.at - t.zero - now
	switch {
	case hole > least && t.believes(hole, now, note):
		return int64(hole.Seconds()*float64(t.rate) + 0.5)
	case hole > least, hole < -jumpBack:
		t.zero = note.at - now // another clock
	}
	return 0
}

// believes reports whether there was really no sound for that long; otherwise the time stamps are wrong.
func (t *timeline) believes(hole, now time.Duration, note frameNote) bool {
	switch {
	case !timed(t.container):
		return note.errors > 0 && hole <= jumpAhead
	case t.length > 0 && (t.container == "mp4" || t.container == "matroska" || t.container == "webm"):
		return now+hole <= t.length+jumpAhead
	case hole > jumpAhead && now > 0 && t.container == "mpeg":
		return false
	}
	return hole <= holeMost
}

// now returns the length of the output so far.
func (t *timeline) now() time.Duration { return framesToTime(t.out, t.rate) }
