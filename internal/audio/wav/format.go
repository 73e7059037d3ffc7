// Package wav reads WAV files and their 64-bit forms RF64 and BW64 as a stream, from a file or a pipe.
//
// The reader trusts the audio more than the header: a length that is missing, wrong or absurd never costs audio that is
// there, and never memory. Repairs are reported as warnings. The format as it is read: docs/formats/wav.md.
package wav

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/spelling"
)

// ErrCodec is wrapped by the error (scout.CodeAudioUnsupported) for a valid WAV file whose samples are compressed by a
// codec that is not read here, for example ADPCM. Another decoder may support it.
var ErrCodec = errors.New("codec is not read")

// Format is what the header says about the samples.
type Format struct {
	// Container is "wav", "rf64" or "bw64".
	Container string
	// Encoding is how a sample is stored.
	Encoding audio.Encoding
	// SampleRateHz and Channels are within the limits of audio.CheckFormat.
	SampleRateHz, Channels int
}

// frameBytes returns the size of a frame, one sample per channel.
func (f Format) frameBytes() int { return f.Encoding.Bytes() * f.Channels }

// Format tags of the fmt chunk. Source: RFC 2361 and Microsoft's mmreg.h.
const (
	tagPCM        = 0x0001
	tagFloat      = 0x0003
	tagALaw       = 0x0006
	tagMuLaw      = 0x0007
	tagExtensible = 0xFFFE
)

const (
	fmtBytes        = 16 // tag, channels, rate, bytes per second, block align, bits
	extensibleBytes = 40 // and size, valid bits, channel mask, sub-format
)

// guidTail is what follows the format tag in the sub-format of WAVE_FORMAT_EXTENSIBLE:
// xxxx0000-0000-1000-8000-00AA00389B71 with xxxx the tag (Microsoft, KSDATAFORMAT_SUBTYPE).
var guidTail = [14]byte{0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71}

// parseFormat reads the body of a fmt chunk, which may be cut off after the first 40 bytes.
func parseFormat(body []byte) (format Format, warnings []scout.Warning, err error) {
	if len(body) < fmtBytes {
		return format, nil, scout.Errorf(scout.CodeAudioCorrupt, "format chunk of %d bytes", len(body))
	}
	var (
		tag      = binary.LittleEndian.Uint16(body)
		channels = int(binary.LittleEndian.Uint16(body[2:]))
		rate     = binary.LittleEndian.Uint32(body[4:])
		align    = int(binary.LittleEndian.Uint16(body[12:]))
		bits     = int(binary.LittleEndian.Uint16(body[14:]))
	)
	if rate > 1<<30 { // beyond int on 32-bit machines, and any rate
		return format, nil, scout.Errorf(scout.CodeAudioUnsupported, "sample rate of %d Hz", rate)
	}
	if err := audio.CheckFormat(int(rate), channels); err != nil {
		return format, nil, err
	}
	if tag == tagExtensible {
		if len(body) < extensibleBytes {
			return format, nil, scout.Errorf(scout.CodeAudioCorrupt, "extensible format chunk of %d bytes", len(body))
		}
		guid := body[24:extensibleBytes]
		if !bytes.Equal(guid[2:], guidTail[:]) {
			return format, nil, scout.Errorf(scout.CodeAudioUnsupported, "sub-format %x: %w", guid, ErrCodec)
		}
		tag = binary.LittleEndian.Uint16(guid)
	}
	size, warnings, err := sampleBytes(tag, bits, align, channels)
	if err != nil {
		return format, nil, err
	}
	format = Format{SampleRateHz: int(rate), Channels: channels}
	switch {
	case tag == tagPCM && size == 1:
		format.Encoding = audio.Uint8
	case tag == tagPCM && size == 2:
		format.Encoding = audio.Int16
	case tag == tagPCM && size == 3:
		format.Encoding = audio.Int24
	case tag == tagPCM && size == 4:
		format.Encoding = audio.Int32
	case tag == tagFloat && size == 4:
		format.Encoding = audio.Float32
	case tag == tagFloat && size == 8:
		format.Encoding = audio.Float64
	case tag == tagALaw && size == 1:
		format.Encoding = audio.ALaw
	case tag == tagMuLaw && size == 1:
		format.Encoding = audio.MuLaw
	default:
		return format, nil, scout.Errorf(scout.CodeAudioUnsupported, "%d-bit samples of format 0x%04x: %w", bits, tag, ErrCodec)
	}
	return format, warnings, nil
}

// sampleBytes returns the bytes of one sample. The block align decides if it is plausible, since samples of 12 or 20
// bits are stored in wider containers; otherwise the bits decide.
func sampleBytes(tag uint16, bits, align, channels int) (int, []scout.Warning, error) {
	switch tag {
	case tagPCM, tagFloat:
	case tagALaw, tagMuLaw:
		if bits == 0 {
			bits = 8
		}
	default:
		return 0, nil, scout.Errorf(scout.CodeAudioUnsupported, "format 0x%04x: %w", tag, ErrCodec)
	}
	byBits := (bits + 7) / 8
	byAlign := 0
	if align%channels == 0 {
		byAlign = align / channels
	}
	switch {
	case bits > 0 && bits <= 64 && byAlign == byBits:
		return byBits, nil, nil
	case bits > 0 && bits <= 32 && byAlign > byBits && byAlign <= 4 && tag == tagPCM:
		return byAlign, nil, nil // left-justified in a wider container
	case bits > 0 && bits <= 64 && bits%8 == 0:
		return byBits, []scout.Warning{scout.Warnf(scout.WarningFormat, "header: block align of %d bytes contradicts %s of %d bits", align, spelling.Count(channels, "channel"), bits)}, nil
	case bits == 0 && byAlign > 0 && byAlign <= 8:
		return byAlign, []scout.Warning{scout.Warnf(scout.WarningFormat, "header: no sample size, taken from the block align")}, nil
	}
	return 0, nil, scout.Errorf(scout.CodeAudioCorrupt, "%d bits per sample, %s, block align of %d bytes", bits, spelling.Count(channels, "channel"), align)
}
