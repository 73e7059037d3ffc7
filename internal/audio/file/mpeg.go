package file

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/scout-speech/scout"
)

// mpegHeader is the header of one MPEG audio frame. Source: ISO/IEC 11172-3, 2.4.1.3, ISO/IEC 13818-3,
// and the usual extension to 8-12 kHz known as MPEG 2.5.
type mpegHeader struct {
	version      int // 1, 2, or 25
	layer        int // 1 to 3
	sampleRateHz int
	channels     int
	bytes        int // of the whole frame
	samples      int // per channel
	protected    bool
}

const (
	mpegHeaderBytes = 4
	// mpegTagBytes holds the tag of Xing, LAME or Fraunhofer in a frame.
	mpegTagBytes = 256
	// maxMPEGFrame is the longest frame: layer II, MPEG 2.5 at 8 kHz and 160 kbit/s, with padding.
	maxMPEGFrame = 2881
)

// Bit rates in kbit/s by index. Source: ISO/IEC 11172-3, table 2.4.2.3, ISO/IEC 13818-3, 2.4.2.3.
func mpegBitRate(version, layer, index int) int {
	var rates [15]int
	switch {
	case version == 1 && layer == 1:
		rates = [15]int{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448}
	case version == 1 && layer == 2:
		rates = [15]int{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384}
	case version == 1:
		rates = [15]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	case layer == 1:
		rates = [15]int{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256}
	default:
		rates = [15]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	}
	return rates[index]
}

// parseMPEG reads a frame header. Free-format frames, whose length is not in the header, are refused.
func parseMPEG(b []byte) (h mpegHeader, ok bool) {
	if len(b) < mpegHeaderBytes {
		return h, false
	}
	word := binary.BigEndian.Uint32(b)
	version, layer := word>>19&3, 4-int(word>>17&3)
	rateIndex, bitIndex := int(word>>10&3), int(word>>12&15)
	if word>>21 != 0x7FF || version == 1 || layer == 4 || rateIndex == 3 || bitIndex == 0 || bitIndex == 15 || word&3 == 2 {
		return h, false
	}
	h = mpegHeader{version: 1, layer: layer, channels: 2, protected: word>>16&1 == 0}
	h.sampleRateHz = [3]int{44100, 48000, 32000}[rateIndex]
	switch version {
	case 2:
		h.version, h.sampleRateHz = 2, h.sampleRateHz/2
	case 0:
		h.version, h.sampleRateHz = 25, h.sampleRateHz/4
	}
	if word>>6&3 == 3 {
		h.channels = 1
	}
	bitRate, padding := 1000*mpegBitRate(h.version, layer, bitIndex), int(word>>9&1)
	switch {
	case layer == 1:
		h.samples = 384
		h.bytes = (12*bitRate/h.sampleRateHz + padding) * 4
	case layer == 3 && h.version != 1:
		h.samples = 576
		h.bytes = 72*bitRate/h.sampleRateHz + padding
	default:
		h.samples = 1152
		h.bytes = 144*bitRate/h.sampleRateHz + padding
	}
	return h, h.bytes > mpegHeaderBytes && h.bytes <= maxMPEGFrame
}

// follows reports whether a frame can follow another one of the same stream.
func (h mpegHeader) follows(first mpegHeader) bool {
	return h.version == first.version && h.layer == first.layer && h.sampleRateHz == first.sampleRateHz
}

// same reports whether a frame has the same form as another one.
func (h mpegHeader) same(first mpegHeader) bool {
	return h.follows(first) && h.channels == first.channels
}

// findMPEG looks for the first of three consecutive frames, or of all frames up to the end of a short file.
func findMPEG(b []byte) (offset int, first mpegHeader, ok bool) {
	for offset = range b {
		if b[offset] != 0xFF {
			continue
		}
		first, ok = parseMPEG(b[offset:])
		at := offset + first.bytes
		for frames := 1; ok && frames < 3 && at != len(b); frames++ {
			var h mpegHeader
			h, ok = parseMPEG(b[min(at, len(b)):])
			ok = ok && h.follows(first)
			at += h.bytes
		}
		if ok {
			return offset, first, true
		}
	}
	return 0, first, false
}

// mpegTag is what the first frame says about the whole file; it then has no sound.
type mpegTag struct {
	found bool
	// frames is the number of frames, without the tag's own; 0 unknown.
	frames int64
	// delay and padding are samples that the encoder added before and after the recording; -1 unknown.
	delay, padding int
}

// mp3DecoderDelay is what every decoder adds to the encoder's delay (the LAME tag's definition).
const mp3DecoderDelay = 528 + 1

// parseTag reads the tag of Xing, LAME and ffmpeg, or Fraunhofer's, in a layer III frame.
// Source: the "Mp3 Info Tag" of LAME, revision 1; libavformat/mp3dec.c.
func parseTag(frame []byte, h mpegHeader) mpegTag {
	tag := mpegTag{delay: -1, padding: -1}
	side := 32
	switch {
	case h.version == 1 && h.channels == 1, h.version != 1 && h.channels == 2:
		side = 17
	case h.version != 1:
		side = 9
	}
	const vbri = mpegHeaderBytes + 32
	if len(frame) >= vbri+18 && string(frame[vbri:vbri+4]) == "VBRI" {
		tag.found, tag.frames = true, int64(binary.BigEndian.Uint32(frame[vbri+14:]))
		return tag
	}
	b := frame[min(mpegHeaderBytes+side, len(frame)):]
	if len(b) < 8 || (string(b[:4]) != "Xing" && string(b[:4]) != "Info") {
		return tag
	}
	tag.found = true
	flags := b[7]
	b = b[8:]
	for bit, size := range [4]int{4, 4, 100, 4} { // frames, bytes, seek table, quality
		if flags>>bit&1 == 0 {
			continue
		}
		if len(b) < size {
			return tag
		}
		if bit == 0 {
			tag.frames = int64(binary.BigEndian.Uint32(b))
		}
		b = b[size:]
	}
	if len(b) >= 24 {
		switch string(b[:4]) {
		case "LAME", "Lavf", "Lavc":
			tag.delay, tag.padding = int(b[21])<<4|int(b[22])>>4, int(b[22]&15)<<8|int(b[23])
		}
	}
	return tag
}

