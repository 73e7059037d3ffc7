package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"
)

// Elements of Matroska that a stream is read by, beside those of extent_matroska.go. Source: RFC 9559, 5.
const (
	matroskaInfo     = 0x1549A966
	matroskaTracks   = 0x1654AE6B
	clusterTimestamp = 0xE7
	clusterSimple    = 0xA3
	clusterGroup     = 0xA0
	groupBlock       = 0xA1
	groupPadding     = 0x75A2
)

const (
	// maxMatroskaBlock bounds a block of sound, maxMatroskaHead what describes the tracks, and maxMatroskaSkip what is skipped at once: a picture,
	// or a file that is attached.
	maxMatroskaBlock, maxMatroskaHead, maxMatroskaSkip = 1 << 20, 4 << 20, 256 << 20
	// elementHead is the longest head of an element.
	elementHead = maxEBMLIDBytes + maxEBMLSizeBytes
)

// ebmlElement is the head of an element.
type ebmlElement struct {
	id   uint64
	head int64 // bytes
	size int64 // without the head; -1 unknown
}

// parseElement reads the head of an element. It is false where there is none.
func parseElement(b []byte) (e ebmlElement, ok bool) {
	id, idBytes, _ := ebmlNumber(b, maxEBMLIDBytes, false)
	size, sizeBytes, unknown := ebmlNumber(b[idBytes:], maxEBMLSizeBytes, true)
	if idBytes == 0 || sizeBytes == 0 {
		return e, false
	}
	e = ebmlElement{id: id, head: int64(idBytes + sizeBytes), size: int64(size)}
	if unknown {
		e.size = -1
	}
	return e, true
}

// stands reports whether an element of Matroska has this head, in a segment or a cluster. Only those two have an unknown size.
func (e ebmlElement) stands() bool {
	const (
		void, checksum, seekHead, cues, chapters, tags = 0xEC, 0xBF, 0x114D9B74, 0x1C53BB6B, 0x1043A770, 0x1254C367
		attachments, silent, position, before, sealed  = 0x1941A469, 0x5854, 0xA7, 0xAB, 0xAF
	)
	switch e.id {
	case matroskaSegment, matroskaCluster:
		return true
	case clusterTimestamp:
		return e.size >= 0 && e.size <= 8
	case clusterSimple, clusterGroup:
		return e.size > 0 && e.size <= maxMatroskaSkip
	}
	return e.size >= 0 && e.size <= maxMatroskaSkip && slices.Contains([]uint64{
		ebmlHeader, matroskaInfo, matroskaTracks, void, checksum, seekHead, cues, chapters, tags, attachments, silent, position, before, sealed,
	}, e.id)
}

// eachElement calls visit for each element of a body. It is false if they do not fill it exactly.
func eachElement(b []byte, visit func(id uint64, body []byte)) bool {
	for len(b) > 0 {
		e, ok := parseElement(b)
		if !ok || e.size < 0 || e.head+e.size > int64(len(b)) {
			return false
		}
		visit(e.id, b[e.head:e.head+e.size])
		b = b[e.head+e.size:]
	}
	return true
}

