package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/wav"
)

// AIFF and Wave64 hold samples as WAV does. A program that writes them to a pipe cannot know their length and leaves a
// placeholder, which ffmpeg refuses: they are read here, to the end of the input or to another file. Without ffmpeg, those with
// a length are, too.

// pcmHeader is what stands before the samples.
type pcmHeader struct {
	container string
	format    RawFormat
	data      int64 // bytes of samples, unknownBytes for all that follows
	skip      int   // bytes before the first sample
}

const (
	unknownBytes = -1
	// pcmHeaderBytes is how much of the input is looked at for the header.
	pcmHeaderBytes = sniffLook
)

// errCompressed is a container with something else in it than samples.
var errCompressed = errors.New("its samples are compressed")

// pcm returns the decoder for AIFF and Wave64 if one of this process is needed: for a placeholder, or without ffmpeg. It returns
// nil where ffmpeg reads the input.
func (r *Reader) pcm(what sniffed) (decoder, error) {
	head, _ := r.src.buf.Peek(pcmHeaderBytes) // an error is an end, or comes back with the next read
	parse := parseAIFF
	if what.container == "w64" {
		parse = parseW64
	}
	h, err := parse(head)
	installed := r.ffmpegPath() != ""
	switch {
	case errors.Is(err, errCompressed) && !installed:
		return nil, missing(what.container, err)
	case installed && (err != nil || h.data != unknownBytes):
		return nil, nil //nolint:nilerr // ffmpeg reads it, and says what is wrong
	case err != nil:
		return nil, scout.Errorf(scout.CodeAudioCorrupt, "%s: %w", what.container, err)
	}
	if err := audio.CheckFormat(h.format.SampleRateHz, h.format.Channels); err != nil {
		return nil, err
	}
	if _, err := r.src.buf.Discard(h.skip); err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read the header", err)
	}
	return &pcmDecoder{raw: newRaw(r.src, h.format), header: h, left: h.data}, nil
}

// pcmDecoder reads samples behind a header.
type pcmDecoder struct {
	raw    *rawDecoder
	header pcmHeader
	left   int64 // bytes of samples to come, unknownBytes for all
	frames int64
	cut    bool
}

func (d *pcmDecoder) stream() stream {
	s := d.raw.stream()
	s.container, s.duration = d.header.container, 0
	if d.header.data != unknownBytes {
		s.duration = framesToTime(d.header.data/d.raw.frameBytes(), s.sampleRateHz)
	}
	return s
}

func (d *pcmDecoder) decode(dst []float32) (int, error) {
	frame := d.raw.frameBytes()
	room := int64(len(dst) / d.header.format.Channels)
	if d.left != unknownBytes {
		room = min(room, d.left/frame)
	} else {
		room = min(room, d.untilNext(room*frame)/frame)
	}
	if room == 0 {
		if d.left != unknownBytes {
			d.skipChunks()
		}
		return 0, io.EOF
	}
	n, err := d.raw.decode(dst[:room*int64(d.header.format.Channels)])
	got := int64(n / d.header.format.Channels)
	d.frames += got
	if d.left != unknownBytes {
		d.left -= got * frame
		d.cut = errors.Is(err, io.EOF) && d.left >= frame
	}
	return n, err
}

// skipChunks goes over what stands behind the samples in the same file: names, pictures. Where reading fails, the part that
// is looked for next tells why.
func (d *pcmDecoder) skipChunks() {
	const name, guid, chunk, wide = 4, 16, 8, 24
	buf := d.raw.src.buf
	step := int(d.left) // of a frame that is not whole
	if d.header.container == "w64" {
		step += int(-d.header.data & 7)
	} else {
		step += int(d.header.data & 1)
	}
	for {
		if _, err := buf.Discard(step); err != nil {
			return
		}
		b, _ := buf.Peek(signatureBytes) // an error is an end, or comes back with the next read
		switch {
		case len(b) < wide || startsFile(b):
			return
		case d.header.container == "w64" && string(b[name:guid]) == w64Tail:
			step = int((min(binary.LittleEndian.Uint64(b[guid:]), math.MaxInt32) + 7) &^ 7)
		case d.header.container == "aiff" && printable(b[:name]):
			size := binary.BigEndian.Uint32(b[name:chunk])
			step = chunk + int(size) + int(size&1)
		default:
			return
		}
		if step <= 0 {
			return
		}
	}
}

// untilNext is how many of so many bytes come before another file.
func (d *pcmDecoder) untilNext(size int64) int64 {
	ahead, _ := d.raw.src.buf.Peek(int(min(size, sniffBytes/2)) + frameLook) // an error is an end, or comes back with the next read
	for at := range ahead {
		if int64(at) >= size {
			break
		}
		if startsPart(ahead[at:]) {
			return int64(at)
		}
	}
	return size
}

func (d *pcmDecoder) warnings() []scout.Warning {
	if !d.cut {
		return nil
	}
	rate := d.header.format.SampleRateHz
	return []scout.Warning{cutOff(framesToTime(d.header.data/d.raw.frameBytes(), rate), framesToTime(d.frames, rate))}
}

func (d *pcmDecoder) close() error { return nil }

