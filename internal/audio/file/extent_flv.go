package file

import "encoding/binary"

// flv walks the tags of Flash Video: 11 bytes of header, the body, 4 bytes of length.
func (c *cursor) flv() extent {
	const header, tag, back = 13, 11, 4
	if !c.skip(header) {
		return extent{}
	}
	e := extent{end: c.pos}
	for {
		b := c.peek(tag)
		if !flvTag(b) {
			if at := c.pos; len(b) < tag || startsPart(c.peek(frameLook)) || !c.resync(flvWhole) {
				return e
			} else if e.skipFLV(at, c.pos) {
				continue
			}
			return e
		}
		losses, patches := e.losses, e.patches
		e = c.sized(c.pos, tag+flvBody(b)+back, false)
		e.losses, e.patches = losses, patches
		if e.cut() {
			if at := c.pos; c.skip(1) && c.resync(flvWhole) && e.skipFLV(at, c.pos) {
				continue // its length is destroyed
			}
			return e
		}
		if !c.skip(e.end - c.pos) {
			return e
		}
	}
}

// skipFLV puts the header of a tag of an unknown kind, which is skipped, in place of what is destroyed between two tags. It returns false if
// that is too short or too long for a tag.
func (e *extent) skipFLV(from, to int64) bool {
	const tag, back, unknown = 11, 4, 15
	size := to - from - tag - back
	if size < 0 || size >= 1<<24 {
		return false
	}
	p := patch{at: from}
	binary.BigEndian.PutUint32(p.head[:], uint32(unknown<<24|size)) //nolint:gosec // 24 bits
	e.patches, e.losses = append(e.patches, p), append(e.losses, from)
	e.end, e.want = to, to
	return true
}

// flvTag reports whether bytes begin a tag of sound, picture or data. Its stream is always 0.
func flvTag(b []byte) bool {
	const tag = 11
	return len(b) >= tag && (b[0] == 8 || b[0] == 9 || b[0] == 18) && b[8] == 0 && b[9] == 0 && b[10] == 0
}

// flvBody is the length of the body of a tag.
func flvBody(b []byte) uint64 { return uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3]) }

// flvWhole is the length of a whole tag with its length behind it, as a blockForm.
func flvWhole(b []byte) int64 {
	const tag, back = 11, 4
	if !flvTag(b) {
		return 0
	}
	size := tag + flvBody(b)
	if size+back > uint64(len(b)) || uint64(binary.BigEndian.Uint32(b[size:])) != size {
		return 0
	}
	return int64(size + back) //nolint:gosec // at most 64 KiB
}
