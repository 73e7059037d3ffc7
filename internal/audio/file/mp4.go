package file

import (
	"encoding/binary"
	"errors"
	"io"
)

// mp4Sample is where a frame lies in the file, and how long it lasts by its table.
type mp4Sample struct {
	at, size int64
	length   uint32
}

// mp4Frames are the frames of the only track of sound of an MP4 file that is still being written: one whose index (moov) comes before its samples,
// or one in fragments, as browsers record it. Source: ISO/IEC 14496-12.
type mp4Frames struct {
	src     *source
	movie   mp4Movie
	samples []mp4Sample // that come next, in the order of the file
	inside  int64       // where the box ends that is being read, 0 for none
	zero    int64       // time stamp of the first sample, in samples; moves where the clock does
	started bool        // zero is known
	timed   bool        // clock is known
	clock   int64       // time stamp of the next sample of Opus
	silence int64       // samples of pauses
	known   aacPlaces
	frame   []byte
}

// newMP4 reads up to the index. ok is false where the samples come before it, or are not AAC-LC or Opus in one track of sound whose time stamps and
// edit list are plain.
func newMP4(src *source) (m *mp4Frames, about aacStream, ok bool) {
	m = &mp4Frames{src: src}
	for {
		name, head, size, err := m.box()
		switch {
		case err != nil, name == "mdat", name == "moof", size < 0, name == "moov" && size > maxFragment:
			return nil, about, false
		case name != "moov":
			if _, err := src.buf.Discard(int(head + size)); err != nil {
				return nil, about, false
			}
			continue
		}
		b := make([]byte, head+size)
		if _, err := io.ReadFull(src.buf, b); err != nil {
			return nil, about, false
		}
		if m.movie, ok = parseMovie(b[head:]); !ok || m.movie.fragmented && m.movie.pictures { // which may begin before the sound
			return nil, about, false
		}
		m.samples = m.movie.samples
		about = aacStream{
			container: "mp4", sampleRateHz: m.movie.rate, channels: m.movie.channels, duration: m.movie.length, skip: m.movie.skip, heard: m.movie.heard,
		}
		return m, about, true
	}
}

// box looks at the head of the next box.
//
//	head  its bytes
//	size  of what is in it, -1 for all that follows
func (m *mp4Frames) box() (name string, head, size int64, err error) {
	b, err := m.src.buf.Peek(boxHeader)
	if err != nil {
		return "", 0, 0, err
	}
	name, head, size = string(b[4:]), boxHeader, int64(binary.BigEndian.Uint32(b))
	if !printable(b[4:boxHeader]) {
		return "", 0, 0, damagef("it is no box of MP4")
	}
	switch size {
	case 0:
		return name, head, -1, nil
	case 1:
		if b, err = m.src.buf.Peek(2 * boxHeader); err != nil {
			return "", 0, 0, err
		}
		head, size = 2*boxHeader, int64(min(binary.BigEndian.Uint64(b[boxHeader:]), 1<<60))
	}
	if size < head {
		return "", 0, 0, damagef("a box of %d bytes", size)
	}
	return name, head, size - head, nil
}

func (m *mp4Frames) places() *aacPlaces { return &m.known }

func (m *mp4Frames) ready() bool {
	return len(m.samples) > 0 && m.samples[0].at+m.samples[0].size-m.src.pos() <= int64(m.src.buf.Buffered())
}

func (m *mp4Frames) next() ([]byte, error) {
	for {
		pos := m.src.pos()
		if len(m.samples) > 0 && pos < m.inside && m.samples[0].at < m.inside {
			return m.take(pos)
		}
		if pos < m.inside {
			if err := m.skip(m.inside - pos); err != nil {
				return nil, err
			}
		}
		name, head, size, err := m.box()
		switch {
		case errors.Is(err, io.EOF):
			if m.movie.fragmented {
				m.known.cut = int64(m.src.buf.Buffered())
			}
			for _, s := range m.samples {
				m.known.cut += s.size
			}
			return nil, io.EOF
		case err != nil && (len(m.samples) > 0 || m.movie.fragmented && !m.other()):
			return nil, err
		case err != nil, name == "ftyp":
			return nil, io.EOF // another file
		case name == "moof" && m.movie.fragmented:
			if err := m.fragment(pos, head, size); err != nil {
				return nil, err
			}
			continue
		}
		if size < 0 {
			size = 1 << 60
		}
		if name == "mdat" {
			if err := m.skip(head); err != nil {
				return nil, err
			}
			m.inside = pos + head + size
			continue
		}
		if err := m.skip(head + size); err != nil {
			return nil, err
		}
	}
}

