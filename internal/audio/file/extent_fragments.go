package file

import (
	"bytes"
	"encoding/binary"
	"slices"
)

const (
	boxHeader = 8
	// maxMovie and maxFragment bound what is read of the headers of MP4.
	maxMovie, maxFragment = 16 << 20, 4 << 20
)

// patch is a header in place of a destroyed one.
type patch struct {
	at   int64
	head [boxHeader]byte
}

// fragments checks an MP4 file in fragments, as live recorders write it: each is a header (moof) and its samples (mdat). ffmpeg stops at
// a destroyed header, or goes on without a word. Patches make a box of it that is skipped, of the same length, so that all else stays
// in its place. Source: ISO/IEC 14496-12, 8.8.
type fragments struct {
	c       *cursor
	headed  bool  // a header was met whose samples follow
	payload int64 // of these samples, -1 unknown
	patches []patch
	losses  []int64
	last    int64 // where the samples of the last whole fragment end
	tail    int64 // bytes of destroyed fragments behind it
}

// fragment moves over the next box of a file in fragments. It returns false where the file ends.
func (c *cursor) fragment(f *fragments, e *extent) bool {
	pos := c.pos
	size, ok := f.box(pos)
	switch {
	case ok:
		e.end, e.want = pos+size, pos+size
		c.seek(e.end)
	case f.cut(pos) > c.size:
		e.end, e.want = c.size, f.cut(pos)
	case c.partAt(pos):
		e.end = pos
	default:
		c.seek(pos)
		e.end = c.search(startsOther).end
		e.want = e.end
		f.tail += e.end - pos
	}
	e.patches, e.losses, e.torn, e.whole = f.patches, f.losses, f.tail, f.last
	return ok
}

// cut returns where the box at pos ends as it says, 0 if none begins there.
func (f *fragments) cut(pos int64) int64 {
	b := f.read(pos, boxHeader)
	if len(b) < boxHeader || !knownBox(string(b[4:])) || binary.BigEndian.Uint32(b) >= 1<<30 {
		return 0
	}
	return pos + int64(binary.BigEndian.Uint32(b))
}

// box checks the box at pos. It returns its length, false if it is destroyed to the end of the file.
func (f *fragments) box(pos int64) (size int64, ok bool) {
	var b [boxHeader]byte
	_, _ = f.c.at.ReadAt(b[:], pos) // what is missing is 0, which is no box
	name := string(b[4:])
	size = f.size(pos)
	switch {
	case name == "moof" && size > 0:
		if f.payload, ok = fragmentPayload(f.read(pos, size)); ok {
			f.headed = true
			return size, true
		}
	case f.headed && f.payload > 0 && (name != "mdat" || !f.known(pos+size)) && !moreOfFragment(name) && f.known(pos+boxHeader+f.payload):
		size = boxHeader + f.payload // the header tells the length of the samples, too
		f.put(pos, size, "mdat")
		f.headed, f.last, f.tail = false, pos+size, 0
		return size, true
	case name == "mdat" && size > 0 && (f.headed || len(f.losses) == 0 && f.last == 0):
		f.headed, f.last, f.tail = false, pos+size, 0
		return size, true
	case name != "mdat" && size > 0 && knownBox(name):
		return size, true
	}
	next := f.next(pos)
	if next < 0 {
		return 0, false
	}
	f.headed = false
	f.put(pos, next-pos, "free")
	f.losses = append(f.losses, pos)
	f.tail += next - pos
	return next - pos, true
}

// put patches the header of a box.
func (f *fragments) put(pos, size int64, name string) {
	p := patch{at: pos}
	binary.BigEndian.PutUint32(p.head[:], uint32(min(size, 1<<32-1)))
	copy(p.head[4:], name)
	f.patches = append(f.patches, p)
}

// size returns the length of the box at pos, 0 if it does not fit into the file.
func (f *fragments) size(pos int64) int64 {
	var b [2 * boxHeader]byte
	if n, _ := f.c.at.ReadAt(b[:], pos); n < boxHeader {
		return 0
	}
	size := int64(binary.BigEndian.Uint32(b[:]))
	if size == 1 {
		size = int64(min(binary.BigEndian.Uint64(b[boxHeader:]), 1<<60))
	}
	if size < boxHeader || size > f.c.size-pos {
		return 0
	}
	return size
}

