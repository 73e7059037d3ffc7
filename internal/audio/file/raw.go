package file

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
)

// RawFormat describes samples without a header.
type RawFormat struct {
	// Encoding of a sample, as audio knows it.
	Encoding audio.Encoding
	// BigEndian has the most significant byte of a sample first.
	BigEndian bool
	// Signed8 means signed bytes instead of unsigned ones.
	Signed8      bool
	SampleRateHz int
	Channels     int
}

// rawEncoding is the name of an encoding, as in ffmpeg, sox and ALSA.
type rawEncoding struct {
	name    string
	format  RawFormat
	aliases []string
}

func rawEncodings() []rawEncoding {
	return []rawEncoding{
		{"s16le", RawFormat{Encoding: audio.Int16}, []string{"s16", "s16_le"}},
		{"s16be", RawFormat{Encoding: audio.Int16, BigEndian: true}, []string{"s16_be"}},
		{"s24le", RawFormat{Encoding: audio.Int24}, []string{"s24", "s24_3le"}},
		{"s24be", RawFormat{Encoding: audio.Int24, BigEndian: true}, []string{"s24_3be"}},
		{"s32le", RawFormat{Encoding: audio.Int32}, []string{"s32", "s32_le"}},
		{"s32be", RawFormat{Encoding: audio.Int32, BigEndian: true}, []string{"s32_be"}},
		{"f32le", RawFormat{Encoding: audio.Float32}, []string{"f32", "float_le", "float"}},
		{"f32be", RawFormat{Encoding: audio.Float32, BigEndian: true}, []string{"float_be"}},
		{"f64le", RawFormat{Encoding: audio.Float64}, []string{"f64", "float64_le"}},
		{"f64be", RawFormat{Encoding: audio.Float64, BigEndian: true}, []string{"float64_be"}},
		{"u8", RawFormat{Encoding: audio.Uint8}, nil},
		{"s8", RawFormat{Encoding: audio.Uint8, Signed8: true}, nil},
		{"mulaw", RawFormat{Encoding: audio.MuLaw}, []string{"ulaw", "mu_law", "pcmu"}},
		{"alaw", RawFormat{Encoding: audio.ALaw}, []string{"a_law", "pcma"}},
	}
}

// RawEncodings names the encodings of ParseRawFormat.
func RawEncodings() []string {
	var names []string
	for _, e := range rawEncodings() {
		names = append(names, e.name)
	}
	return names
}

// ParseRawFormat reads ENCODING:RATE:CHANNELS, for example s16le:16000:1. The channels may be left out; the default is
// one. The error has the code invalid_argument and lists what is possible.
func ParseRawFormat(text string) (RawFormat, error) {
	bad := func(format string, args ...any) (RawFormat, error) {
		return RawFormat{}, scout.Errorf(scout.CodeInvalidArgument, format, args...).
			WithHint("write ENCODING:RATE:CHANNELS, for example s16le:16000:1; encodings are %s", strings.Join(RawEncodings(), ", "))
	}
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return bad("%q is no format of bare samples", text)
	}
	name := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(parts[0])), "pcm_")
	encodings := rawEncodings()
	at := slices.IndexFunc(encodings, func(e rawEncoding) bool { return e.name == name || slices.Contains(e.aliases, name) })
	if at < 0 {
		return bad("unknown encoding %q", parts[0])
	}
	f := encodings[at].format
	f.Channels = 1
	var err error
	if f.SampleRateHz, err = strconv.Atoi(strings.TrimSpace(parts[1])); err != nil {
		return bad("%q is no sample rate in Hz", parts[1])
	}
	if len(parts) == 3 {
		if f.Channels, err = strconv.Atoi(strings.TrimSpace(parts[2])); err != nil {
			return bad("%q is no number of channels", parts[2])
		}
	}
	if err := audio.CheckFormat(f.SampleRateHz, f.Channels); err != nil {
		return RawFormat{}, scout.Errorf(scout.CodeInvalidArgument, "%s: %w", text, err).
			WithHint("rates are %d to %d Hz, channels 1 to 64", audio.MinSampleRateHz, audio.MaxSampleRateHz)
	}
	return f, nil
}

func (f RawFormat) name() string {
	for _, e := range rawEncodings() {
		if e.format.Encoding == f.Encoding && e.format.BigEndian == f.BigEndian && e.format.Signed8 == f.Signed8 {
			return e.name
		}
	}
	return "unknown"
}

// rawDecoder reads samples without a header.
type rawDecoder struct {
	src    *source
	format RawFormat
	buf    []byte // a block, reused
	rest   int64  // bytes after the last whole frame
}

func newRaw(src *source, format RawFormat) *rawDecoder {
	d := &rawDecoder{src: src, format: format}
	d.buf = make([]byte, blockSamples/format.Channels*int(d.frameBytes()))
	return d
}

// frameBytes returns the size of a frame, one sample of each channel.
func (d *rawDecoder) frameBytes() int64 { return int64(d.format.Encoding.Bytes() * d.format.Channels) }

func (d *rawDecoder) stream() stream {
	s := stream{
		container: "raw", codec: "pcm_" + d.format.name(), sampleRateHz: d.format.SampleRateHz, channels: d.format.Channels,
		float: d.format.Encoding.Float(),
	}
	if d.src.size > 0 {
		s.duration = framesToTime(d.src.size/int64(d.format.Encoding.Bytes()*d.format.Channels), d.format.SampleRateHz)
	}
	return s
}

func (d *rawDecoder) decode(dst []float32) (int, error) {
	size := d.format.Encoding.Bytes()
	frame := size * d.format.Channels
	room := min(len(dst)/d.format.Channels*frame, len(d.buf)/frame*frame)
	n, err := io.ReadFull(d.src.buf, d.buf[:room])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	d.rest = int64(n % frame)
	block := d.buf[:n-n%frame]
	if d.format.BigEndian {
		for i := 0; i < len(block); i += size {
			slices.Reverse(block[i : i+size])
		}
	}
	if d.format.Signed8 {
		for i := range block {
			block[i] ^= 0x80
		}
	}
	return audio.Decode(dst, block, d.format.Encoding), err
}

func (d *rawDecoder) warnings() []scout.Warning {
	if d.rest == 0 {
		return nil
	}
	return []scout.Warning{{
		Code:    scout.WarningFormat,
		Message: "the last sample is not complete: is it really " + d.format.String() + "?",
	}}
}

func (d *rawDecoder) close() error { return nil }
