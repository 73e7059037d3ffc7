package recording

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/scout-speech/scout"
)

// HeaderBytes is the length of the header: audio begins at this offset in every recording. It is less than a sector, so
// one write of it reaches the disk completely or not at all.
const HeaderBytes = 144

// Offsets of the header's parts; docs/formats/recording.md describes each byte.
const (
	offsetRIFF  = 0
	offsetDS64  = 12
	offsetFmt   = 48
	offsetFact  = 74
	offsetScout = 86
	offsetData  = 136

	scoutChunkBytes   = 42
	scoutChunkVersion = 1
)

// maxClassicBytes is the largest RIFF size of an ordinary WAV; above it the header becomes RF64
// (EBU Tech 3306). It leaves room for the padding byte.
const maxClassicBytes = 0xFFFFFFFF - 1

const unknown32 = 0xFFFFFFFF // the 32-bit sizes of an RF64 file

// Format tags of the fmt chunk (RFC 2361).
const (
	tagPCM   = 1
	tagFloat = 3
)

// header is what precedes the audio of a recording.
type header struct {
	id      ID
	started time.Time
	format  scout.Format
	// frames is the length of the audio that the header claims.
	frames uint64
	// final is set for a file that no longer grows: an odd length is stated, and a padding byte follows the audio. The
	// header of a growing file states only an even length.
	final bool
}

// audioBytes returns the length of the data chunk and whether a padding byte follows it.
func (h header) audioBytes() (size uint64, padded bool) {
	size = h.frames * uint64(h.format.FrameBytes())
	if size%2 == 0 {
		return size, false
	}
	if h.final {
		return size, true
	}
	return size - uint64(h.format.FrameBytes()), false
}

// encode writes the header to dst[:HeaderBytes] without allocating.
func (h header) encode(dst []byte) {
	b := dst[:HeaderBytes]
	clear(b)
	size, padded := h.audioBytes()
	riff := HeaderBytes - 8 + size
	if padded {
		riff++
	}
	le := binary.LittleEndian
	long := riff > maxClassicBytes
	if long {
		copy(b[offsetRIFF:], "RF64")
		le.PutUint32(b[offsetRIFF+4:], unknown32)
		copy(b[offsetDS64:], "ds64")
		le.PutUint64(b[offsetDS64+8:], riff)
		le.PutUint64(b[offsetDS64+16:], size)
		le.PutUint64(b[offsetDS64+24:], size/uint64(h.format.FrameBytes()))
	} else {
		copy(b[offsetRIFF:], "RIFF")
		le.PutUint32(b[offsetRIFF+4:], uint32(riff))
		copy(b[offsetDS64:], "JUNK")
	}
	le.PutUint32(b[offsetDS64+4:], 28)
	copy(b[offsetRIFF+8:], "WAVE")

	copy(b[offsetFmt:], "fmt ")
	le.PutUint32(b[offsetFmt+4:], 18)
	tag := uint16(tagPCM)
	if h.format.Sample == scout.SampleF32 {
		tag = tagFloat
	}
	frame := h.format.FrameBytes()
	le.PutUint16(b[offsetFmt+8:], tag)
	le.PutUint16(b[offsetFmt+10:], uint16(h.format.Channels))
	le.PutUint32(b[offsetFmt+12:], uint32(h.format.SampleRateHz))
	le.PutUint32(b[offsetFmt+16:], uint32(h.format.SampleRateHz*frame))
	le.PutUint16(b[offsetFmt+20:], uint16(frame))
	le.PutUint16(b[offsetFmt+22:], uint16(8*h.format.Sample.Bytes()))

	copy(b[offsetFact:], "fact")
	le.PutUint32(b[offsetFact+4:], 4)

	copy(b[offsetScout:], "scut")
	le.PutUint32(b[offsetScout+4:], scoutChunkBytes)
	le.PutUint16(b[offsetScout+8:], scoutChunkVersion)
	copy(b[offsetScout+10:offsetScout+10+idLength], h.id)
	le.PutUint64(b[offsetScout+42:], uint64(h.started.UnixNano()))

	copy(b[offsetData:], "data")
	if long {
		le.PutUint32(b[offsetFact+8:], unknown32)
		le.PutUint32(b[offsetData+4:], unknown32)
		return
	}
	le.PutUint32(b[offsetFact+8:], uint32(size/uint64(frame)))
	le.PutUint32(b[offsetData+4:], uint32(size))
}

// decodeHeader reads a header that encode wrote; ok is false for everything else, including the WAV files of other
// programs. The result is final if a padding byte is stated.
func decodeHeader(b []byte) (h header, ok bool) {
	if len(b) < HeaderBytes || string(b[offsetScout:offsetScout+4]) != "scut" {
		return header{}, false
	}
	le := binary.LittleEndian
	if le.Uint16(b[offsetScout+8:]) != scoutChunkVersion {
		return header{}, false
	}
	h.id = ID(b[offsetScout+10 : offsetScout+10+idLength])
	h.started = time.Unix(0, int64(le.Uint64(b[offsetScout+42:]))).UTC()
	h.format.Channels = int(le.Uint16(b[offsetFmt+10:]))
	h.format.SampleRateHz = int(le.Uint32(b[offsetFmt+12:]))
	switch tag, width := le.Uint16(b[offsetFmt+8:]), le.Uint16(b[offsetFmt+22:]); {
	case tag == tagPCM && width == 16:
		h.format.Sample = scout.SampleS16
	case tag == tagPCM && width == 24:
		h.format.Sample = scout.SampleS24
	case tag == tagFloat && width == 32:
		h.format.Sample = scout.SampleF32
	}
	if !h.id.Valid() || h.format.Validate() != nil {
		return header{}, false
	}
	size := uint64(le.Uint32(b[offsetData+4:]))
	if string(b[offsetRIFF:offsetRIFF+4]) == "RF64" {
		size = le.Uint64(b[offsetDS64+16:])
	}
	h.frames = size / uint64(h.format.FrameBytes())
	h.final = size%2 == 1
	// The bytes must be exactly what encode writes for these fields: a header with any damaged byte does not count.
	var again [HeaderBytes]byte
	h.encode(again[:])
	return h, bytes.Equal(again[:], b[:HeaderBytes])
}
