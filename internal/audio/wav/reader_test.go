package wav_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/wav"
)

// file is a WAV file under construction; each method appends one part, valid or not.
type file []byte

func riff(id string, size uint32) file {
	return append(binary.LittleEndian.AppendUint32(file(id), size), "WAVE"...)
}

func (f file) chunk(id string, size uint32, body ...byte) file {
	return append(binary.LittleEndian.AppendUint32(append(f, id...), size), body...)
}

func (f file) format(tag uint16, channels uint16, rate uint32, align, bits uint16) file {
	return f.chunk("fmt ", 16, formatBody(tag, channels, rate, align, bits)...)
}

func formatBody(tag uint16, channels uint16, rate uint32, align, bits uint16) []byte {
	b := binary.LittleEndian.AppendUint16(nil, tag)
	b = binary.LittleEndian.AppendUint16(b, channels)
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint32(b, rate*uint32(align))
	b = binary.LittleEndian.AppendUint16(b, align)
	return binary.LittleEndian.AppendUint16(b, bits)
}

// extensible appends a format chunk of 40 bytes with the sub-format tag, for 48 kHz mono.
func (f file) extensible(tag, align, bits, valid uint16) file {
	b := formatBody(0xFFFE, 1, 48000, align, bits)
	b = binary.LittleEndian.AppendUint16(b, 22)
	b = binary.LittleEndian.AppendUint16(b, valid)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint16(b, tag)
	b = append(b, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71)
	return f.chunk("fmt ", 40, b...)
}

// ds64 appends the 64-bit sizes of an RF64 file.
func (f file) ds64(riff, data uint64) file {
	b := binary.LittleEndian.AppendUint64(nil, riff)
	b = binary.LittleEndian.AppendUint64(b, data)
	return f.chunk("ds64", 28, append(b, make([]byte, 12)...)...)
}

// samples are n 16-bit samples 1000, 1001, …, none of which looks like a chunk.
func samples(n int) []byte {
	var b []byte
	for i := range n {
		b = binary.LittleEndian.AppendUint16(b, uint16(1000+i))
	}
	return b
}

func mono16() file { return riff("RIFF", 0x1000).format(1, 1, 16000, 2, 16) }

func readAll(r *wav.Reader) ([]float32, error) {
	var all []float32
	buf := make([]float32, 64*r.Format().Channels)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n*r.Format().Channels]...)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

