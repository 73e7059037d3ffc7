package file

import (
	"encoding/binary"
	"io"
	"slices"
)

// maxHidden bounds how many signatures are followed inside of a file.
const maxHidden = 64

// hiddenFile returns where another file begins inside of the declared length of a file that was cut off. It is looked for only if the
// declared end falls into zeros, which may be padding behind a whole file, or silence in the other one. That one is told by its own
// length, which reaches beyond these zeros.
//
//	start  of the file with the given container
//	e      its extent as declared
func (s *source) hiddenFile(container string, start int64, e extent) (begin int64, ok bool) {
	at, readable := s.r.(io.ReaderAt)
	if !readable || s.inside || e.want == 0 || e.end >= s.size {
		return 0, false
	}
	var zeros [4]byte
	if n, _ := at.ReadAt(zeros[:], e.end); n < len(zeros) || binary.LittleEndian.Uint32(zeros[:]) != 0 {
		return 0, false
	}
	c := &cursor{at: at, size: e.end}
	c.seek(start)
	c.skipHeader(container)
	inner := &source{name: s.name, path: s.path, size: s.size, r: io.NewSectionReader(at, 0, s.size), inside: true}
	inner.begin(s.ctx)
	for range maxHidden {
		found := c.search(startsOther)
		if found.end >= e.end || inner.seek(found.end) != nil {
			return 0, false
		}
		head, _ := inner.buf.Peek(sniffLook) // an error is an end
		what := sniffBytesOf(head)
		if own := inner.extent(what.container); stated(what.container) && own.want == own.end && own.end > e.end {
			return found.end, true
		}
		c.seek(found.end)
	}
	return 0, false
}

// stated reports whether files of a container begin with their length, or that of their parts.
func stated(container string) bool {
	return slices.Contains([]string{"wav", "aiff", "avi", "iff", "w64", "au", "caf", "mp4", "matroska", "webm", "asf", "flv", "wv"}, container)
}