// length returns the frames (samples per channel) of the recording that the tag promises, 0 unknown.
func (t mpegTag) length(h mpegHeader) int64 {
	n := t.frames * int64(h.samples)
	if t.delay >= 0 && n > int64(t.delay+t.padding) {
		n -= int64(t.delay + t.padding)
	}
	return n
}

// peekMP3 returns the tag and the header of the first frame without consuming anything.
func peekMP3(src *source) (tag mpegTag, header mpegHeader) {
	head, _ := src.buf.Peek(sniffBytes) // an error is an end, or comes back with the next read
	offset, header, ok := findMPEG(head)
	if !ok {
		return mpegTag{}, header
	}
	return parseTag(head[offset:min(len(head), offset+header.bytes)], header), header
}

// mpegFrames walks from frame to frame.
type mpegFrames struct {
	buf     *bufio.Reader
	first   mpegHeader
	lost    bool  // sync: the next frame must be confirmed by the one after it
	skipped int64 // bytes that were not a frame
	gap     int64 // those of them directly before the current frame
	cut     bool  // the stream ended in a frame: with the file, or
	torn    bool  // because another file begins there
}

// next returns the next whole frame, valid until the following call. It returns io.EOF at the end of the file, or where
// frames of another form, a tag of another stream or another file begin.
func (m *mpegFrames) next(buf []byte) ([]byte, mpegHeader, error) {
	m.gap = 0
	for {
		head, err := m.buf.Peek(mpegTagBytes)
		if len(head) < mpegHeaderBytes {
			return nil, mpegHeader{}, err
		}
		if size := tagSize(head); size > 0 {
			if id3Size(head) > 0 && m.first.bytes > 0 {
				return nil, mpegHeader{}, io.EOF // what follows is another stream, or nothing
			}
			if _, err := m.buf.Discard(size); err != nil {
				return nil, mpegHeader{}, err
			}
			continue
		}
		h, ok := parseMPEG(head)
		if ok && (m.first.bytes == 0 || h.same(m.first)) && (!m.lost || m.confirmed(h)) {
			return m.take(buf, h)
		}
		head, _ = m.buf.Peek(mpegTagBytes) // confirmed may have moved the bytes
		if m.first.bytes > 0 && m.joint(head, h, ok) {
			return nil, mpegHeader{}, io.EOF
		}
		if _, err := m.buf.Discard(1); err != nil {
			return nil, mpegHeader{}, err
		}
		m.skipped++
		m.gap++
		m.lost = true
	}
}

// take returns the frame that begins here, io.EOF if it is the tag of another stream.
func (m *mpegFrames) take(buf []byte, h mpegHeader) ([]byte, mpegHeader, error) {
	follows := m.confirmed(h) // before the bytes are looked at, which it may move
	frame, err := m.buf.Peek(h.bytes)
	if m.first.bytes > 0 && h.layer == 3 && parseTag(frame, h).found {
		return nil, h, io.EOF
	}
	if err != nil {
		m.cut = errors.Is(err, io.EOF)
		return nil, h, err
	}
	if at := nextCandidate(frame); at < len(frame) && !follows {
		m.cut, m.torn = true, true
		if _, err := m.buf.Discard(at); err != nil {
			return nil, h, err
		}
		return nil, h, io.EOF
	}
	if m.first.bytes == 0 {
		m.first = h
	}
	m.lost = false
	buf = append(buf[:0], frame...)
	_, err = m.buf.Discard(h.bytes)
	return buf, h, err
}

// joint reports whether another stream begins here: a file of another format, or three consecutive frames of another
// form. Anything else is damage.
func (m *mpegFrames) joint(head []byte, h mpegHeader, isFrame bool) bool {
	if startsFile(head) {
		return true
	}
	if !isFrame {
		return false
	}
	ahead, _ := m.buf.Peek(3*maxMPEGFrame + mpegHeaderBytes) // an error is an end, or comes back with the next read
	at := h.bytes
	for range 2 {
		next, ok := parseMPEG(ahead[min(at, len(ahead)):])
		if !ok || !next.same(h) {
			return false
		}
		at += next.bytes
	}
	return true
}

// confirmed reports whether another frame, or the end of the file, follows directly.
func (m *mpegFrames) confirmed(h mpegHeader) bool {
	b, err := m.buf.Peek(h.bytes + mpegHeaderBytes)
	if err != nil {
		return len(b) == h.bytes
	}
	next, ok := parseMPEG(b[h.bytes:])
	return ok && next.follows(h)
}

// warnings returns those of the frames. at is the length of the audio; told is true if the missing part was already
// reported.
func (m *mpegFrames) warnings(at time.Duration, told bool) []scout.Warning {
	var w []scout.Warning
	if m.skipped > 0 && !told {
		w = append(w, scout.Warnf(scout.WarningFormat, "%d bytes are no MPEG audio and were skipped", m.skipped))
	}
	if m.cut && !told {
		w = append(w, scout.Warnf(scout.WarningCutOff, "cut off after %v, in the middle of a frame", at.Round(time.Millisecond)).From(at))
	}
	return w
}
