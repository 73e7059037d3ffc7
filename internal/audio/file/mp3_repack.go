package file

import "encoding/binary"

// repacker makes every frame of MPEG 2 layer III stand alone. A frame may use bytes of the previous ones (the bit
// reservoir). The library (go-mp3 v0.3.4) loses one of these bytes at every padded frame whose unpadded length it
// computes without a remainder, for example at 22.05 kHz and 32 kbit/s: from then on there is noise. Rewritten with its
// own bytes only and without padding, each frame decodes correctly.
//
// Source: ISO/IEC 13818-3, 2.4.1.7: one granule; main_data_begin has 8 bits, 1 or 2 private bits follow,
// then 63 bits for each channel, beginning with part2_3_length in 12.
type repacker struct {
	reservoir []byte // the last maxReservoir bytes of main data
	data      []byte // main data of the current frame
	frame     []byte // what the library gets
}

const maxReservoir = 255

// repack returns the frame as the library needs it, valid until the next call; false if bytes that it needs are
// missing, or if it has more than the longest frame can hold.
func (p *repacker) repack(frame []byte, h mpegHeader) ([]byte, bool) {
	side := mpegHeaderBytes
	if h.protected {
		side += 2
	}
	main := side + 17
	if h.channels == 1 {
		main = side + 9
	}
	if len(frame) < main {
		return nil, false
	}
	begin := int(frame[side])
	p.data = append(p.data[:0], p.reservoir[max(0, len(p.reservoir)-begin):]...)
	whole := len(p.data) == begin
	p.data = append(p.data, frame[main:]...)
	p.keep(frame[main:])

	need := 0
	for c := range h.channels {
		// The lengths are 63 bits apart; no other bits of the three bytes around them matter.
		at := 8 + h.channels + 63*c
		word := uint32(frame[side+at/8])<<16 | uint32(frame[side+at/8+1])<<8 | uint32(frame[side+at/8+2])
		need += int(word >> (12 - at%8) & 0xFFF)
	}
	need = (need + 7) / 8
	if !whole || need > len(p.data) {
		return nil, false
	}
	return p.build(frame[:mpegHeaderBytes], frame[side:main], p.data[:need], h)
}

// keep stores main data for later frames.
func (p *repacker) keep(data []byte) {
	p.reservoir = append(p.reservoir, data...)
	if over := len(p.reservoir) - maxReservoir; over > 0 {
		p.reservoir = append(p.reservoir[:0], p.reservoir[over:]...)
	}
}

// build writes a frame without checksum and padding, of the lowest bit rate that holds the data.
func (p *repacker) build(header, side, data []byte, h mpegHeader) ([]byte, bool) {
	const noChecksum, padding, bitRate = 1 << 16, 1 << 9, 15 << 12
	word := binary.BigEndian.Uint32(header)&^(padding|bitRate) | noChecksum
	for index := uint32(1); index < 15; index++ {
		size := 144 * 1000 * mpegBitRate(h.version, h.layer, int(index)) / h.sampleRateHz >> 1 // as the library computes it
		if size < mpegHeaderBytes+len(side)+len(data) {
			continue
		}
		p.frame = binary.BigEndian.AppendUint32(p.frame[:0], word|index<<12)
		p.frame = append(p.frame, side...)
		p.frame[mpegHeaderBytes] = 0 // main_data_begin: nothing from before
		p.frame = append(p.frame, data...)
		for len(p.frame) < size {
			p.frame = append(p.frame, 0)
		}
		return p.frame, true
	}
	return nil, false
}