func TestReader(t *testing.T) {
	t.Parallel()
	list := []byte("LIST\x04\x00\x00\x00INFO")
	tests := []struct {
		name     string
		src      file
		frames   int    // that must come out
		warning  string // part of one, or "" for none at all
		declared int64  // Frames()
	}{
		{"plain", mono16().chunk("data", 20, samples(10)...), 10, "", 10},
		{"unknown chunks before", riff("RIFF", 90).chunk("bext", 4, 1, 2, 3, 4).format(1, 1, 16000, 2, 16).chunk("fact", 4, 0, 0, 0, 0).chunk("data", 20, samples(10)...), 10, "", 10},
		{"odd chunk with padding", mono16().chunk("note", 3, 'a', 'b', 'c', 0).chunk("data", 20, samples(10)...), 10, "", 10},
		{"odd chunk without padding", mono16().chunk("note", 3, 'a', 'b', 'c').chunk("data", 20, samples(10)...), 10, "", 10},
		{"chunk after the samples", mono16().chunk("data", 20, append(samples(10), list...)...), 10, "", 10},
		{"ID3v1 tag after the samples", mono16().chunk("data", 20, append(samples(10), "TAGtitle and more"...)...), 10, "", 10},
		{"chunk after an odd length", riff("RIFF", 60).format(1, 1, 16000, 1, 8).chunk("data", 3, append([]byte{1, 2, 3, 0}, list...)...), 3, "", 3},
		{"length 0, never closed", riff("RIFF", 0).format(1, 1, 16000, 2, 16).chunk("data", 0, samples(10)...), 10, "", -1},
		{"length 0 in a RIFF of 36 bytes", riff("RIFF", 36).format(1, 1, 16000, 2, 16).chunk("data", 0, samples(10)...), 10, "", -1},
		{"length all ones, from a pipe", riff("RIFF", 0xFFFFFFFF).format(1, 1, 16000, 2, 16).chunk("data", 0xFFFFFFFF, samples(10)...), 10, "", -1},
		{"length 2 GiB, from sox", riff("RIFF", 0x7FFFFFFF).format(1, 1, 16000, 2, 16).chunk("data", 0x7FFFFFDB, samples(10)...), 10, "", -1},
		{"cut off", mono16().chunk("data", 200, samples(10)...), 10, "cut off", 100},
		{"cut off in a frame", mono16().chunk("data", 200, samples(10)[:19]...), 9, "cut off", 100},
		{"no length and half a frame", mono16().chunk("data", 0xFFFFFFFF, samples(10)[:19]...), 9, "incomplete", -1},
		{"longer than its header says", mono16().chunk("data", 20, samples(50)...), 50, "holds more", 10},
		{"absurd length", mono16().chunk("data", 0x70000000, samples(10)...), 10, "cut off", 0x38000000},
		{"RF64", riff("RF64", 0xFFFFFFFF).ds64(100, 20).format(1, 1, 16000, 2, 16).chunk("data", 0xFFFFFFFF, append(samples(10), list...)...), 10, "", 10},
		{"BW64 with an absurd length", riff("BW64", 0xFFFFFFFF).ds64(1<<60, 1<<60).format(1, 1, 16000, 2, 16).chunk("data", 0xFFFFFFFF, samples(10)...), 10, "cut off", 1 << 59},
		{"RF64 without its sizes", riff("RF64", 0xFFFFFFFF).format(1, 1, 16000, 2, 16).chunk("data", 0xFFFFFFFF, samples(10)...), 10, "", -1},
		{"block align of zero", riff("RIFF", 60).format(1, 1, 16000, 0, 16).chunk("data", 20, samples(10)...), 10, "block align", 10},
		{"block align nonsense", riff("RIFF", 60).format(1, 2, 16000, 7, 16).chunk("data", 20, samples(10)...), 5, "block align", 5},
		{"no sample size", riff("RIFF", 60).format(1, 1, 16000, 2, 0).chunk("data", 20, samples(10)...), 10, "sample size", 10},
		{"long format chunk", riff("RIFF", 60).chunk("fmt ", 18, append(formatBody(1, 1, 16000, 2, 16), 0, 0)...).chunk("data", 20, samples(10)...), 10, "", 10},
		{"64 channels", riff("RIFF", 60).format(1, 64, 16000, 128, 16).chunk("data", 256, samples(128)...), 2, "", 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, err := wav.NewReader(iotest.HalfReader(bytes.NewReader(test.src)))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Frames(); got != test.declared {
				t.Errorf("declares %d frames, want %d", got, test.declared)
			}
			got, err := readAll(r)
			if err != nil {
				t.Fatal(err)
			}
			channels := r.Format().Channels
			if len(got) != test.frames*channels {
				t.Fatalf("read %d samples, want %d", len(got), test.frames*channels)
			}
			if r.Format().Encoding == audio.Int16 {
				for i, v := range got {
					if want := float32(1000+i) / 32768; v != want {
						t.Fatalf("sample %d is %v, want %v", i, v, want)
					}
				}
			}
			warnings := messages(r.Warnings())
			if (test.warning == "") != (warnings == "") || !strings.Contains(warnings, test.warning) {
				t.Errorf("warnings %q, want %q", warnings, test.warning)
			}
			if n, err := r.Read(make([]float32, 64)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("after the end: %d frames, %v", n, err)
			}
		})
	}
}

