package file

// Elements of Matroska on the way from one file to the next. Source: RFC 9559, 5.
const (
	ebmlHeader       = 0x1A45DFA3
	matroskaSegment  = 0x18538067
	matroskaCluster  = 0x1F43B675
	maxEBMLIDBytes   = 4
	maxEBMLSizeBytes = 8
)

// matroska walks the elements of Matroska and WebM. It enters segments and clusters of unknown length, as live
// recorders write them, and skips everything else. The next EBML header begins another file.
func (c *cursor) matroska() extent {
	e := extent{}
	for {
		b := c.peek(maxEBMLIDBytes + maxEBMLSizeBytes)
		id, idBytes, _ := ebmlNumber(b, maxEBMLIDBytes, false)
		size, sizeBytes, unknown := ebmlNumber(b[idBytes:], maxEBMLSizeBytes, true)
		switch {
		case len(b) == 0, id == ebmlHeader && e.end > 0:
			return e
		case idBytes == 0 || sizeBytes == 0:
			// Damage, or something else. If another file follows, its signature shows it.
			return c.search(func(b []byte) bool { return b[0] == 0x1A && startsFile(b) })
		}
		head := uint64(idBytes + sizeBytes)
		if unknown {
			size = 0
			if id != matroskaSegment && id != matroskaCluster {
				return c.search(func(b []byte) bool { return b[0] == 0x1A && startsFile(b) })
			}
		}
		if e = c.sized(c.pos, head+size, false); e.cut() || !c.skip(e.end-c.pos) {
			return e
		}
		if id == matroskaSegment && !unknown {
			return e
		}
	}
}

// ebmlNumber reads a number of variable length (RFC 8794, 4). It returns 0 bytes if there is none.
//
//	value  without the marker of the length, as in sizes; else with it, as in identifiers
func ebmlNumber(b []byte, most int, value bool) (n uint64, size int, unknown bool) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0, false
	}
	size = 1
	for mask := byte(0x80); b[0]&mask == 0; mask >>= 1 {
		size++
	}
	if size > most || size > len(b) {
		return 0, 0, false
	}
	for _, c := range b[:size] {
		n = n<<8 | uint64(c)
	}
	if value {
		n &^= 1 << (7 * size)
		unknown = n == 1<<(7*size)-1
	}
	return n, size, unknown
}
