package file

import "encoding/binary"

const (
	tsPacket = 188
	// tsTimeBytes stand before each packet in the files of cameras and discs (M2TS), tsParityBytes behind each of some
	// broadcasts.
	tsTimeBytes   = 4
	tsParityBytes = 16
	tsSyncByte    = 0x47
	tsClockHz     = 90000
	tsClockMax    = 1 << 33
	// maxTSClocks bounds the programs of one stream whose clocks are followed.
	maxTSClocks = 64
	// tsClockJump is the longest step of a clock that is one. Source: ffmpeg's -dts_delta_threshold.
	tsClockJump = 10 * tsClockHz
)

// tsWalker follows the clocks and tables of an MPEG transport stream. Source: ISO/IEC 13818-1, 2.4.3 and 2.4.4.
type tsWalker struct {
	clocks map[uint16]uint64 // of each PID that carries one
	tables map[uint16]string // streams of each program, by the PID of its table
	pat    int64             // where the last program association table stands
	clock  int64             // where the last clock stands
	counts map[uint16]byte   // of the last packet of each PID
	losses []int64           // where packets are missing
}

// mpegTS walks packets to where a clock jumps or a program gets other streams: there another recording begins, with a
// time of its own. It begins with its tables, if they stand right before.
func (c *cursor) mpegTS() extent {
	w := tsWalker{clocks: map[uint16]uint64{}, tables: map[uint16]string{}, pat: -1, clock: -1, counts: map[uint16]byte{}}
	start, inSync := c.pos, false
	_, step := tsSync(c.peek(tsPacket * 8))
	step = max(step, tsPacket)
	for {
		b := c.peek(tsPacket)
		if len(b) < tsPacket {
			if len(b) > 4 && b[0] == tsSyncByte && inSync {
				return extent{end: c.size, want: c.pos + tsPacket, losses: w.losses} // the last packet is not whole
			}
			return extent{end: c.size, losses: w.losses}
		}
		if inSync = b[0] == tsSyncByte; !inSync {
			// A stream with another distance between its packets is another stream.
			if _, other := tsSync(c.peek(tsPacket * 8)); c.pos > start+tsPacket && (startsPart(c.peek(frameLook)) || other > 0 && other != step) || !c.skip(1) {
				return extent{end: c.pos, losses: w.losses}
			}
			continue
		}
		if joint, found := w.packet(b, c.pos); found && joint > start {
			return extent{end: joint, losses: w.losses}
		}
		if !c.skip(int64(step)) {
			return extent{end: c.size, losses: w.losses}
		}
	}
}

// packet takes one packet and tells whether another recording began, and where.
func (w *tsWalker) packet(b []byte, pos int64) (joint int64, found bool) {
	pid := binary.BigEndian.Uint16(b[1:]) & 0x1FFF
	w.count(pid, b, pos)
	payload := 4
	if b[3]&0x20 != 0 {
		length := int(b[4])
		payload += 1 + length
		if length >= 7 && b[5]&0x10 != 0 && w.tick(pid, uint64(binary.BigEndian.Uint32(b[6:]))<<1|uint64(b[10]>>7)) {
			if w.pat > w.clock {
				return w.pat, true
			}
			return pos, true
		}
		if length >= 7 && b[5]&0x10 != 0 {
			w.clock = pos
		}
	}
	if b[1]&0x40 == 0 || b[3]&0x10 == 0 || payload >= tsPacket {
		return 0, false // no section begins here
	}
	section := b[payload:]
	section = section[min(1+int(section[0]), len(section)):]
	if pid == 0 {
		w.pat = pos
		w.programs(section)
		return 0, false
	}
	if before, isTable := w.tables[pid]; isTable {
		streams := tsStreams(section)
		w.tables[pid] = streams
		if before != "" && streams != "" && streams != before && w.pat >= 0 {
			return w.pat, true
		}
	}
	return 0, false
}

// count notes where the packets of a stream do not follow each other.
func (w *tsWalker) count(pid uint16, b []byte, pos int64) {
	const padding, counter = 0x1FFF, 0xF
	if pid == padding || b[3]&0x10 == 0 {
		return
	}
	now := b[3] & counter
	before, known := w.counts[pid]
	w.counts[pid] = now
	announced := b[3]&0x20 != 0 && b[4] > 0 && b[5]&0x80 != 0
	// A packet may be sent twice.
	if known && !announced && now != before && now != (before+1)&counter && len(w.losses) < maxHoles {
		w.losses = append(w.losses, pos)
	}
}

// tick takes the value of a clock and tells whether it jumped.
func (w *tsWalker) tick(pid uint16, now uint64) bool {
	before, known := w.clocks[pid]
	if known || len(w.clocks) < maxTSClocks {
		w.clocks[pid] = now
	}
	step := (now - before) & (tsClockMax - 1) // a clock that is full begins at zero
	return known && step > tsClockJump
}

// programs notes the tables that a program association table names.
func (w *tsWalker) programs(section []byte) {
	const header, checksum = 8, 4
	if len(section) < header || section[0] != 0 {
		return
	}
	end := min(3+int(binary.BigEndian.Uint16(section[1:])&0xFFF)-checksum, len(section))
	for at := header; at+4 <= end && len(w.tables) < maxTSClocks; at += 4 {
		if program := binary.BigEndian.Uint16(section[at:]); program != 0 {
			pid := binary.BigEndian.Uint16(section[at+2:]) & 0x1FFF
			if _, known := w.tables[pid]; !known {
				w.tables[pid] = ""
			}
		}
	}
}

// tsStreams lists type and PID of the streams in a program map table that lies in one packet, else nothing.
func tsStreams(section []byte) string {
	const header, checksum = 12, 4
	if len(section) < header || section[0] != 2 {
		return ""
	}
	end := 3 + int(binary.BigEndian.Uint16(section[1:])&0xFFF) - checksum
	if end > len(section) {
		return ""
	}
	var streams []byte
	at := header + int(binary.BigEndian.Uint16(section[10:])&0xFFF)
	for at+5 <= end {
		streams = append(streams, section[at], section[at+1]&0x1F, section[at+2])
		at += 5 + int(binary.BigEndian.Uint16(section[at+3:])&0xFFF)
	}
	return string(streams)
}