func TestReaderEncodings(t *testing.T) {
	t.Parallel()
	float := binary.LittleEndian.AppendUint32(nil, math.Float32bits(-0.5))
	double := binary.LittleEndian.AppendUint64(nil, math.Float64bits(-0.5))
	tests := []struct {
		name   string
		header file
		body   []byte
		want   audio.Encoding
	}{
		{"8 bit", riff("RIFF", 0).format(1, 1, 8000, 1, 8), []byte{0x40}, audio.Uint8},
		{"16 bit", riff("RIFF", 0).format(1, 1, 8000, 2, 16), []byte{0, 0xC0}, audio.Int16},
		{"12 bit in 16", riff("RIFF", 0).format(1, 1, 8000, 2, 12), []byte{0, 0xC0}, audio.Int16},
		{"24 bit", riff("RIFF", 0).format(1, 1, 44100, 3, 24), []byte{0, 0, 0xC0}, audio.Int24},
		{"24 bit in 32", riff("RIFF", 0).format(1, 1, 44100, 4, 24), []byte{0, 0, 0, 0xC0}, audio.Int32},
		{"32 bit", riff("RIFF", 0).format(1, 1, 192000, 4, 32), []byte{0, 0, 0, 0xC0}, audio.Int32},
		{"float", riff("RIFF", 0).format(3, 1, 48000, 4, 32), float, audio.Float32},
		{"double", riff("RIFF", 0).format(3, 1, 48000, 8, 64), double, audio.Float64},
		{"extensible 16 bit", riff("RIFF", 0).extensible(1, 2, 16, 16), []byte{0, 0xC0}, audio.Int16},
		{"extensible 20 bit in 24", riff("RIFF", 0).extensible(1, 3, 24, 20), []byte{0, 0, 0xC0}, audio.Int24},
		{"extensible float", riff("RIFF", 0).extensible(3, 4, 32, 32), float, audio.Float32},
		{"a-law", riff("RIFF", 0).format(6, 1, 8000, 1, 8), []byte{0x25}, audio.ALaw},
		{"mu-law", riff("RIFF", 0).format(7, 1, 8000, 1, 8), []byte{0x10}, audio.MuLaw},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, err := wav.NewReader(bytes.NewReader(test.header.chunk("data", uint32(len(test.body)), test.body...)))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Format().Encoding; got != test.want {
				t.Errorf("encoding %v, want %v", got, test.want)
			}
			got, err := readAll(r)
			if err != nil || len(got) != 1 || math.Abs(float64(got[0]+0.5)) > 0.02 {
				t.Errorf("read %v, %v; want about -0.5", got, err)
			}
		})
	}
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		src   file
		want  scout.Code
		codec bool
	}{
		{"nothing", nil, scout.CodeAudioEmpty, false},
		{"text", file("this is no audio at all, only text\n"), scout.CodeAudioCorrupt, false},
		{"half a header", mono16()[:20], scout.CodeAudioCorrupt, false},
		{"no samples chunk", mono16(), scout.CodeAudioCorrupt, false},
		{"samples before the format", riff("RIFF", 60).chunk("data", 20, samples(10)...), scout.CodeAudioCorrupt, false},
		{"header alone", mono16().chunk("data", 0), scout.CodeAudioEmpty, false},
		{"length 0 and another chunk", riff("RIFF", 48).format(1, 1, 16000, 2, 16).chunk("data", 0).chunk("LIST", 4, 'I', 'N', 'F', 'O'), scout.CodeAudioEmpty, false},
		{"less than a frame", mono16().chunk("data", 1, 7), scout.CodeAudioEmpty, false},
		{"0 Hz", riff("RIFF", 60).format(1, 1, 0, 2, 16).chunk("data", 20, samples(10)...), scout.CodeAudioCorrupt, false},
		{"1 kHz", riff("RIFF", 60).format(1, 1, 1000, 2, 16).chunk("data", 20, samples(10)...), scout.CodeAudioUnsupported, false},
		{"4 GHz", riff("RIFF", 60).format(1, 1, 0xFFFFFFFF, 2, 16).chunk("data", 20, samples(10)...), scout.CodeAudioUnsupported, false},
		{"no channels", riff("RIFF", 60).format(1, 0, 16000, 2, 16).chunk("data", 20, samples(10)...), scout.CodeAudioCorrupt, false},
		{"1000 channels", riff("RIFF", 60).format(1, 1000, 16000, 2000, 16).chunk("data", 20, samples(10)...), scout.CodeAudioUnsupported, false},
		{"255 bits", riff("RIFF", 60).format(1, 1, 16000, 32, 255).chunk("data", 20, samples(10)...), scout.CodeAudioCorrupt, false},
		{"40 bits", riff("RIFF", 60).format(1, 1, 16000, 5, 40).chunk("data", 20, samples(10)...), scout.CodeAudioUnsupported, true},
		{"ADPCM", riff("RIFF", 60).format(2, 1, 16000, 256, 4).chunk("data", 20, samples(10)...), scout.CodeAudioUnsupported, true},
		{"short extensible", riff("RIFF", 60).format(0xFFFE, 1, 16000, 2, 16).chunk("data", 20, samples(10)...), scout.CodeAudioCorrupt, false},
		{"short format chunk", riff("RIFF", 60).chunk("fmt ", 4, 1, 0, 1, 0).chunk("data", 20, samples(10)...), scout.CodeAudioCorrupt, false},
		{"absurd chunk before the samples", mono16().chunk("junk", 0xFFFFFFFE, samples(10)...), scout.CodeAudioCorrupt, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := wav.NewReader(bytes.NewReader(test.src))
			if got := scout.CodeOf(err); got != test.want || errors.Is(err, wav.ErrCodec) != test.codec {
				t.Errorf("%v (code %s), want code %s", err, got, test.want)
			}
		})
	}
}

