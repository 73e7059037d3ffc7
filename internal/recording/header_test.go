package recording

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
)

func drawFormat(t *rapid.T) scout.Format {
	return scout.Format{
		SampleRateHz: rapid.IntRange(scout.MinSampleRateHz, scout.MaxSampleRateHz).Draw(t, "rate"),
		Channels:     rapid.IntRange(1, scout.MaxChannels).Draw(t, "channels"),
		Sample:       rapid.SampledFrom([]scout.SampleFormat{scout.SampleS16, scout.SampleS24, scout.SampleF32}).Draw(t, "sample"),
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		started := time.Unix(0, rapid.Int64Range(0, 1<<61).Draw(t, "started")).UTC()
		want := header{
			id: NewID(started), started: started, format: drawFormat(t),
			frames: rapid.Uint64Range(0, 1<<50).Draw(t, "frames"), final: rapid.Bool().Draw(t, "final"),
		}
		var b [HeaderBytes]byte
		want.encode(b[:])
		got, ok := decodeHeader(b[:])
		if !ok {
			t.Fatal("our own header is not recognised")
		}
		size, padded := want.audioBytes()
		want.frames, want.final = size/uint64(want.format.FrameBytes()), padded
		if got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestHeaderBecomesRF64AboveFourGiB(t *testing.T) {
	t.Parallel()
	format := scout.Format{SampleRateHz: 48000, Channels: 1, Sample: scout.SampleS16}
	last := uint64(maxClassicBytes-(HeaderBytes-8)) / 2
	for _, c := range []struct {
		name   string
		frames uint64
		riff   string
		size   uint32
	}{
		{"the longest ordinary WAV", last, "RIFF", uint32(2 * last)},
		{"one frame more", last + 1, "RF64", 0xFFFFFFFF},
		{"a terabyte", 1 << 39, "RF64", 0xFFFFFFFF},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b [HeaderBytes]byte
			header{id: NewID(time.Unix(1, 0)), started: time.Unix(1, 0), format: format, frames: c.frames}.encode(b[:])
			if got := string(b[:4]); got != c.riff {
				t.Errorf("begins with %q, want %q", got, c.riff)
			}
			if got := binary.LittleEndian.Uint32(b[offsetData+4:]); got != c.size {
				t.Errorf("data size %d, want %d", got, c.size)
			}
			if c.riff == "RF64" {
				if got := binary.LittleEndian.Uint64(b[offsetDS64+16:]); got != 2*c.frames {
					t.Errorf("ds64 data size %d, want %d", got, 2*c.frames)
				}
			}
		})
	}
}

func TestHeaderOfAGrowingFileClaimsNoHalfWord(t *testing.T) {
	t.Parallel()
	h := header{id: NewID(time.Unix(1, 0)), format: scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS24}, frames: 3}
	if size, padded := h.audioBytes(); size != 6 || padded {
		t.Errorf("growing: %d bytes, padded %v; want 6, false", size, padded)
	}
	h.final = true
	if size, padded := h.audioBytes(); size != 9 || !padded {
		t.Errorf("final: %d bytes, padded %v; want 9, true", size, padded)
	}
}

func TestHeaderEncodeAllocatesNothing(t *testing.T) {
	h := header{id: NewID(time.Unix(1, 0)), started: time.Unix(1, 0), format: scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}}
	var b [HeaderBytes]byte
	if n := testing.AllocsPerRun(100, func() { h.frames++; h.encode(b[:]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecodeHeader(f *testing.F) {
	var b [HeaderBytes]byte
	header{id: NewID(time.Unix(1, 0)), started: time.Unix(1, 0), format: scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}, frames: 99}.encode(b[:])
	f.Add(b[:])
	f.Add(b[:HeaderBytes-1])
	f.Fuzz(func(t *testing.T, in []byte) {
		h, ok := decodeHeader(in)
		if !ok {
			return
		}
		var again [HeaderBytes]byte
		h.encode(again[:])
		if !bytes.Equal(again[:], in[:HeaderBytes]) {
			t.Errorf("accepted a header that is not ours")
		}
	})
}
