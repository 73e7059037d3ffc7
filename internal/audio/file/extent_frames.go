package file

import (
	"bufio"
	"io"
	"time"
)

// hole is a place in a stream of bare frames whose bytes are not frames.
type hole struct {
	// at is the position in the sound before it, length is how long frames of the same size would have been.
	at, length time.Duration
}

// maxHoles limits what is recorded of a file that is damaged everywhere.
const maxHoles = 4096

// frameCount counts frames and the bytes between them.
type frameCount struct {
	rate          int   // in Hz
	samples       int64 // so far
	frames, bytes int64
	holes         []hole
}

// frame takes a frame of that many bytes and samples, after gap bytes that were not a frame.
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

// length returns the length of all frames, with silence for the missing ones.
func (f *frameCount) length() time.Duration {
	length := framesToTime(f.samples, f.rate)
	for _, h := range f.holes {
		length += h.length
	}
	return length
}

// mpeg walks frames of MPEG audio.
func (c *cursor) mpeg() extent {
	// Its buffer is as large as that of the decoder.
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
	return extent{end: c.pos + read - int64(buf.Buffered()), holes: count.holes, length: count.length()}
}
