package file

import (
	"bufio"
	"io"
	"time"
)

// hole is a place in a stream of bare frames whose bytes are not frames.
type hole struct {
	from, to int64 // its bytes in the file
	// at is the position in the sound before it, length is how long frames of the same size would have been; 0 for less than half a
	// frame.
	at, length time.Duration
}

// maxHoles limits what is recorded of a file that is damaged everywhere.
const maxHoles = 4096

// frameCount counts frames and the bytes between them.
type frameCount struct {
	start         int64 // where the stream begins in the file
	rate          int   // in Hz
	samples       int64 // so far
	silence       int64 // samples that were destroyed so far
	frames, bytes int64
	removed       int64 // bytes that were not a frame
	last          struct{ bytes, samples int64 }
	end           int64 // of the last frame in the file
	holes         []hole
	table         frameTable
	tail          time.Duration // what was destroyed behind the last frame
}

// frame takes a frame of that many bytes and samples that begins at pos in the file, after gap bytes that were not a frame.
func (f *frameCount) frame(pos int64, bytes, samples int, gap int64) {
	var silence int64
	if gap > 0 && f.frames > 0 {
		silence = max(f.missing(gap)*int64(samples)-f.last.samples, 0)
		if len(f.holes) == maxHoles {
			f.table.full, silence = true, 0
		} else {
			f.hole(pos-gap, pos, silence)
		}
	}
	f.table.add(framePlace{pos - f.start - f.removed, f.samples + f.silence}, silence > 0)
	f.frames++
	f.bytes += int64(bytes)
	f.samples += int64(samples)
	f.last.bytes, f.last.samples = int64(bytes), int64(samples)
	f.end = pos + int64(bytes)
}

// extend takes bytes that belong to the frame before.
func (f *frameCount) extend(bytes int) {
	f.bytes += int64(bytes)
	f.last.bytes += int64(bytes)
	f.end += int64(bytes)
}

// missing returns how many frames stood in the last one and gap bytes behind it. The last frame may be torn, and its header destroyed:
// its length counts as little as what follows it.
func (f *frameCount) missing(gap int64) int64 {
	average := f.last.bytes
	if f.frames > 1 {
		average = (f.bytes - f.last.bytes) / (f.frames - 1)
	}
	return (f.last.bytes + gap + average/2) / max(average, 1)
}

// hole records bytes that are not frames, and the samples that were destroyed there.
func (f *frameCount) hole(from, to, samples int64) {
	f.holes = append(f.holes, hole{from, to, framesToTime(f.samples, f.rate), framesToTime(samples, f.rate)})
	f.silence += samples
	f.removed += to - from
}

// torn returns where another file begins inside of the last frame, which is then only the beginning of a frame; 0 if none does.
func (f *frameCount) torn(c *cursor) int64 {
	frame := make([]byte, f.last.bytes+signatureBytes)
	from := f.end - f.last.bytes
	n, _ := c.at.ReadAt(frame, from) // an error is an end, or comes back when it is decoded
	if at := nextCandidate(frame[:n]); int64(at) < f.last.bytes {
		return from + int64(at)
	}
	return 0
}

// stop returns the extent when there are no more frames up to the byte at end. What is behind the last frame belongs to it if it was
// destroyed. Tags do not, nor does less than two frames, which is the padding of the last one.
func (f *frameCount) stop(c *cursor, end int64) extent {
	if f.frames == 0 {
		return f.extent(end)
	}
	c.seek(f.end)
	c.skipTags()
	lost := f.missing(end-c.pos) - 1
	if c.pos >= end || lost < 2 || len(f.holes) == maxHoles {
		return f.extent(f.end)
	}
	f.hole(f.end, end, 0)
	f.tail = framesToTime(lost*f.last.samples, f.rate)
	return f.extent(end)
}

// extent returns the extent of the frames, which end at that byte.
func (f *frameCount) extent(end int64) extent {
	f.table.rate = f.rate
	return extent{end: end, holes: f.holes, tail: f.tail, frames: f.table, length: framesToTime(f.samples+f.silence, f.rate)}
}

// cutExtent returns the extent of frames of which the last one would reach to want.
func (f *frameCount) cutExtent(end, want int64) extent {
	e := f.extent(end)
	e.want, e.length = want, 0
	return e
}

// mpeg walks frames of MPEG audio.
func (c *cursor) mpeg() extent {
	// Its buffer is as large as that of the decoder.
	section := io.NewSectionReader(c.at, c.pos, c.size-c.pos)
	buf := bufio.NewReaderSize(section, sniffBytes)
	position := func() int64 {
		read, _ := section.Seek(0, io.SeekCurrent) // never fails
		return c.pos + read - int64(buf.Buffered())
	}
	frames := mpegFrames{buf: buf, lost: true}
	count := frameCount{start: c.pos}
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
		count.frame(position()-int64(header.bytes), header.bytes, header.samples, frames.gap)
	}
	if frames.torn {
		return count.cutExtent(position(), position()+1)
	}
	if frames.cut {
		return count.cutExtent(c.size, c.size+1)
	}
	return count.stop(c, position())
}
