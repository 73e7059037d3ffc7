package file

import (
	"encoding/binary"
	"time"
)

// mp4Movie is what the index of an MP4 file says about its only track of sound.
type mp4Movie struct {
	fragmented bool
	track      uint32
	opus       []byte // the header of Opus, as in Ogg; nil for AAC
	rateIndex  byte   // of rate, as AAC counts
	rate       int
	channels   int
	length     time.Duration // 0 unknown
	skip       int64         // samples at the beginning that are not heard
	heard      int64         // samples that are heard after them, -1 for all
	each       int64         // of each sample but for the last; 0 unknown
	samples    []mp4Sample   // of a file that is not in fragments
	lasts      uint32        // the length of a sample where a fragment does not tell
	extends    uint32        // the size, as above
	pictures   bool          // there are other tracks
}

// be32 and be64 read a number at an offset; 0 where it is not there.
func be32(b []byte, at int) uint32 {
	if at < 0 || at+4 > len(b) {
		return 0
	}
	return binary.BigEndian.Uint32(b[at:])
}

func be64(b []byte, at int) uint64 { return uint64(be32(b, at))<<32 | uint64(be32(b, at+4)) }

// boxesOf returns the boxes in another one, by name; several of a name stand in order.
func boxesOf(b []byte) (found map[string][][]byte, ok bool) {
	found = map[string][][]byte{}
	ok = eachBox(b, func(name string, body []byte) bool {
		found[name] = append(found[name], body)
		return true
	})
	return found, ok
}

// inBox returns the body of the first box on a path; nil if there is none.
func inBox(b []byte, path ...string) []byte {
	for _, name := range path {
		found, ok := boxesOf(b)
		if !ok || len(found[name]) == 0 {
			return nil
		}
		b = found[name][0]
	}
	return b
}

// parseMovie reads the index. ok is false for whatever is not plain.
func parseMovie(moov []byte) (m mp4Movie, ok bool) {
	found, ok := boxesOf(moov)
	if !ok {
		return m, false
	}
	var sound []byte
	sounds := 0
	for _, trak := range found["trak"] {
		if handler := inBox(trak, "mdia", "hdlr"); len(handler) >= 12 && string(handler[8:12]) == "soun" {
			sound = trak
			sounds++
		} else {
			m.pictures = true
		}
	}
	if sounds != 1 {
		return m, false
	}
	header := inBox(sound, "tkhd")
	if m.track = be32(header, 12); len(header) > 0 && header[0] == 1 {
		m.track = be32(header, 20)
	}
	mvhd := inBox(moov, "mvhd")
	scale, length := be32(mvhd, 12), uint64(be32(mvhd, 16))
	if len(mvhd) > 0 && mvhd[0] == 1 {
		scale, length = be32(mvhd, 20), be64(mvhd, 24)
	}
	if scale > 0 && length < 1<<32 {
		m.length = framesToTime(int64(length), int(scale))
	}
	clock := inBox(sound, "mdia", "mdhd")
	hertz := be32(clock, 12)
	if len(clock) > 0 && clock[0] == 1 {
		hertz = be32(clock, 20)
	}
	table := inBox(sound, "mdia", "minf", "stbl")
	if stsd := inBox(table, "stsd"); !m.codec(stsd) && !m.codecOpus(stsd) || int(hertz) != m.rate || !m.edits(inBox(sound, "edts", "elst"), scale) {
		return m, false
	}
	if extends := inBox(moov, "mvex"); extends != nil {
		m.fragmented, m.skip, m.heard = true, 0, -1 // the edit list does not hold for fragments, as in ffmpeg
		all, ok := boxesOf(extends)
		for _, trex := range all["trex"] {
			if be32(trex, 4) == m.track {
				m.lasts, m.extends = be32(trex, 12), be32(trex, 16)
			}
		}
		return m, ok && be32(inBox(table, "stsz"), 8) == 0 // samples in the index as well are rare
	}
	ok = m.table(table)
	if ok && m.heard >= 0 { // the last sample counts as a whole, as in ffmpeg
		m.heard = (m.skip+m.heard+m.each-1)/m.each*m.each - m.skip
	}
	return m, ok
}

