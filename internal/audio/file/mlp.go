package file

// mlpStream reads the headers of MLP and TrueHD. Only some frames begin with a description of the stream, which tells how to check
// those that follow.
type mlpStream struct{ parts, rateHz, samples int }

// described reads the description of the stream at the beginning of a frame. Source: libavcodec/mlp_parse.c.
func (m *mlpStream) described(b []byte) bool {
	const description = 21
	if len(b) < description || b[4] != 0xF8 || b[5] != 0x72 || b[6] != 0x6F {
		return false
	}
	rate := b[8] >> 4 // TrueHD
	switch b[7] {
	case 0xBA:
	case 0xBB:
		rate = b[9] >> 4
	default:
		return false
	}
	if rate&7 > 2 || b[20]>>4 == 0 {
		return false
	}
	m.rateHz = [2]int{48000, 44100}[rate>>3] << (rate & 7)
	m.samples, m.parts = 40<<(rate&7), int(b[20]>>4)
	return true
}

// frame is a frameForm.
func (m *mlpStream) frame(b []byte) (bytes, samples, rateHz int) {
	const header = 4
	if len(b) < header {
		return 0, 0, 0
	}
	size := 2 * (int(b[0]&0xF)<<8 | int(b[1]))
	if size <= header || !m.described(b) && !m.even(b) {
		return 0, 0, 0
	}
	return size, m.samples, m.rateHz
}

// first is a frameForm of frames from which decoding can begin.
func (m *mlpStream) first(b []byte) (bytes, samples, rateHz int) {
	described := *m
	if !described.described(b) {
		return 0, 0, 0
	}
	return m.frame(b)
}

// even checks the parity of the headers of a frame and its parts.
func (m *mlpStream) even(b []byte) bool {
	const header = 4
	at, parity := header, b[0]^b[1]^b[2]^b[3]
	for range m.parts {
		if at+4 > len(b) {
			return false
		}
		parity ^= b[at] ^ b[at+1]
		if b[at]&0x80 != 0 {
			parity ^= b[at+2] ^ b[at+3]
			at += 2
		}
		at += 2
	}
	return m.parts > 0 && (parity>>4^parity)&0xF == 0xF
}
