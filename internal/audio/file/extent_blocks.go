package file

import "encoding/binary"

// blockForm reads the header of a block of a container: the length of the whole block in bytes, 0 where there is none.
type blockForm func(b []byte) int64

// blockHeader is how much a blockForm gets to see.
const blockHeader = 32

// blockForms are those of containers that consist of blocks and can hold frames as bare streams have them. What lies inside such a
// block is never another file.
func blockForms(container string) (form blockForm, ok bool) {
	form, ok = map[string]blockForm{"voc": vocBlock(), "rm": rmBlock, "mxf": mxfBlock, "gxf": gxfBlock, "swf": swfBlock}[container]
	return form, ok
}

// blocks skips blocks up to another file, and returns where the last one ends. That is the size of the file if the last one reaches
// beyond it.
func (c *cursor) blocks(form blockForm) int64 {
	for start := c.pos; ; {
		if c.pos > start && startsFile(c.peek(signatureBytes)) {
			return c.pos
		}
		size := form(c.peek(blockHeader))
		if size <= 0 {
			return c.pos
		}
		if !c.skip(size) {
			return c.size
		}
	}
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

// swfBlock reads a Flash file, whose header has its length. A compressed one has the length of its content there.
func swfBlock(b []byte) int64 {
	if len(b) < 8 || string(b[:3]) != "FWS" {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(b[4:]))
}