func TestReaderEndsChunksThatNeverEnd(t *testing.T) {
	t.Parallel()
	src := io.MultiReader(bytes.NewReader(mono16()), endless{})
	if _, err := wav.NewReader(src); scout.CodeOf(err) != scout.CodeAudioCorrupt {
		t.Errorf("got %v", err)
	}
}

// endless yields empty chunks without a name.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestReaderKeepsWhatCameBeforeAFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("cable pulled")
	src := io.MultiReader(bytes.NewReader(mono16().chunk("data", 200, samples(10)...)), iotest.ErrReader(broken))
	r, err := wav.NewReader(src)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(r)
	if len(got) != 10 || scout.CodeOf(err) != scout.CodeReadFailed || !errors.Is(err, broken) {
		t.Errorf("%d frames and %v, want 10 and %s", len(got), err, scout.CodeReadFailed)
	}
}

func TestReaderAllocatesNothingPerBlock(t *testing.T) {
	header := riff("RIFF", 0).format(1, 2, 48000, 4, 16).chunk("data", 0xFFFFFFFF)
	r, err := wav.NewReader(io.MultiReader(bytes.NewReader(header), endless{}))
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]float32, 2048)
	allocs := testing.AllocsPerRun(100, func() {
		if n, err := r.Read(dst); n != 1024 || err != nil {
			t.Errorf("%d frames, %v", n, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per block", allocs)
	}
}

// FuzzReader reads any bytes, whole and byte by byte: it must not panic, and both ways must give the same samples, and
// no more than the bytes can hold.
func FuzzReader(f *testing.F) {
	for _, seed := range []file{
		nil,
		mono16().chunk("data", 20, samples(10)...),
		mono16().chunk("data", 20, samples(50)...),
		mono16().chunk("data", 0, samples(10)...),
		mono16().chunk("note", 3, 'a', 'b', 'c').chunk("data", 19, samples(10)...),
		riff("RF64", 0xFFFFFFFF).ds64(100, 20).format(1, 2, 16000, 4, 16).chunk("data", 0xFFFFFFFF, samples(10)...),
		riff("RIFF", 0).extensible(3, 4, 32, 32).chunk("data", 8, samples(4)...),
		riff("RIFF", 0).format(7, 3, 8000, 3, 8).chunk("data", 0xFFFFFFFF, samples(9)...),
		riff("RIFF", 60).format(1, 1000, 16000, 2000, 16).chunk("data", 20, samples(10)...),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		whole, wholeErr := readBytes(bytes.NewReader(src))
		slow, slowErr := readBytes(iotest.OneByteReader(bytes.NewReader(src)))
		if scout.CodeOf(wholeErr) != scout.CodeOf(slowErr) || !equalBits(whole, slow) {
			t.Fatalf("whole: %d samples, %v; byte by byte: %d samples, %v", len(whole), wholeErr, len(slow), slowErr)
		}
		if len(whole) > len(src) {
			t.Fatalf("%d samples from %d bytes", len(whole), len(src))
		}
		if code := scout.CodeOf(wholeErr); code == scout.CodeInternal || code == scout.CodeReadFailed {
			t.Fatalf("code %s: %v", code, wholeErr)
		}
		if wholeErr == nil && len(whole) == 0 {
			t.Fatal("neither samples nor an error")
		}
	})
}

func readBytes(src io.Reader) ([]float32, error) {
	r, err := wav.NewReader(src)
	if err != nil {
		return nil, err
	}
	return readAll(r)
}

func equalBits(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return true
}

func messages(warnings []scout.Warning) string {
	var all []string
	for _, w := range warnings {
		all = append(all, w.Message)
	}
	return strings.Join(all, "; ")
}

func TestSamplesOfAnotherFormatBehindTheFirst(t *testing.T) {
	t.Parallel()
	first := mono16().chunk("data", 20, samples(10)...)
	for name, test := range map[string]struct {
		file     file
		frames   []int
		formats  []wav.Format
		warnings string
	}{
		"the same format again": {first.format(1, 1, 16000, 2, 16).chunk("data", 20, samples(10)...), []int{20}, nil, ""},
		"more channels": {
			first.format(1, 2, 16000, 4, 16).chunk("data", 20, samples(10)...),
			[]int{10, 5},
			[]wav.Format{{"wav", audio.Int16, 16000, 2}},
			"",
		},
		"another rate": {
			first.format(1, 1, 48000, 2, 16).chunk("data", 20, samples(10)...),
			[]int{10, 10},
			[]wav.Format{{"wav", audio.Int16, 48000, 1}},
			"",
		},
		"other samples, and back again": {
			first.format(6, 1, 8000, 1, 8).chunk("data", 20, samples(10)...).format(1, 1, 16000, 2, 16).chunk("data", 20, samples(10)...),
			[]int{10, 20, 10},
			[]wav.Format{{"wav", audio.ALaw, 8000, 1}, {"wav", audio.Int16, 16000, 1}},
			"",
		},
		"other chunks between": {
			first.format(1, 1, 48000, 2, 16).chunk("LIST", 5, 1, 2, 3, 4, 5, 0).chunk("data", 20, samples(10)...),
			[]int{10, 10},
			[]wav.Format{{"wav", audio.Int16, 48000, 1}},
			"",
		},
		"a length that nobody knew": {
			first.format(1, 1, 48000, 2, 16).chunk("data", 0xFFFFFFFF, samples(10)...),
			[]int{10, 10},
			[]wav.Format{{"wav", audio.Int16, 48000, 1}},
			"",
		},
		"cut off": {
			first.format(1, 1, 48000, 2, 16).chunk("data", 40, samples(10)...),
			[]int{10, 10},
			[]wav.Format{{"wav", audio.Int16, 48000, 1}},
			"cut off: the header promises 0s of audio, 0s are there",
		},
		"17 MiB behind another chunk": {first.chunk("LIST", 4, 1, 2, 3, 4).chunk("data", 17<<20, make([]byte, 17<<20)...), []int{10 + 17<<19}, nil, ""},
		"a codec that is not read, and the first one again": {
			first.format(2, 1, 16000, 256, 4).chunk("data", 20, samples(10)...).format(1, 1, 16000, 2, 16).chunk("data", 20, samples(10)...),
			[]int{20},
			nil, "20 bytes of samples behind 1ms were not read: format 0x0002: codec is not read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := wav.NewReader(bytes.NewReader(test.file))
			if err != nil {
				t.Fatal(err)
			}
			var frames []int
			var formats []wav.Format
			var said []scout.Warning
			for r != nil {
				got, err := readAll(r)
				if !errors.Is(err, io.EOF) && err != nil {
					t.Fatal(err)
				}
				frames, said = append(frames, len(got)/r.Format().Channels), append(said, r.Warnings()...)
				if r = r.Next(); r != nil {
					formats = append(formats, r.Format())
				}
			}
			if !slices.Equal(frames, test.frames) || !slices.Equal(formats, test.formats) || messages(said) != test.warnings {
				t.Errorf("frames %v of %v, %q; want %v of %v, %q", frames, formats, messages(said), test.frames, test.formats, test.warnings)
			}
		})
	}
}