// other reports whether something else than a box begins here.
func (m *mp4Frames) other() bool {
	b, _ := m.src.buf.Peek(frameLook) // an error is an end, or comes back with the next read
	return startsPart(b) || skippable(b) > 0
}

// skip moves on. The file is cut off where it ends before.
func (m *mp4Frames) skip(n int64) error {
	for n > 0 {
		step := min(n, 1<<30)
		done, err := m.src.buf.Discard(int(step))
		n -= int64(done)
		if errors.Is(err, io.EOF) && n < 1<<59 {
			m.known.cut = max(n, 1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take takes the next sample: AAC as a frame in ADTS, Opus as its packet.
func (m *mp4Frames) take(pos int64) ([]byte, error) {
	longest := int64(maxADTS - adtsHeader)
	if m.movie.opus != nil {
		longest = maxOpusPacket
	}
	s := m.samples[0]
	if s.at < pos || s.size <= 0 || s.size > longest {
		return nil, damagef("a sample of %d bytes at byte %d", s.size, s.at)
	}
	if err := m.skip(s.at - pos); err != nil {
		return nil, err
	}
	if m.frame = m.frame[:0]; m.movie.opus == nil {
		m.frame = m.movie.adts(m.frame, s.size)
	}
	head := len(m.frame)
	m.frame = append(m.frame, make([]byte, s.size)...)
	if n, err := io.ReadFull(m.src.buf, m.frame[head:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			m.known.cut = s.size - int64(n)
			err = io.EOF
		}
		return nil, err
	}
	m.samples = m.samples[1:]
	if m.movie.opus == nil {
		m.known.samples += aacSamples
		return m.frame, nil
	}
	if m.timed {
		m.place(m.clock)
		m.clock += int64(s.length)
	}
	n := opusFrames(m.frame)
	if n == 0 {
		n = int64(min(s.length, opusPacketFrames))
	}
	m.known.samples += n
	return m.frame, nil
}

// maxADTS is the longest frame in ADTS.
const maxADTS = 1<<13 - 1

// adts appends the header of a frame of that many bytes. Source: ISO/IEC 13818-7, 6.2.
func (m *mp4Movie) adts(b []byte, size int64) []byte {
	channels := byte(m.channels)
	size += adtsHeader
	return append(b, 0xFF, 0xF1, 1<<6|m.rateIndex<<2|channels>>2, channels<<6|byte(size>>11), byte(size>>3), byte(size<<5)|0x1F, 0xFC)
}

// fragment takes the header of a fragment.
func (m *mp4Frames) fragment(pos, head, size int64) error {
	if size < 0 || size > maxFragment || len(m.samples) > 0 {
		return damagef("a fragment of %d bytes before the samples of the one before", size)
	}
	b := make([]byte, head+size)
	if _, err := io.ReadFull(m.src.buf, b); err != nil {
		m.known.cut = 1
		return io.EOF
	}
	run, ok := m.movie.run(b[head:], pos)
	if !ok {
		return damagef("the header of a fragment")
	}
	m.samples = run.samples
	if len(run.samples) == 0 || run.at < 0 {
		return nil
	}
	m.timed, m.clock = true, run.at
	if m.movie.opus == nil { // of Opus each packet has a length of its own
		m.place(run.at)
	}
	return nil
}

// place compares the time stamp of what comes next with the samples before it, as timeline does.
func (m *mp4Frames) place(at int64) {
	rate := m.movie.rate
	if !m.started {
		m.started, m.zero = true, at
	}
	hole := framesToTime(at-m.zero-m.known.samples-m.silence, rate)
	switch {
	case hole > holeLeast && hole <= holeMost:
		m.known.pauses = append(m.known.pauses, pause{at: framesToTime(m.known.samples, rate), length: hole})
		m.silence += at - m.zero - m.known.samples - m.silence
	case hole > holeLeast, framesToTime(m.zero+m.known.samples+m.silence-at, rate) > jumpBack:
		m.zero = at - m.known.samples - m.silence // another clock
	}
}
