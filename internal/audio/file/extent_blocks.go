package file

import "encoding/binary"

// blockForm reads the header of a block of a container: the length of the whole block in bytes, 0 where there is none.
type blockForm func(b []byte) int64

// blockHeader is how much a blockForm gets to see.
const blockHeader = 32

// blockForms are those of containers that consist of blocks and can hold frames as bare streams have them. What lies inside such a
// block is never another file.
func blockForms(container string) (form blockForm, ok bool) {
	form, ok = map[string]blockForm{"voc": vocBlock(), "rm": rmBlock, "mxf": mxfBlock, "gxf": gxfBlock, "swf": swfBlock(), "mpeg": packBlock}[container]
	return form, ok
}

// blocks skips blocks up to another file, and returns where the last one ends. That is the size of the file if the last one reaches
// beyond it.
//
//	resync  the form of blocks with which it goes on behind damage; nil if it does not
func (c *cursor) blocks(form, resync blockForm) int64 {
	for start := c.pos; ; {
		if c.pos > start && startsPart(c.peek(frameLook)) {
			return c.pos
		}
		size := form(c.peek(blockHeader))
		if size <= 0 {
			if resync == nil || !c.resync(resync) {
				return c.pos
			}
			continue
		}
		if !c.skip(size) {
			return c.size
		}
	}
}

// resync moves behind damage, to the next block of that form before another file.
func (c *cursor) resync(form blockForm) bool {
	from := c.pos
	isFile := false
	found := c.search(func(b []byte) bool {
		isFile = startsOther(b)
		return isFile || form(b) > 0
	})
	if isFile || found.end >= c.size {
		c.seek(from)
		return false
	}
	c.seek(found.end)
	return true
}

// startsPack is packBlock for the header of a pack alone, which does not turn up by chance.
func startsPack(b []byte) int64 {
	if len(b) > 3 && b[3] == 0xBA {
		return packBlock(b)
	}
	return 0
}

// packBlock reads a pack or packet of an MPEG program stream. Source: ISO/IEC 13818-1, 2.5.3, and ISO/IEC 11172-1, 2.4.3.
func packBlock(b []byte) int64 {
	const head, pack1, pack2, packetHead = 4, 12, 14, 6
	if len(b) < head || b[0] != 0 || b[1] != 0 || b[2] != 1 {
		return 0
	}
	switch id := b[3]; {
	case id == 0xB9:
		return head // the end
	case id == 0xBA && len(b) >= pack2 && b[4]&0xC0 == 0x40:
		return pack2 + int64(b[13]&7)
	case id == 0xBA && len(b) >= pack1 && b[4]&0xF0 == 0x20:
		return pack1
	case id > 0xBA && len(b) >= packetHead:
		return packetHead + int64(binary.BigEndian.Uint16(b[4:]))
	}
	return 0
}

// vocBlock reads a file of Creative: a header that tells its own length, then blocks of a type and 24 bits of length; type 0 is the end.
func vocBlock() blockForm {
	const header, kindBytes = 26, 4
	begun, ended := false, false
	return func(b []byte) int64 {
		switch {
		case ended || len(b) == 0:
			return 0
		case !begun:
			begun = true
			if len(b) < header {
				return 0
			}
			return int64(binary.LittleEndian.Uint16(b[20:]))
		case b[0] == 0:
			ended = true
			return 1
		case b[0] > 9 || len(b) < kindBytes:
			return 0
		}
		return kindBytes + int64(b[1]) + int64(b[2])<<8 + int64(b[3])<<16
	}
}

// rmBlock reads a chunk of RealMedia: a name, and 32 bits of length. Source: the RealMedia file format, RFC draft-heftagaub-rmff.
func rmBlock(b []byte) int64 {
	const header = 10
	if len(b) < header {
		return 0
	}
	switch string(b[:4]) {
	case ".RMF", "PROP", "MDPR", "CONT", "DATA", "INDX":
		if size := int64(binary.BigEndian.Uint32(b[4:])); size >= header {
			return size
		}
	}
	return 0
}

// mxfBlock reads a key and a length. Source: SMPTE 336M: a length below 128, or the number of its bytes plus 128.
func mxfBlock(b []byte) int64 {
	const key, most = 16, 8
	if len(b) < key+1+most || string(b[:4]) != "\x06\x0e\x2b\x34" {
		return 0
	}
	if b[key] < 0x80 {
		return key + 1 + int64(b[key])
	}
	bytes := int(b[key] & 0x7F)
	if bytes > most {
		return 0
	}
	var size uint64
	for _, v := range b[key+1 : key+1+bytes] {
		size = size<<8 | uint64(v)
	}
	if size > 1<<60 {
		return 0
	}
	return key + 1 + int64(bytes) + int64(size)
}

// gxfBlock reads a packet of the General Exchange Format. Source: SMPTE 360M: its type, and the length with the header of 16 bytes.
func gxfBlock(b []byte) int64 {
	if len(b) < 16 || string(b[:5]) != "\x00\x00\x00\x00\x01" || string(b[14:16]) != "\xe1\xe2" {
		return 0
	}
	return int64(binary.BigEndian.Uint32(b[6:]))
}

// swfBlock reads a Flash file: a header with a rectangle of variable length, then tags of a type of 10 bits and a length of 6, or of
// 32; type 0 is the end. The length in the header is often a placeholder. Source: SWF File Format Specification 19, 2.
func swfBlock() blockForm {
	const head, rates, long = 8, 4, 0x3F
	begun, ended := false, false
	return func(b []byte) int64 {
		switch {
		case ended || len(b) < 2:
			return 0
		case !begun:
			begun = true
			if len(b) <= head || string(b[:3]) != "FWS" {
				ended = true // compressed: nothing in it looks like a frame
				return 0
			}
			return head + (5+4*int64(b[head]>>3)+7)/8 + rates
		}
		tag := binary.LittleEndian.Uint16(b)
		ended = tag>>6 == 0
		if size := int64(tag & long); size < long {
			return 2 + size
		}
		if len(b) < 6 {
			return 0
		}
		return 6 + int64(binary.LittleEndian.Uint32(b[2:]))
	}
}
