package file

import (
	"bufio"
	"encoding/binary"
	"io"
	"time"
)

// hole is a place in a stream of bare frames whose bytes are no frames.
type hole struct {
	// at counts in the sound before it, length is how long frames of the same size would have been.
	at, length time.Duration
}

// maxHoles bounds what is remembered of a file that is damaged everywhere.
const maxHoles = 4096

// frameCount counts frames and the bytes between them.
type frameCount struct {
	rate          int   // in Hz
	samples       int64 // so far
	frames, bytes int64
	holes         []hole
}

// frame takes a frame of so many bytes and samples, behind so many bytes that were none.
func (f *frameCount) frame(bytes, samples int, gap int64) {
	if f.frames > 0 && f.rate > 0 && len(f.holes) < maxHoles {
		average := f.bytes / f.frames
		if lost := (gap + average/2) / max(average, 1); lost > 0 {
			f.holes = append(f.holes, hole{framesToTime(f.samples, f.rate), framesToTime(lost*int64(samples), f.rate)})
		}
	}
	f.frames++
	f.bytes += int64(bytes)
	f.samples += int64(samples)
}

// mpeg walks frames of MPEG audio.
func (c *cursor) mpeg() extent {
	// Its own buffer is as large as that of the decoder.
	section := io.NewSectionReader(c.at, c.pos, c.size-c.pos)
	buf := bufio.NewReaderSize(section, sniffBytes)
	frames := mpegFrames{buf: buf, lost: true}
	var count frameCount
	var raw []byte
	for {
		frame, header, err := frames.next(raw)
		if err != nil {
			break
		}
		raw = frame
		if count.rate == 0 {
			count.rate = header.sampleRateHz
			if tag := parseTag(frame, header); tag.found {
				if tag.delay >= 0 {
					count.samples -= int64(tag.delay + mp3DecoderDelay)
				}
				continue // no sound
			}
		}
		count.frame(header.bytes, header.samples, frames.gap)
	}
	read, err := section.Seek(0, io.SeekCurrent)
	if err != nil {
		return extent{end: c.size}
	}
	if frames.cut {
		return extent{end: c.size, want: c.size + 1, holes: count.holes}
	}
	return extent{end: c.pos + read - int64(buf.Buffered()), holes: count.holes}
}

// adtsFrame reads the header of a frame of AAC in ADTS. Source: ISO/IEC 13818-7, 6.2.
func adtsFrame(b []byte) (bytes, samples, rateHz int) {
	rates := [16]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	if len(b) < 7 || b[0] != 0xFF || b[1]&0xF6 != 0xF0 {
		return 0, 0, 0
	}
	return int(binary.BigEndian.Uint32(b[2:])>>5) & 0x1FFF, 1024 * (1 + int(b[6]&3)), rates[b[2]>>2&15]
}

// adts walks frames of AAC in ADTS, up to another file. Where a frame is missing the next counts if three follow each other, or if
// it is the last.
func (c *cursor) adts() extent {
	const lookAhead = 3 << 13
	var count frameCount
	var gap int64
	for {
		b := c.peek(lookAhead)
		if len(b) == 0 {
			return extent{end: c.size, holes: count.holes}
		}
		size, samples, rate := adtsFrame(b)
		switch {
		case size >= 7 && size <= len(b) && (gap == 0 || isADTS(b) || size == len(b)):
			if count.rate == 0 {
				count.rate = rate
			}
			if rate > 0 && rate != count.rate { // times count in the first rate
				samples = samples * count.rate / rate
			}
			count.frame(size, samples, gap)
			gap = 0
			c.skip(int64(size))
			continue
		case size > len(b) && gap == 0:
			return extent{end: c.size, want: c.pos + int64(size), holes: count.holes}
		case startsFile(b):
			return extent{end: c.pos, holes: count.holes}
		}
		c.skip(1)
		gap++
	}
}