// A list of pieces is refused by its name, and reported behind samples.
func TestListOfPieces(t *testing.T) {
	t.Parallel()
	chunk := func(name string, body []byte) []byte {
		return append(binary.LittleEndian.AppendUint32([]byte(name), uint32(len(body))), body...)
	}
	format := chunk("fmt ", []byte{1, 0, 1, 0, 0x80, 0x3E, 0, 0, 0, 0x7D, 0, 0, 2, 0, 16, 0})
	list := chunk("LIST", append([]byte("wavl"), append(chunk("data", make([]byte, 400)), append(chunk("slnt", []byte{9, 0, 0, 0}), chunk("data", make([]byte, 400))...)...)...))
	file := func(parts ...[]byte) []byte { return chunk("RIFF", append([]byte("WAVE"), bytes.Join(parts, nil)...)) }
	if _, err := wav.NewReader(bytes.NewReader(file(format, list))); scout.CodeOf(err) != scout.CodeAudioUnsupported || !strings.Contains(err.Error(), "LIST wavl") || scout.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	r, err := wav.NewPartReader(bytes.NewReader(file(format, chunk("data", make([]byte, 400)), list)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for buf := make([]float32, 100); err == nil; {
		_, err = r.Read(buf)
	}
	if w := r.Warnings(); len(w) != 1 || w[0].Code != scout.WarningUnread || !strings.Contains(w[0].Message, "LIST wavl") {
		t.Errorf("warnings %+v", w)
	}
}

// A size may be a placeholder; what else is declared may prove that it is not.
func TestRoundedSizes(t *testing.T) {
	t.Parallel()
	for size, want := range map[int64]bool{
		0: true, 1: false, 36: false, 1 << 20: false, 1 << 29: false, 999_000_000: false, 1_000_000_000: true, 1_500_000_000: true,
		1_234_567_890: false, 1 << 30: true, 1<<30 - 44: true, 1<<30 - 1<<17: false, 0x7FFFF000: true, 0x7FFFFFDB: true, 1<<31 + 36: true,
		1<<31 - 1<<17: false, 1 << 32: true, 1<<32 - 1: true, 3_000_000_001: false, 5_000_000_000: true, 1 << 40: false, -1: false,
	} {
		if wav.Rounded(size) != want {
			t.Errorf("%d: %v", size, !want)
		}
	}
	for size := range int64(1) << 17 {
		if at := 1<<32 - 1 - size; wav.Placeholder(uint32(at)) && !wav.Rounded(at) {
			t.Fatalf("%d is a placeholder, but not rounded", at)
		}
	}
	const header, list = 36, 64 // without the first 8 bytes; a chunk behind the samples
	for _, size := range []uint32{1_000_000_000, 2_000_000_000, 0x7FFFF000, 0x80000000, 0xFFFF_F000, 1 << 30} {
		for name, test := range map[string]struct {
			riff uint32
			cut  bool
		}{
			"nothing behind the samples": {size + header, false},
			"all ones":                   {0xFFFFFFFF, false},
			"unknown":                    {0, false},
			"a chunk behind the samples": {size + header + list, true},
		} {
			content := riff("RIFF", test.riff).format(1, 1, 16000, 2, 16).chunk("data", size, samples(100)...)
			r, err := wav.NewReader(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(r)
			if err != nil || len(got) != 100 {
				t.Fatalf("%d samples, %v", len(got), err)
			}
			cut := len(r.Warnings()) == 1 && r.Warnings()[0].Code == scout.WarningCutOff
			if cut != test.cut || !cut && len(r.Warnings()) > 0 {
				t.Errorf("%d, %s: %v", size, name, r.Warnings())
			}
		}
	}
}
