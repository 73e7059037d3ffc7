package audio_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
)

var commonRates = []int{
	2000, 6000, 7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000,
}

// ratePairs are all common rates to the engine's rate and back, pairs between sound cards, and odd
// rates, whose filter table is interpolated.
func ratePairs() [][2]int {
	var pairs [][2]int
	for _, rate := range commonRates {
		pairs = append(pairs, [2]int{rate, 16000})
		if rate != 16000 {
			pairs = append(pairs, [2]int{16000, rate})
		}
	}
	return append(pairs,
		[2]int{44100, 48000}, [2]int{48000, 44100}, [2]int{192000, 8000}, [2]int{8000, 192000},
		[2]int{44101, 16000}, [2]int{16000, 44101}, [2]int{191999, 16000}, [2]int{352800, 16000}, [2]int{384000, 16000}, [2]int{705600, 16000}, [2]int{47999, 48000})
}

func resample(t testing.TB, r *audio.Resampler, src []float32) []float32 {
	t.Helper()
	dst := make([]float32, r.OutputLen(int64(len(src)))+16)
	n := 0
	for len(src) > 0 {
		consumed, produced := r.Process(dst[n:], src)
		if consumed == 0 && produced == 0 {
			t.Fatal("no progress")
		}
		src, n = src[consumed:], n+produced
	}
	produced, done := r.Flush(dst[n:])
	if !done {
		t.Fatalf("%d samples beyond the promised length", produced)
	}
	return dst[:n+produced]
}

func newResampler(t testing.TB, in, out int) *audio.Resampler {
	t.Helper()
	r, err := audio.NewResampler(in, out)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

//go:norace
func tone(hz float64, rate, n int) []float32 {
	samples := make([]float32, n)
	for i := range samples {
		samples[i] = float32(math.Sin(2 * math.Pi * hz * float64(i) / float64(rate)))
	}
	return samples
}

// measure fits a sine of hz by least squares and returns its gain and delay in seconds relative to
// tone, and the power of everything else, both relative to the tone's.
//
//go:norace
func measure(samples []float32, hz float64, rate, first int) (gain, delay, restDB float64) {
	var ss, sc, cc, ys, yc float64
	for i, v := range samples {
		s, c := math.Sincos(2 * math.Pi * hz * float64(first+i) / float64(rate))
		ss, sc, cc = ss+s*s, sc+s*c, cc+c*c
		ys, yc = ys+float64(v)*s, yc+float64(v)*c
	}
	det := ss*cc - sc*sc
	a, b := (ys*cc-yc*sc)/det, (yc*ss-ys*sc)/det
	var rest float64
	for i, v := range samples {
		s, c := math.Sincos(2 * math.Pi * hz * float64(first+i) / float64(rate))
		d := float64(v) - a*s - b*c
		rest += d * d
	}
	return math.Hypot(a, b), -math.Atan2(b, a) / (2 * math.Pi * hz), powerDB(rest, len(samples))
}

func powerDB(energy float64, n int) float64 {
	return 10 * math.Log10(energy/float64(n)/0.5+1e-30)
}

// Every common pair of rates is swept: tones in the pass band keep their level and their time, and nothing else is
// added. Tones above the new Nyquist frequency are removed.
func TestResamplerIsBandLimited(t *testing.T) {
	t.Parallel()
	for _, pair := range ratePairs() {
		t.Run(fmt.Sprintf("%d to %d", pair[0], pair[1]), func(t *testing.T) {
			t.Parallel()
			in, out := pair[0], pair[1]
			nyquist := float64(min(in, out)) / 2
			r := newResampler(t, in, out)
			var ripple, image, alias, shift float64
			image, alias = -200, -200
			settle := 250 * out / min(in, out) // the filter's length at both ends
			length := in / 5 * max(1, 8000/min(in, out))
			for _, part := range []float64{0.003, 0.05, 0.11, 0.2, 0.31, 0.42, 0.5, 0.63, 0.75, 0.8, 0.87, 0.9} {
				hz := part * nyquist
				samples := resample(t, r, tone(hz, in, length))
				middle := samples[settle : len(samples)-settle]
				gain, delay, rest := measure(middle, hz, out, settle)
				ripple = max(ripple, math.Abs(20*math.Log10(gain)))
				shift = max(shift, math.Abs(delay*float64(out)))
				image = max(image, rest)
			}
			if in > out {
				top := float64(in) / 2
				for i := range 24 {
					hz := nyquist*1.0005 + (top*0.999-nyquist)*float64(i)/23
					samples := resample(t, r, tone(hz, in, length))
					var energy float64
					middle := samples[settle : len(samples)-settle]
					for _, v := range middle {
						energy += float64(v) * float64(v)
					}
					alias = max(alias, powerDB(energy, len(middle)))
				}
			}
			t.Logf("ripple %.4f dB, images %.1f dB, aliases %.1f dB, shift %.6f samples", ripple, image, alias, shift)
			if ripple > 0.1 {
				t.Errorf("ripple of %.3f dB below 0.9 of the lower Nyquist frequency", ripple)
			}
			if image > -80 {
				t.Errorf("images of %.1f dB", image)
			}
			if alias > -80 {
				t.Errorf("aliases of %.1f dB", alias)
			}
			if shift > 0.001 {
				t.Errorf("shifted by %.4f samples", shift)
			}
		})
	}
}

func TestResamplerPassesEqualRatesThrough(t *testing.T) {
	t.Parallel()
	src := []float32{0.1, -1, 1.5, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32}
	got := resample(t, newResampler(t, 16000, 16000), src)
	for i := range src {
		if math.Float32bits(got[i]) != math.Float32bits(src[i]) {
			t.Errorf("sample %d: %x became %x", i, math.Float32bits(src[i]), math.Float32bits(got[i]))
		}
	}
}

// A click stays in its place, even after an hour of samples at an odd rate.
func TestResamplerKeepsTime(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]int{{48000, 16000}, {44100, 16000}, {44101, 16000}, {8000, 16000}} {
		in, out := pair[0], pair[1]
		r := newResampler(t, in, out)
		src := make([]float32, 20*in)
		at := 19*in + in/3
		src[at] = 1
		got := resample(t, r, src)
		loudest := 0
		for i, v := range got {
			if v > got[loudest] {
				loudest = i
			}
		}
		want := float64(at) * float64(out) / float64(in)
		if math.Abs(float64(loudest)-want) > 0.51 {
			t.Errorf("%d to %d: click at %d, want %.1f", in, out, loudest, want)
		}
	}
}