// codec reads the description of the samples: AAC-LC alone. Source: ISO/IEC 14496-14, 5.6, and 14496-3, 1.6.2.1.
func (m *mp4Movie) codec(stsd []byte) bool {
	const entries, entry, esds, lowComplexity, aac = 8, 8 + 28, 4, 2, 0x40
	if be32(stsd, 4) != 1 {
		return false
	}
	found, ok := boxesOf(stsd[entries:])
	if !ok || len(found["mp4a"]) != 1 || len(found["mp4a"][0]) < entry-8 || binary.BigEndian.Uint16(found["mp4a"][0][8:]) != 0 {
		return false // another codec, or a form of QuickTime
	}
	b := inBox(found["mp4a"][0][entry-8:], "esds")
	if len(b) < esds {
		return false
	}
	config := descriptor(b[esds:], 3)
	if len(config) < 3 || config[2] != 0 {
		return false
	}
	config = descriptor(config[3:], 4)
	if len(config) < 13 || config[0] != aac {
		return false
	}
	if config = descriptor(config[13:], 5); len(config) < 2 {
		return false
	}
	bits := binary.BigEndian.Uint16(config)
	rates := [16]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	m.rateIndex = byte(bits >> 7 & 15)
	m.rate, m.channels = rates[m.rateIndex], int(bits>>3&15)
	if bits>>11 != lowComplexity || m.rate == 0 || m.channels < 1 || m.channels > 2 || bits&7 != 0 {
		return false
	}
	// What follows may announce the upper half of the spectrum, as HE-AAC has it.
	const extension = 0x2B7
	return len(config) < 5 || binary.BigEndian.Uint16(config[2:])>>5 != extension || config[4]&0x80 == 0
}

// descriptor returns the body of an MPEG-4 descriptor that b begins with; nil where it is another one.
func descriptor(b []byte, tag byte) []byte {
	if len(b) < 2 || b[0] != tag {
		return nil
	}
	size, at := 0, 1
	for ; at < min(len(b), 5); at++ {
		size = size<<7 | int(b[at]&0x7F)
		if b[at]&0x80 == 0 {
			break
		}
	}
	at++
	if at > len(b) || size > len(b)-at {
		return nil
	}
	return b[at : at+size]
}

// edits reads the edit list: none, or one edit at the usual speed.
func (m *mp4Movie) edits(elst []byte, scale uint32) bool {
	m.heard = -1
	if elst == nil {
		return true
	}
	if be32(elst, 4) != 1 || scale == 0 {
		return false
	}
	duration, from, speed := uint64(be32(elst, 8)), int64(int32(be32(elst, 12))), be32(elst, 16)
	if elst[0] == 1 {
		duration, from, speed = be64(elst, 8), int64(be64(elst, 16)), be32(elst, 24)
	}
	if from < 0 || from > int64(m.rate) || speed != 1<<16 || duration > 1<<40 {
		return false
	}
	m.skip = from
	if duration > 0 {
		m.heard = (int64(duration)*int64(m.rate) + int64(scale)/2) / int64(scale)
	}
	return true
}

// table reads where the samples lie. ok is false where they are not all of one length, but for the last, or not in order.
func (m *mp4Movie) table(stbl []byte) bool {
	found, ok := boxesOf(stbl)
	if !ok || len(found["stsz"]) != 1 || len(found["stts"]) != 1 || len(found["stsc"]) != 1 || len(found["stco"])+len(found["co64"]) != 1 {
		return false
	}
	sizes, times, chunks := found["stsz"][0], found["stts"][0], found["stsc"][0]
	count := int64(be32(sizes, 8))
	if count == 0 || be32(sizes, 4) != 0 || int64(len(sizes)) < 12+4*count {
		return false
	}
	m.samples = make([]mp4Sample, 0, count)
	runs := int(be32(times, 4))
	if m.each = aacSamples; m.opus != nil {
		if m.each = int64(be32(times, 12)); m.each < 1 || m.each > opusPacketFrames {
			return false
		}
	}
	for i := range runs {
		n, length := be32(times, 8+8*i), int64(be32(times, 12+8*i))
		if last := i == runs-1 && n == 1; length != m.each && (!last || length > m.each) {
			return false
		}
	}
	wide := len(found["co64"]) == 1
	offsets := append(found["stco"], found["co64"]...)[0]
	groups, group := int(be32(chunks, 4)), 0
	last := int64(0)
	if int64(len(offsets)) < 8+4*int64(be32(offsets, 4)) || int64(len(chunks)) < 8+12*int64(groups) {
		return false
	}
	for chunk := range int(be32(offsets, 4)) {
		at := int64(be32(offsets, 8+4*chunk))
		if wide {
			at = int64(be64(offsets, 8+8*chunk))
		}
		for group+1 < groups && int(be32(chunks, 8+12*(group+1))) <= chunk+1 {
			group++
		}
		if at < last || be32(chunks, 16+12*group) != 1 {
			return false
		}
		for range be32(chunks, 12+12*group) {
			if int64(len(m.samples)) == count {
				return false
			}
			size := int64(be32(sizes, 12+4*len(m.samples)))
			m.samples = append(m.samples, mp4Sample{at: at, size: size, length: uint32(m.each)})
			at += size
		}
		last = at
	}
	return int64(len(m.samples)) == count
}

