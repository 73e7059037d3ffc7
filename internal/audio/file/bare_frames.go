package file

import "encoding/binary"

// frameLook is how much of a bare stream is looked at to be sure of it: three frames of most.
const frameLook = 16 << 10

// bareForms are the streams of frames that are recognised wherever they begin.
func bareForms() []frameForm { return []frameForm{adtsFrame, ac3Frame, dtsFrame, loasFrame} }

// startsBare tells whether three frames of a bare stream follow each other.
func startsBare(b []byte) bool {
	if isMLP(b) {
		return true
	}
	if len(b) == 0 || b[0] != 0xFF && b[0] != 0x0B && b[0] != 0x7F && b[0] != 0x56 {
		return false // most bytes, at once
	}
	for _, form := range bareForms() {
		if follows(b, form, 3) {
			return true
		}
	}
	return false
}

// isMLP reports whether bytes begin an access unit of MLP or TrueHD from which decoding can begin.
func isMLP(b []byte) bool {
	return len(b) > 8 && b[4] == 0xF8 && b[5] == 0x72 && b[6] == 0x6F && b[7]&0xFE == 0xBA
}

// frameForm reads the header of a frame of a bare stream: its length in bytes, 0 where there is none; its samples in each channel,
// 0 for one that belongs to the frame before it; its rate, 0 unknown.
type frameForm func(b []byte) (bytes, samples, rateHz int)

// adtsFrame reads the header of a frame of AAC in ADTS. Source: ISO/IEC 13818-7, 6.2.
func adtsFrame(b []byte) (bytes, samples, rateHz int) {
	rates := [16]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	const header = 7
	if len(b) < header || b[0] != 0xFF || b[1]&0xF6 != 0xF0 {
		return 0, 0, 0
	}
	size := int(binary.BigEndian.Uint32(b[2:])>>5) & 0x1FFF
	if size < header {
		return 0, 0, 0
	}
	return size, 1024 * (1 + int(b[6]&3)), rates[b[2]>>2&15]
}

// ac3Frame reads the header of a frame of AC-3 or E-AC-3. Source: ETSI TS 102 366, 4.4.1 and E.1.2.
func ac3Frame(b []byte) (bytes, samples, rateHz int) {
	const header, block, lastAC3, lastEAC3 = 8, 256, 10, 16
	if len(b) < header || b[0] != 0x0B || b[1] != 0x77 {
		return 0, 0, 0
	}
	rates := [3]int{48000, 44100, 32000}
	version, rate := int(b[5]>>3), int(b[4]>>6)
	switch {
	case version <= lastAC3:
		kbits := [19]int{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640}
		size := int(b[4] & 0x3F)
		if rate == 3 || size >= 2*len(kbits) {
			return 0, 0, 0
		}
		words := kbits[size/2] * 96000 / rates[rate]
		if rate == 1 {
			words = kbits[size/2]*320/147 + size&1 // 44.1 kHz: the frames of a rate differ by a word
		}
		return 2 * words, 6 * block, rates[rate] >> max(version-8, 0)
	case version <= lastEAC3:
		size := 2 * (1 + int(b[2]&7)<<8 + int(b[3]))
		blocks := [4]int{1, 2, 3, 6}[b[4]>>4&3]
		hz := 0
		if rate < 3 {
			hz = rates[rate]
		} else if half := int(b[4] >> 4 & 3); half < 3 {
			hz, blocks = rates[half]/2, 6
		}
		if kind := b[2] >> 6; kind == 1 { // further channels of the frame before
			blocks = 0
		} else if kind == 3 || hz == 0 {
			return 0, 0, 0
		}
		return size, blocks * block, hz
	}
	return 0, 0, 0
}

// dtsFrame reads the header of a frame of DTS, or of the extension behind it. Source: ETSI TS 102 114, 5.3 and 7.4.
func dtsFrame(b []byte) (bytes, samples, rateHz int) {
	const header, least = 10, 96
	if len(b) < header {
		return 0, 0, 0
	}
	rates := [16]int{0, 8000, 16000, 32000, 0, 0, 11025, 22050, 44100, 0, 0, 12000, 24000, 48000, 96000, 192000}
	switch binary.BigEndian.Uint32(b) {
	case 0x7FFE8001:
		blocks := 1 + (int(b[4]&1)<<6 | int(b[5]>>2))
		size := 1 + (int(b[5]&3)<<12 | int(b[6])<<4 | int(b[7]>>4))
		rate := rates[b[8]>>2&15]
		if blocks < 6 || size < least || rate == 0 {
			return 0, 0, 0
		}
		return size, 32 * blocks, rate
	case 0x64582025:
		if b[5]&0x20 == 0 {
			return 1 + (int(b[6]&0x1F)<<11 | int(b[7])<<3 | int(b[8]>>5)), 0, 0
		}
		return 1 + (int(b[6]&1)<<19 | int(b[7])<<11 | int(b[8])<<3 | int(b[9]>>5)), 0, 0
	}
	return 0, 0, 0
}