// The output does not depend on the division into blocks, has the promised length, and is the same again after the end.
func TestResamplerDoesNotDependOnBlocks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SampledFrom([]int{8000, 11025, 16000, 44100, 44101, 192000}).Draw(t, "in")
		out := rapid.SampledFrom([]int{8000, 16000, 22050, 48000}).Draw(t, "out")
		n := rapid.IntRange(0, 6000).Draw(t, "samples")
		src := make([]float32, n)
		for i := range src {
			src[i] = float32(math.Sin(float64(i) * float64(i) / 1000))
		}
		r, err := audio.NewResampler(in, out)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float32, r.OutputLen(int64(n))+8)
		consumed, produced := r.Process(want, src)
		flushed, done := r.Flush(want[produced:])
		if consumed != n || !done || int64(produced+flushed) != r.OutputLen(int64(n)) {
			t.Fatalf("took %d of %d, wrote %d of %d", consumed, n, produced+flushed, r.OutputLen(int64(n)))
		}
		if exact := math.Round(float64(n) * float64(out) / float64(in)); int64(exact) != r.OutputLen(int64(n)) {
			t.Fatalf("promised %d samples, want %v", r.OutputLen(int64(n)), exact)
		}
		want = want[:produced+flushed]

		var got []float32
		rest := src
		room := make([]float32, 700)
		for len(rest) > 0 {
			block := rest[:rapid.IntRange(1, len(rest)).Draw(t, "block")]
			dst := room[:rapid.IntRange(1, len(room)).Draw(t, "room")]
			consumed, produced := r.Process(dst, block)
			got, rest = append(got, dst[:produced]...), rest[consumed:]
		}
		for done := false; !done; {
			dst := room[:rapid.IntRange(1, len(room)).Draw(t, "room")]
			var produced int
			produced, done = r.Flush(dst)
			got = append(got, dst[:produced]...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("blocks of another size gave other samples (%d and %d)", len(got), len(want))
		}
	})
}

func TestResamplerRefusesRates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, out int
		want    scout.Code
	}{
		{0, 16000, scout.CodeAudioCorrupt},
		{-1, 16000, scout.CodeAudioCorrupt},
		{1999, 16000, scout.CodeAudioUnsupported},
		{16000, 3072001, scout.CodeAudioUnsupported},
	}
	for _, test := range tests {
		if _, err := audio.NewResampler(test.in, test.out); scout.CodeOf(err) != test.want {
			t.Errorf("%d to %d: %v, want code %s", test.in, test.out, err, test.want)
		}
	}
}

func TestResamplerAllocatesNothing(t *testing.T) {
	for _, pair := range [][2]int{{48000, 16000}, {44101, 16000}, {8000, 16000}, {16000, 16000}} {
		r := newResampler(t, pair[0], pair[1])
		src, dst := make([]float32, 1024), make([]float32, 4096)
		if allocs := testing.AllocsPerRun(100, func() { r.Process(dst, src) }); allocs != 0 {
			t.Errorf("%d to %d: %v allocations per block", pair[0], pair[1], allocs)
		}
	}
}

// BenchmarkResampler reports how many seconds of audio one core converts in a second.
func BenchmarkResampler(b *testing.B) {
	for _, pair := range [][2]int{
		{48000, 16000}, {44100, 16000}, {44101, 16000}, {22050, 16000}, {8000, 16000}, {192000, 16000}, {16000, 48000},
	} {
		b.Run(fmt.Sprintf("%d-%d", pair[0], pair[1]), func(b *testing.B) {
			r := newResampler(b, pair[0], pair[1])
			src, dst := tone(440, pair[0], pair[0]/100), make([]float32, pair[1]/50)
			b.ReportAllocs()
			for b.Loop() {
				r.Process(dst, src)
			}
			b.ReportMetric(0.01*float64(b.N)/b.Elapsed().Seconds(), "x-realtime")
		})
	}
}

func BenchmarkNewResampler(b *testing.B) {
	for _, pair := range [][2]int{{48000, 16000}, {44100, 16000}, {44101, 16000}, {191999, 16000}} {
		b.Run(fmt.Sprintf("%d-%d", pair[0], pair[1]), func(b *testing.B) {
			for b.Loop() {
				newResampler(b, pair[0], pair[1])
			}
		})
	}
}