// known reports whether a box that may stand there begins at pos, or the file ends.
func (f *fragments) known(pos int64) bool {
	var b [boxHeader]byte
	if n, _ := f.c.at.ReadAt(b[:], pos); n < boxHeader {
		return pos == f.c.size
	}
	return f.size(pos) > 0 && (knownBox(string(b[4:])) || string(b[4:]) == "ftyp")
}

func (f *fragments) read(pos, size int64) []byte {
	b := make([]byte, min(size, maxFragment))
	n, _ := f.c.at.ReadAt(b, pos)
	return b[:n]
}

// next returns where the next fragment, or the index at the end, begins behind pos; -1 if another file or the end comes first.
func (f *fragments) next(pos int64) int64 {
	f.c.seek(pos)
	isFile := false
	found := f.c.search(func(b []byte) bool {
		isFile = startsOther(b)
		return isFile || string(b[4:8]) == "moof" && string(b[12:16]) == "mfhd" || string(b[4:8]) == "mfra" && string(b[12:16]) == "tfra"
	})
	if isFile || found.end >= f.c.size {
		return -1
	}
	return found.end
}

// fragmented reports whether the box of the movie at pos announces fragments.
func (c *cursor) fragmented(pos, size int64) bool {
	b := make([]byte, min(size, maxMovie))
	n, _ := c.at.ReadAt(b, pos)
	return bytes.Contains(b[:n], []byte("mvex"))
}

func knownBox(name string) bool {
	return slices.Contains([]string{"moof", "mdat", "free", "skip", "wide", "styp", "sidx", "ssix", "emsg", "prft", "mfra", "uuid", "meta", "udta", "pdin", "moov"}, name)
}

// moreOfFragment reports whether a box may stand between the header of a fragment and its samples.
func moreOfFragment(name string) bool { return name != "mdat" && knownBox(name) }

// fragmentPayload checks the header of a fragment and returns how many bytes of samples it describes, -1 if it does not tell.
func fragmentPayload(moof []byte) (payload int64, ok bool) {
	trafs, told := 0, true
	ok = eachBox(moof[min(boxHeader, len(moof)):], func(name string, body []byte) bool {
		switch {
		case name == "mfhd":
			return len(body) == 8
		case name != "traf":
			return true
		}
		trafs++
		first := true
		return eachBox(body, func(name string, body []byte) bool {
			if first != (name == "tfhd") {
				return false
			}
			first = false
			if name != "trun" {
				return name != "tfhd" || len(body) >= 8
			}
			bytes, known, valid := runPayload(body)
			payload += bytes
			told = told && known
			return valid
		})
	})
	if !told {
		payload = -1
	}
	return payload, ok && trafs > 0
}

// eachBox calls visit for each box; false if the boxes do not fill b exactly, or visit refuses one.
func eachBox(b []byte, visit func(name string, body []byte) bool) bool {
	for len(b) > 0 {
		if len(b) < boxHeader || !printable(b[4:8]) {
			return false
		}
		size := binary.BigEndian.Uint32(b)
		if size < boxHeader || uint64(size) > uint64(len(b)) || !visit(string(b[4:8]), b[boxHeader:size]) {
			return false
		}
		b = b[size:]
	}
	return true
}

// runPayload adds up the sizes of the samples of a trun box; known is false if it has none of them.
func runPayload(body []byte) (payload int64, known, valid bool) {
	const (
		offset, firstFlags             = 0x1, 0x4
		duration, sampleSize, flags, o = 0x100, 0x200, 0x400, 0x800
		fixed                          = 8
	)
	if len(body) < fixed {
		return 0, false, false
	}
	has, count := binary.BigEndian.Uint32(body), int(binary.BigEndian.Uint32(body[4:]))
	head, each, at := fixed, 0, 0
	for _, bit := range []uint32{offset, firstFlags} {
		if has&bit != 0 {
			head += 4
		}
	}
	for _, bit := range []uint32{duration, sampleSize, flags, o} {
		if bit == sampleSize {
			at = each
		}
		if has&bit != 0 {
			each += 4
		}
	}
	if count > len(body) && each > 0 || len(body) != head+count*each {
		return 0, false, false
	}
	for i := 0; i < count && has&sampleSize != 0; i++ {
		payload += int64(binary.BigEndian.Uint32(body[head+i*each+at:]))
	}
	return payload, has&sampleSize != 0, true
}