// bare walks frames up to another file. Where bytes are no frame the next one counts if three follow each other, or if it is the
// last.
//
//	first  the form of frames from which decoding can begin
func (c *cursor) bare(form, first frameForm) extent {
	const lookAhead = 60 << 10
	count := frameCount{start: c.pos}
	mlp := isMLP(c.peek(lookAhead)) // which begins anew many times
	var gap int64
	for {
		b := c.peek(lookAhead)
		if len(b) == 0 {
			return count.stop(c, c.size)
		}
		size, samples, rate := form(b)
		if gap > 0 {
			size, samples, rate = first(b)
		}
		switch {
		case size > 0 && size <= len(b) && (gap == 0 || size == len(b) || follows(b, form, 3)):
			if count.rate == 0 {
				count.rate = rate
			}
			if rate > 0 && rate != count.rate { // times count in the first rate
				samples = samples * count.rate / rate
			}
			if samples > 0 {
				count.frame(c.pos, size, samples, gap)
				gap = 0
			} else {
				count.extend(size)
			}
			c.skip(int64(size))
			continue
		case size > len(b) && gap == 0:
			return count.cutExtent(c.size, c.pos+int64(size))
		case startsPart(b) && (!mlp || !isMLP(b)):
			return count.stop(c, c.pos)
		case gap == 0 && count.frames > 0:
			if at := count.torn(c); at > 0 {
				return count.cutExtent(at, count.end)
			}
		}
		c.skip(1)
		gap++
	}
}

// bareTail finds bare frames that a file of another format does not end with: frames that stand behind each other up to the end, a tag or
// another file. A container keeps frames apart, or ends with something else. It returns the size of the file where there are none.
func (c *cursor) bareTail() int64 {
	for {
		found := c.search(func(b []byte) bool { return !startsFile(b) && startsPart(b) })
		if found.end >= c.size {
			return c.size
		}
		c.seek(found.end)
		if c.frames() {
			return found.end
		}
	}
}

// frames skips frames of any bare stream and reports whether they end where a file may.
func (c *cursor) frames() bool {
	for {
		b := c.peek(frameLook)
		size := 0
		if h, ok := parseMPEG(b); ok {
			size = h.bytes
		}
		for _, form := range bareForms() {
			if n, _, _ := form(b); n > 0 {
				size = n
			}
		}
		switch {
		case size == 0:
			return len(b) == 0 || startsFile(b) || tagSize(b) > 0
		case !c.skip(int64(size)):
			return true // the last one was cut off
		}
	}
}

// loasFrame reads the header of a frame of AAC in LATM, with the rate where the frame has a description of the stream.
// Source: ISO/IEC 14496-3, 1.7.2 and 1.7.3.
func loasFrame(b []byte) (bytes, samples, rateHz int) {
	rates := [16]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	const header, described = 3, 7
	if len(b) < described || b[0] != 0x56 || b[1]&0xE0 != 0xE0 {
		return 0, 0, 0
	}
	size := int(b[1]&0x1F)<<8 | int(b[2])
	if size == 0 {
		return 0, 0, 0
	}
	if b[3]&0xC0 == 0 { // with a description, of the only version in use
		rateHz = rates[binary.BigEndian.Uint16(b[5:])>>7&15]
	}
	return header + size, 1024, rateHz
}

// sbcFrame reads the header of a frame of Bluetooth's codec. Source: A2DP specification 1.3, 12.9.
func sbcFrame(b []byte) (bytes, samples, rateHz int) {
	if len(b) < 4 || b[0] != 0x9C || b[2] == 0 {
		return 0, 0, 0
	}
	blocks, mode, bands, pool := 4*(1+int(b[1]>>4&3)), b[1]>>2&3, 4*(1+int(b[1]&1)), int(b[2])
	const mono, dual, joint = 0, 1, 3
	channels, bits := 2, blocks*pool
	switch mode {
	case mono:
		channels = 1
	case dual:
		bits *= 2
	case joint:
		bits += bands
	}
	return 4 + channels*bands/2 + (bits+7)/8, blocks * bands, [4]int{16000, 32000, 44100, 48000}[b[1]>>6]
}

// follows tells whether so many frames follow each other.
func follows(b []byte, form frameForm, frames int) bool {
	for range frames {
		n, _, _ := form(b)
		if n == 0 || n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}