// maxRun bounds the samples of a fragment: half an hour of most.
const maxRun = 1 << 16

// mp4Run is the sound of a fragment.
type mp4Run struct {
	at      int64 // time stamp of its first sample, -1 unknown
	samples []mp4Sample
}

// run reads the header of a fragment that begins at pos. ok is false where it is damaged, or not plain. Source: ISO/IEC 14496-12, 8.8.
func (m *mp4Movie) run(moof []byte, pos int64) (run mp4Run, ok bool) {
	run.at = -1
	found, ok := boxesOf(moof)
	if !ok || len(found["mfhd"]) != 1 {
		return run, false
	}
	for i, traf := range found["traf"] {
		if be32(inBox(traf, "tfhd"), 4) != m.track {
			continue
		}
		if ok = m.fragment(&run, traf, pos, i == 0); !ok {
			return run, false
		}
	}
	return run, true
}

// fragment reads the part of a fragment that is of the track.
func (m *mp4Movie) fragment(run *mp4Run, traf []byte, pos int64, first bool) bool {
	const (
		base, describes, lengths, sizes, fromHere = 0x1, 0x2, 0x8, 0x10, 0x20000
		offset, firstFlags                        = 0x1, 0x4
		each1, each2, each3, each4                = 0x100, 0x200, 0x400, 0x800
	)
	found, ok := boxesOf(traf)
	if !ok || len(found["tfhd"]) != 1 || len(run.samples) > 0 {
		return false
	}
	tfhd := found["tfhd"][0]
	flags, at := be32(tfhd, 0), 8
	start, size, length := pos, int64(m.extends), m.lasts
	if flags&base != 0 {
		start = int64(be64(tfhd, at))
		at += 8
	} else if flags&fromHere == 0 && !first {
		return false // behind the samples of the track before
	}
	for _, field := range []uint32{describes, lengths, sizes} {
		if flags&field == 0 {
			continue
		}
		switch field {
		case lengths:
			length = be32(tfhd, at)
		case sizes:
			size = int64(be32(tfhd, at))
		}
		at += 4
	}
	if tfdt := inBox(traf, "tfdt"); len(tfdt) >= 8 {
		if run.at = int64(be32(tfdt, 4)); tfdt[0] == 1 {
			run.at = int64(be64(tfdt, 4) &^ (1 << 63))
		}
	}
	next := int64(-1)
	for _, trun := range found["trun"] {
		if _, _, valid := runPayload(trun); !valid {
			return false
		}
		has, count, at := be32(trun, 0), int(be32(trun, 4)), 8
		if has&offset != 0 {
			next = start + int64(int32(be32(trun, at)))
			at += 4
		}
		if has&firstFlags != 0 {
			at += 4
		}
		if next < 0 || len(run.samples)+count > maxRun {
			return false
		}
		for range count {
			one, lasts := size, length
			if has&each1 != 0 {
				if lasts = be32(trun, at); lasts > aacSamples && m.opus == nil {
					return false
				}
				at += 4
			}
			if has&each2 != 0 {
				one = int64(be32(trun, at))
				at += 4
			}
			for _, field := range []uint32{each3, each4} {
				if has&field != 0 {
					at += 4
				}
			}
			run.samples = append(run.samples, mp4Sample{at: next, size: one, length: lasts})
			next += one
		}
	}
	return true
}
