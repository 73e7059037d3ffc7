package file

import (
	"bytes"
	"encoding/binary"
)

// asf walks the top objects of Advanced Systems Format: a GUID, and 64 bits of length.
func (c *cursor) asf() extent {
	e := extent{}
	var packet int64
	for {
		if e.end > 0 && startsPart(c.peek(frameLook)) {
			return e
		}
		b := c.peek(24) // not before the longer one, which moves the bytes
		if len(b) < 24 {
			return e
		}
		size := binary.LittleEndian.Uint64(b[16:])
		const data, empty = "\x36\x26\xb2\x75\x8e\x66\xcf\x11", 50
		if string(b[:8]) == data && size <= empty {
			return c.search(startsOther) // written to a pipe: the packets follow anyway
		}
		if size < 24 && e.end > 0 {
			return e // no object: zeros behind the file, or damage
		}
		if size < 24 {
			return extent{end: c.size}
		}
		switch at := c.pos; string(b[:8]) {
		case "\x30\x26\xb2\x75\x8e\x66\xcf\x11":
			packet = c.asfPacket(at, size)
			c.seek(at)
		case data:
			e.losses = c.asfLosses(at+empty, at+int64(min(size, uint64(c.size-at))), packet)
			c.seek(at)
		}
		losses := e.losses
		e = c.sized(c.pos, size, false)
		if e.losses = losses; e.cut() || !c.skip(e.end-c.pos) {
			return e
		}
	}
}

// asfPacket returns the length of the packets of the file whose header is at pos, 0 where it differs from packet to packet.
func (c *cursor) asfPacket(pos int64, size uint64) int64 {
	const properties, least, most, end = "\xa1\xdc\xab\x8c\x47\xa9\xcf\x11", 92, 96, 100
	header := make([]byte, min(size, 1<<20))
	n, _ := c.at.ReadAt(header, pos)
	header = header[:n]
	at := bytes.Index(header, []byte(properties))
	if at < 0 || len(header) < at+end {
		return 0
	}
	bytes := binary.LittleEndian.Uint32(header[at+least:])
	if bytes != binary.LittleEndian.Uint32(header[at+most:]) || bytes > 1<<20 {
		return 0
	}
	return int64(bytes)
}

// asfLosses returns which packets between two places do not begin as the first one does: they are destroyed.
func (c *cursor) asfLosses(from, to, packet int64) (losses []int64) {
	const head = 3 // the length of the data for error correction, and these data, which are 0
	var first, b [head]byte
	if packet < head || to-from < packet {
		return nil
	}
	for at := from; at+head <= to && len(losses) < maxHoles; at += packet {
		if n, _ := c.at.ReadAt(b[:], at); n < head {
			break
		}
		switch {
		case at == from:
			if first = b; first != [head]byte{0x82, 0, 0} {
				return nil
			}
		case b != first:
			losses = append(losses, at)
		}
	}
	return losses
}