// parseAIFF reads the header of AIFF and AIFF-C up to the first sample. Source: Apple, Audio Interchange File Format 1.3 and
// AIFF-C draft of 1991-08-26.
func parseAIFF(b []byte) (pcmHeader, error) {
	const form, chunk, common, offsets = 12, 8, 18, 8
	h := pcmHeader{container: "aiff"}
	frames := int64(-1)
	for at := form; at+chunk <= len(b); {
		name, size := string(b[at:at+4]), int64(binary.BigEndian.Uint32(b[at+4:]))
		body := b[at+chunk:]
		switch {
		case name == "COMM" && len(body) >= common:
			compression := "NONE"
			if size >= common+4 && len(body) >= common+4 {
				compression = string(body[common : common+4])
			}
			frames = int64(binary.BigEndian.Uint32(body[2:]))
			var err error
			if h.format, err = aiffFormat(int(binary.BigEndian.Uint16(body[6:])), compression); err != nil {
				return h, err
			}
			h.format.Channels = int(binary.BigEndian.Uint16(body))
			h.format.SampleRateHz = int(extended(body[8:common]))
		case name == "SSND" && len(body) >= offsets:
			if frames < 0 {
				return h, errors.New("samples stand before their format")
			}
			h.skip = at + chunk + offsets + int(min(binary.BigEndian.Uint32(body), pcmHeaderBytes))
			h.data = size - offsets
			if frames == 0 || size <= offsets || wav.Rounded(size) {
				h.data = unknownBytes
			}
			return h, nil
		}
		at += chunk + int(size+size%2)
		if size > pcmHeaderBytes {
			break
		}
	}
	return h, errors.New("there are no samples in it")
}

// aiffFormat is the encoding of samples of so many bits.
func aiffFormat(bits int, compression string) (RawFormat, error) {
	f := RawFormat{BigEndian: true}
	switch compression {
	case "sowt":
		f.BigEndian = false
	case "NONE", "twos", "in24", "in32":
	case "fl32", "FL32":
		f.Encoding = audio.Float32
		return f, nil
	case "fl64", "FL64":
		f.Encoding = audio.Float64
		return f, nil
	case "ulaw", "ULAW":
		return RawFormat{Encoding: audio.MuLaw}, nil
	case "alaw", "ALAW":
		return RawFormat{Encoding: audio.ALaw}, nil
	case "raw ":
		return RawFormat{Encoding: audio.Uint8}, nil
	default:
		return f, fmt.Errorf("%w (%q)", errCompressed, compression)
	}
	switch (bits + 7) / 8 {
	case 1:
		return RawFormat{Encoding: audio.Uint8, Signed8: true}, nil
	case 2:
		f.Encoding = audio.Int16
	case 3:
		f.Encoding = audio.Int24
	case 4:
		f.Encoding = audio.Int32
	default:
		return f, fmt.Errorf("samples of %d bits", bits)
	}
	return f, nil
}

// extended reads a float of 80 bits (IEEE 754 extended, most significant byte first).
func extended(b []byte) float64 {
	const bias, fraction = 16383, 63
	return math.Ldexp(float64(binary.BigEndian.Uint64(b[2:])), int(binary.BigEndian.Uint16(b)&0x7FFF)-bias-fraction)
}

// Identifiers of Sony Wave64. Source: Sony Pictures Digital, Wave64 specification.
const (
	w64Tail = "\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a" // of all others
)

// parseW64 reads the header of Wave64 up to the first sample: chunks with an identifier of 16 bytes and a length of 64 bits, which
// counts both, each at a multiple of 8 bytes.
func parseW64(b []byte) (pcmHeader, error) {
	const form, chunk, common = 40, 24, 16
	h := pcmHeader{container: "w64"}
	known := false
	for at := form; at+chunk <= len(b); {
		name, size := string(b[at:at+16]), binary.LittleEndian.Uint64(b[at+16:])
		body := b[at+chunk:]
		switch {
		case name == "fmt "+w64Tail && len(body) >= common:
			known = true
			tag, bits := binary.LittleEndian.Uint16(body), int(binary.LittleEndian.Uint16(body[14:]))
			const extensible, subFormat = 0xFFFE, 24
			if tag == extensible && len(body) >= subFormat+2 {
				tag = binary.LittleEndian.Uint16(body[subFormat:])
			}
			var err error
			if h.format, err = w64Format(tag, bits); err != nil {
				return h, err
			}
			h.format.Channels = int(binary.LittleEndian.Uint16(body[2:]))
			h.format.SampleRateHz = int(binary.LittleEndian.Uint32(body[4:]) & math.MaxInt32)
		case name == "data"+w64Tail:
			if !known {
				return h, errors.New("samples stand before their format")
			}
			h.skip, h.data = at+chunk, int64(size)-chunk
			if size <= chunk || size > 1<<60 {
				h.data = unknownBytes
			}
			return h, nil
		}
		if size < chunk || size > pcmHeaderBytes {
			break
		}
		at += int(size+7) &^ 7
	}
	return h, errors.New("there are no samples in it")
}

// w64Format is the encoding of samples with a format tag of WAV.
func w64Format(tag uint16, bits int) (RawFormat, error) {
	const pcm, float, aLaw, muLaw = 1, 3, 6, 7
	sizes := map[int]audio.Encoding{1: audio.Uint8, 2: audio.Int16, 3: audio.Int24, 4: audio.Int32}
	if tag == float {
		sizes = map[int]audio.Encoding{4: audio.Float32, 8: audio.Float64}
	}
	switch tag {
	case aLaw:
		return RawFormat{Encoding: audio.ALaw}, nil
	case muLaw:
		return RawFormat{Encoding: audio.MuLaw}, nil
	case pcm, float:
		if encoding, ok := sizes[(bits+7)/8]; ok {
			return RawFormat{Encoding: encoding}, nil
		}
	}
	return RawFormat{}, fmt.Errorf("%w (format 0x%04x, %d bits)", errCompressed, tag, bits)
}