// ebmlUint reads an unsigned integer (RFC 8794, 7.2).
func ebmlUint(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// matroskaReader reads the blocks of the only audio track of a Matroska or WebM file that is still being written. Behind damage it goes on with
// the next cluster. Segments and clusters need no known size: what is in them tells where they end.
type matroskaReader struct {
	src   *source
	sound matroskaTrack
	other map[uint64]bool // tracks with pictures

	scale   int64 // nanoseconds of a tick
	length  time.Duration
	begun   bool  // the first cluster was met
	segment int64 // where it ends, 0 unknown
	cluster int64 // where it ends, 0 unknown
	time    int64 // of the cluster, in ticks
	body    []byte
	origin  time.Duration // the least time stamp so far
	placed  bool          // origin is one
	skipped int64         // bytes that are damaged
	damaged bool          // since the block before
	cut     bool          // the file ended within an element
}

// matroskaBlock is one block of sound; its frames are valid until the next.
type matroskaBlock struct {
	at      time.Duration // of the first frame
	frames  [][]byte
	padding time.Duration // at the end, or negative at the beginning, that is not heard
	gap     bool          // something is missing before it
}

// next returns the next block. It returns io.EOF at the end of the file, or where another one begins.
func (m *matroskaReader) next() (matroskaBlock, error) {
	for {
		e, err := m.element()
		if err != nil {
			return matroskaBlock{}, err
		}
		switch e.id {
		case matroskaSegment, matroskaCluster: // what is in them follows
		case clusterTimestamp:
			b, err := m.read(e.size)
			if err != nil {
				return matroskaBlock{}, err
			}
			m.time = int64(min(ebmlUint(b), 1<<62))
		case clusterSimple, clusterGroup:
			block, ok, err := m.block(e)
			if ok || err != nil {
				return block, err
			}
		default:
			if err := m.skip(e.size); err != nil {
				return matroskaBlock{}, err
			}
		}
	}
}

// element takes the head of the next element. Of a segment or a cluster that is all: it is entered.
func (m *matroskaReader) element() (ebmlElement, error) {
	for {
		pos := m.src.pos()
		if m.segment > 0 && pos >= m.segment {
			return ebmlElement{}, io.EOF
		}
		b, err := m.src.buf.Peek(elementHead)
		if len(b) == 0 {
			m.cut = m.cut || pos < max(m.cluster, m.segment)
			return ebmlElement{}, err
		}
		e, ok := parseElement(b)
		ok = ok && e.stands() && !m.toolarge(e, pos)
		switch {
		case ok && e.id == ebmlHeader && m.begun:
			return ebmlElement{}, io.EOF
		case !ok && err != nil && !errors.Is(err, io.EOF):
			return ebmlElement{}, err
		case !ok && !m.begun:
			return ebmlElement{}, ErrUnfinished
		case !ok:
			if err := m.damage(); err != nil {
				return ebmlElement{}, err
			}
			continue
		}
		if _, err := m.src.buf.Discard(int(e.head)); err != nil {
			return ebmlElement{}, err
		}
		m.enter(e, pos+e.head)
		return e, nil
	}
}

// toolarge reports whether a block has the size of a picture where there can be none. Its size is damaged then, and blocks behind it would be
// skipped.
func (m *matroskaReader) toolarge(e ebmlElement, pos int64) bool {
	isBlock := e.id == clusterSimple || e.id == clusterGroup
	return isBlock && e.size > maxMatroskaBlock && (len(m.other) == 0 || m.cluster > 0 && pos+e.head+e.size > m.cluster)
}

// enter notes where a segment or cluster ends. No sound is given up for a length in a header that is too small.
func (m *matroskaReader) enter(e ebmlElement, from int64) {
	end := from + e.size
	if e.size <= 0 {
		end = 0
	}
	switch {
	case e.id == matroskaSegment:
		m.segment = end
		return
	case e.id == matroskaCluster:
		m.begun, m.cluster = true, end
	case from > m.cluster:
		m.cluster = 0
	}
	if max(end, from) > m.segment {
		m.segment = 0
	}
}

// damage moves over what is no element to the next cluster. It returns io.EOF where another file begins, or nothing follows.
func (m *matroskaReader) damage() error {
	const look = 4 << 10
	m.damaged = true
	for run := int64(0); ; {
		b, err := m.src.buf.Peek(look)
		switch {
		case len(b) == 0 && errors.Is(err, io.EOF) && run <= strayBytes:
			m.skipped -= run // a tag, zeros
			m.cut = m.cut || run < elementHead || m.src.pos() < max(m.cluster, m.segment)
			return err
		case len(b) == 0:
			return err
		case run == 0 && startsFile(b):
			return io.EOF
		}
		at := 0
		for at < len(b) && !resumes(b[at:], err != nil) {
			at++
		}
		found := at < len(b)
		if !found && err == nil {
			at -= signatureBytes
		}
		n, err := m.src.buf.Discard(at)
		m.skipped += int64(n)
		run += int64(n)
		if found || err != nil {
			m.cluster = 0
			return err
		}
	}
}

// resumes reports whether a cluster or another file begins with b.
//
//	all  is set if nothing follows b
func resumes(b []byte, all bool) bool {
	if len(b) < signatureBytes && !all {
		return false
	}
	if startsFile(b) {
		return true
	}
	e, ok := parseElement(b)
	if !ok || e.id != matroskaCluster {
		return false
	}
	inner, ok := parseElement(b[e.head:])
	return ok && inner.stands()
}

// read returns the body of an element, valid until the next.
func (m *matroskaReader) read(size int64) ([]byte, error) {
	m.body = slices.Grow(m.body[:0], int(size))[:size]
	if _, err := io.ReadFull(m.src.buf, m.body); err != nil {
		return nil, m.end(err)
	}
	return m.body, nil
}

func (m *matroskaReader) skip(size int64) error {
	_, err := m.src.buf.Discard(int(size))
	return m.end(err)
}

// end notes that the file ends within an element.
func (m *matroskaReader) end(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		m.cut = true
		return io.EOF
	}
	return err
}

