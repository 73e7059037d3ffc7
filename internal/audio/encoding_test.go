package audio_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/audio"
)

var writable = []audio.Encoding{
	audio.Uint8, audio.Int16, audio.Int24, audio.Int32, audio.Float32, audio.Float64,
}

func TestDecode(t *testing.T) {
	t.Parallel()
	float32Bytes := func(v float32) []byte {
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))
	}
	float64Bytes := func(v float64) []byte {
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))
	}
	tests := []struct {
		name string
		enc  audio.Encoding
		src  []byte
		want []float32
	}{
		{"8 bit is unsigned", audio.Uint8, []byte{0, 128, 255}, []float32{-1, 0, 127.0 / 128}},
		{"16 bit extremes", audio.Int16, []byte{0, 0x80, 0xFF, 0x7F, 1, 0}, []float32{-1, 32767.0 / 32768, 1.0 / 32768}},
		{"24 bit sign", audio.Int24, []byte{0xFF, 0xFF, 0xFF, 0, 0, 0x80}, []float32{-1.0 / 8388608, -1}},
		{"32 bit extremes", audio.Int32, []byte{0, 0, 0, 0x80, 0, 0, 0, 0x40}, []float32{-1, 0.5}},
		{"float32 as it is", audio.Float32, float32Bytes(-0.25), []float32{-0.25}},
		{"float64 as it is", audio.Float64, float64Bytes(0.125), []float32{0.125}},
		// Values of the reference tables of ITU-T G.191 at 16 bits.
		{"a-law", audio.ALaw, []byte{0xD5, 0x55, 0xAA, 0x2A, 0x80}, []float32{8.0 / 32768, -8.0 / 32768, 32256.0 / 32768, -32256.0 / 32768, 5504.0 / 32768}},
		{"mu-law", audio.MuLaw, []byte{0xFF, 0x7F, 0x80, 0x00, 0xF0}, []float32{0, 0, 32124.0 / 32768, -32124.0 / 32768, 120.0 / 32768}},
		{"half a sample at the end is left", audio.Int16, []byte{0, 0x40, 7}, []float32{0.5}},
		{"unknown encoding", audio.Encoding(0), []byte{1, 2, 3}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dst := make([]float32, 8)
			n := audio.Decode(dst, test.src, test.enc)
			if n != len(test.want) {
				t.Fatalf("converted %d samples, want %d", n, len(test.want))
			}
			for i, want := range test.want {
				if dst[i] != want {
					t.Errorf("sample %d is %v, want %v", i, dst[i], want)
				}
			}
		})
	}
}

func TestDecodeStopsAtTheSmallerBuffer(t *testing.T) {
	t.Parallel()
	dst := []float32{9, 9, 9}
	if n := audio.Decode(dst[:1], []byte{0, 0, 0, 0, 0, 0}, audio.Int16); n != 1 || dst[1] != 9 {
		t.Errorf("converted %d samples into room for one, next is %v", n, dst[1])
	}
}

func TestEncodeClipsAndRounds(t *testing.T) {
	t.Parallel()
	src := []float32{2, -2, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1.4 / 32768, 1.6 / 32768}
	want := []int16{32767, -32768, 0, 32767, -32768, 1, 2}
	dst := make([]byte, 2*len(src))
	if n := audio.Encode(dst, src, audio.Int16); n != len(src) {
		t.Fatalf("converted %d, want %d", n, len(src))
	}
	for i := range want {
		if got := int16(binary.LittleEndian.Uint16(dst[2*i:])); got != want[i] {
			t.Errorf("%v became %d, want %d", src[i], got, want[i])
		}
	}
	if n := audio.Encode(dst, src, audio.MuLaw); n != 0 {
		t.Errorf("mu-law is read only, %d samples written", n)
	}
}

// Every value of an integer encoding up to 24 bits survives the way to float32 and back.
func TestEncodeReturnsWhatDecodeRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		enc := rapid.SampledFrom([]audio.Encoding{audio.Uint8, audio.Int16, audio.Int24}).Draw(t, "encoding")
		frames := rapid.IntRange(0, 64).Draw(t, "samples")
		src := rapid.SliceOfN(rapid.Byte(), frames*enc.Bytes(), frames*enc.Bytes()).Draw(t, "bytes")
		samples := make([]float32, frames)
		back := make([]byte, len(src))
		audio.Decode(samples, src, enc)
		audio.Encode(back, samples, enc)
		if !bytes.Equal(back, src) {
			t.Fatalf("%v: % x became % x", enc, src, back)
		}
	})
}

func TestSanitize(t *testing.T) {
	t.Parallel()
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	samples := []float32{nan, 0.5, inf, -inf, math.MaxFloat32, 0}
	if n := audio.Sanitize(samples); n != 3 {
		t.Errorf("%d samples repaired, want 3", n)
	}
	for i, want := range []float32{0, 0.5, 1, -1, math.MaxFloat32, 0} {
		if samples[i] != want {
			t.Errorf("sample %d is %v, want %v", i, samples[i], want)
		}
	}
	if peak := audio.Clip(samples); peak != math.MaxFloat32 || samples[4] != 1 || samples[3] != -1 || samples[1] != 0.5 {
		t.Errorf("clipped to %v with a peak of %v", samples, peak)
	}
}

func TestConversionAllocatesNothing(t *testing.T) {
	bytes, samples := make([]byte, 8*1024), make([]float32, 1024)
	ints := make([]int16, 1024)
	allocs := testing.AllocsPerRun(100, func() {
		for _, enc := range append(writable, audio.ALaw, audio.MuLaw)[:8] {
			audio.Decode(samples, bytes, enc)
			audio.Encode(bytes, samples, enc)
		}
		audio.FromInt16(samples, ints)
		audio.Sanitize(samples)
		audio.Clip(samples)
	})
	if allocs > 1 { // the appended list of this test itself
		t.Errorf("%v allocations per block", allocs)
	}
}

func BenchmarkDecode(b *testing.B) {
	src, dst := make([]byte, 8*4096), make([]float32, 4096)
	for _, enc := range writable {
		b.Run(enc.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(dst) * enc.Bytes()))
			for b.Loop() {
				audio.Decode(dst, src, enc)
			}
		})
	}
}
