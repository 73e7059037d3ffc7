package file

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"time"
)

// Codecs of Matroska that are decoded here. Source: https://www.matroska.org/technical/codec_specs.html.
const (
	matroskaOpus   = "A_OPUS"
	matroskaVorbis = "A_VORBIS"
)

// matroskaTrack describes a track.
type matroskaTrack struct {
	number, kind uint64
	codec        string
	private      []byte        // the headers of the codec
	delay        time.Duration // by which its sound is later than its time stamps
	special      bool          // its blocks are encoded, or have a clock of their own
}

// Kinds of tracks.
const (
	matroskaVideo = 1
	matroskaAudio = 2
)

// parseMatroskaTrack reads the description of a track. Source: RFC 9559, 5.1.4.1.
func parseMatroskaTrack(b []byte) (t matroskaTrack, ok bool) {
	const number, kind, codec, private, delay, encodings, clock = 0xD7, 0x83, 0x86, 0x63A2, 0x56AA, 0x6D80, 0x23314F
	ok = eachElement(b, func(id uint64, body []byte) {
		switch id {
		case number:
			t.number = ebmlUint(body)
		case kind:
			t.kind = ebmlUint(body)
		case codec:
			t.codec = string(body)
		case private:
			t.private = append([]byte(nil), body...)
		case delay:
			t.delay = time.Duration(min(ebmlUint(body), uint64(time.Hour)))
		case encodings:
			t.special = true
		case clock:
			t.special = ebmlFloat(body) != 1
		}
	})
	return t, ok
}

// ebmlFloat reads a number of 4 or 8 bytes (RFC 8794, 7.3); 0 for anything else.
func ebmlFloat(b []byte) float64 {
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}

// open reads up to the first cluster. Its error is ErrUnfinished where the file is not one whose only audio track can be read as it comes.
func (m *matroskaReader) open() error {
	m.scale = int64(time.Millisecond)
	for !m.begun {
		e, err := m.element()
		switch {
		case errors.Is(err, io.EOF):
			return ErrUnfinished
		case err != nil:
			return err
		case e.id == matroskaSegment, e.id == matroskaCluster:
			continue
		case e.id == clusterTimestamp, e.id == clusterSimple, e.id == clusterGroup:
			return ErrUnfinished // without a cluster around it
		case e.id != matroskaInfo && e.id != matroskaTracks:
			if err := m.skip(e.size); err != nil {
				return err
			}
			continue
		case e.size > maxMatroskaHead:
			return ErrUnfinished
		}
		b, err := m.read(e.size)
		if err != nil {
			return err
		}
		if e.id == matroskaInfo && !m.info(b) || e.id == matroskaTracks && !m.tracks(b) {
			return ErrUnfinished
		}
	}
	if m.sound.kind == 0 {
		return ErrUnfinished
	}
	return nil
}

// info reads what holds for all tracks. Source: RFC 9559, 5.1.2.
func (m *matroskaReader) info(b []byte) bool {
	const scale, duration = 0x2AD7B1, 0x4489
	ticks := 0.0
	whole := eachElement(b, func(id uint64, body []byte) {
		switch id {
		case scale:
			m.scale = int64(min(ebmlUint(body), uint64(time.Hour)))
		case duration:
			ticks = ebmlFloat(body)
		}
	})
	if length := ticks * float64(m.scale); length > 0 && length < 1<<62 {
		m.length = time.Duration(length)
	}
	return whole && m.scale > 0
}

// tracks finds the only track of sound.
func (m *matroskaReader) tracks(b []byte) bool {
	const entry = 0xAE
	again := m.sound.kind != 0 // another file, without a block in the first
	sounds, valid := 0, true
	m.other = map[uint64]bool{}
	whole := eachElement(b, func(id uint64, body []byte) {
		if id != entry {
			return
		}
		t, ok := parseMatroskaTrack(body)
		valid = valid && ok
		switch t.kind {
		case matroskaAudio:
			m.sound = t
			sounds++
		case matroskaVideo:
			m.other[t.number] = true
		}
	})
	return whole && valid && sounds == 1 && !again && !m.sound.special && !m.other[m.sound.number]
}