// block takes a block, with or without a group around it. ok is false where it is of another track, or damaged.
func (m *matroskaReader) block(e ebmlElement) (block matroskaBlock, ok bool, err error) {
	var body []byte
	if e.size > maxMatroskaBlock {
		err = m.skip(e.size)
	} else {
		body, err = m.read(e.size)
	}
	if err != nil {
		return block, false, err
	}
	whole, err := m.follows()
	if e.size > maxMatroskaBlock && whole || err != nil {
		return block, false, err
	}
	if whole && e.id == clusterGroup {
		group := body
		body = nil
		whole = eachElement(group, func(id uint64, content []byte) {
			switch id {
			case groupBlock:
				body = content
			case groupPadding:
				block.padding = time.Duration(ebmlInt(content))
			}
		})
	}
	if whole {
		ok, whole = m.frames(body, &block)
	}
	if !whole {
		m.skipped += e.size
		m.damaged = true
	}
	if ok {
		block.gap, m.damaged = m.damaged, false
	}
	return block, ok, nil
}

// follows reports whether an element, the end or another file stands behind a block. Otherwise its length is wrong.
func (m *matroskaReader) follows() (bool, error) {
	if m.segment > 0 && m.src.pos() >= m.segment {
		return true, nil
	}
	b, err := m.src.buf.Peek(elementHead)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	e, ok := parseElement(b)
	if ok && e.stands() || len(b) == 0 {
		return true, nil
	}
	b, _ = m.src.buf.Peek(signatureBytes) // an error comes back with the next read
	return startsFile(b) || len(b) < elementHead, nil
}

// ebmlInt reads a signed integer (RFC 8794, 7.1).
func ebmlInt(b []byte) int64 {
	if len(b) == 0 || len(b) > 8 {
		return 0
	}
	shift := 64 - 8*len(b)
	return int64(ebmlUint(b)) << shift >> shift
}

// frames reads a block: the number of its track, its time, and its frames. Source: RFC 9559, 10.
//
//	ours   it is sound
//	whole  it is not damaged
func (m *matroskaReader) frames(b []byte, block *matroskaBlock) (ours, whole bool) {
	const fixed = 3 // time and flags
	number, n, _ := ebmlNumber(b, maxEBMLSizeBytes, true)
	if n == 0 || len(b) < n+fixed {
		return false, false
	}
	ours = number == m.sound.number
	if !ours && !m.other[number] {
		return false, true
	}
	ticks := m.time + int64(int16(binary.BigEndian.Uint16(b[n:])))
	if most := int64(1<<61) / m.scale; ticks > most || ticks < -most {
		return false, false
	}
	block.at = time.Duration(ticks * m.scale)
	if ours {
		block.at -= m.rounded(m.sound.delay)
		block.frames = laced(b[n+fixed:], b[n+fixed-1]>>1&3)
	}
	if !m.placed || block.at < m.origin {
		m.placed, m.origin = true, block.at
	}
	return ours && block.frames != nil, !ours || block.frames != nil
}

// rounded returns a time in whole ticks, as ffmpeg has it.
func (m *matroskaReader) rounded(t time.Duration) time.Duration {
	return t.Round(time.Duration(m.scale))
}

// laced divides the frames of a block; nil if it is damaged. Source: RFC 9559, 10.3.
//
//	kind  of lacing: 0 none, 1 as in Ogg, 2 all of one size, 3 with the sizes as numbers of EBML
func laced(b []byte, kind byte) (frames [][]byte) {
	if kind == 0 {
		return [][]byte{b}
	}
	if len(b) == 0 {
		return nil
	}
	count := int(b[0]) + 1
	b = b[1:]
	if kind == 2 {
		if len(b)%count != 0 || len(b) == 0 {
			return nil
		}
		return slices.Collect(slices.Chunk(b, len(b)/count))
	}
	sizes := make([]int, count)
	all := 0
	for i := range count - 1 {
		var size, n int
		if kind == 1 {
			n = len(b) - len(bytes.TrimLeft(b, "\xff")) + 1
			if n > len(b) {
				return nil
			}
			size = (n-1)*255 + int(b[n-1])
		} else {
			value, length, _ := ebmlNumber(b, maxEBMLSizeBytes, true)
			if n = length; n == 0 {
				return nil
			}
			if size = int(value); i > 0 { // the difference to the one before
				size = sizes[i-1] + size - (1<<(7*n-1) - 1)
			}
		}
		if size < 0 || size > maxMatroskaBlock {
			return nil
		}
		sizes[i] = size
		all += size
		b = b[n:]
	}
	if all > len(b) {
		return nil
	}
	sizes[count-1] = len(b) - all
	for _, size := range sizes {
		frames = append(frames, b[:size])
		b = b[size:]
	}
	return frames
}
