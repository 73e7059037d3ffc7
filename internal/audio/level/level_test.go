package level_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/scout-speech/scout/internal/audio/level"
)

// reference is the definition: one sample at a time, compensated (Kahan), in float64.
func reference(samples []float32) level.Level {
	var l level.Level
	var sum, lost float64
	for _, s := range samples {
		x := math.Abs(float64(s))
		if math.IsNaN(x) || math.IsInf(x, 0) {
			l.NonFinite++
			continue
		}
		l.Peak = max(l.Peak, x)
		y := x*x - lost
		t := sum + y
		lost = (t - sum) - y
		sum = t
	}
	if len(samples) > 0 {
		l.RMS = math.Sqrt(sum / float64(len(samples)))
	}
	return l
}

// check tests RMS to 1e-10, far below the 1e-5 that S10 requires.
func check(t *testing.T, what string, samples []float32) {
	t.Helper()
	got, want := level.Measure(samples), reference(samples)
	if got.Peak != want.Peak || got.NonFinite != want.NonFinite {
		t.Errorf("%s, %d samples: got %+v, want %+v", what, len(samples), got, want)
	}
	if math.IsNaN(got.RMS) || math.Abs(got.RMS-want.RMS) > 1e-10*want.RMS {
		t.Errorf("%s, %d samples: RMS %v, want %v", what, len(samples), got.RMS, want.RMS)
	}
}

func noise(n int, scale float32) []float32 {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	samples := make([]float32, n)
	for i := range samples {
		samples[i] = scale * (2*rng.Float32() - 1)
	}
	return samples
}

func TestEveryLengthAtEveryAlignment(t *testing.T) {
	t.Parallel()
	samples := noise(300, 1)
	for offset := range 33 {
		for n := range 200 {
			check(t, "noise", samples[offset:offset+n])
		}
	}
}

func TestLevelsOfKnownBlocks(t *testing.T) {
	t.Parallel()
	sine := make([]float32, 48_000)
	for i := range sine {
		sine[i] = float32(0.5 * math.Sin(2*math.Pi*1000*float64(i)/48_000))
	}
	if l := level.Measure(sine); math.Abs(l.RMS-0.5/math.Sqrt2) > 1e-6 || math.Abs(l.Peak-0.5) > 1e-6 {
		t.Errorf("sine of amplitude 0.5: %+v", l)
	}
	if l := level.Measure(nil); l != (level.Level{}) {
		t.Errorf("empty block: %+v", l)
	}
	check(t, "long", noise(1<<20+3, 0.1))
	check(t, "loud", noise(1000, math.MaxFloat32))
	check(t, "denormal", noise(1000, 1e-42))
	check(t, "zero", make([]float32, 1000))
}

func TestNonFiniteSamplesAreSilenceAndCounted(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for position := range 70 {
		samples := noise(70, 0.3)
		samples[position] = nan
		check(t, "one NaN", samples)
		samples[position] = -inf
		check(t, "one Inf", samples)
	}
	bad := make([]float32, 37)
	for i := range bad {
		bad[i] = []float32{nan, inf, -inf}[i%3]
	}
	if l := level.Measure(bad); l != (level.Level{NonFinite: 37}) {
		t.Errorf("nothing but bad samples: %+v", l)
	}
}

func TestDBFS(t *testing.T) {
	t.Parallel()
	for linear, want := range map[float64]float64{
		1: 0, 0.5: -6.0206, 0.1: -20, 0.001: -60, 1e-9: -60, 0: -60, -1: -60, 4: 0,
		math.Inf(1): 0, math.Inf(-1): -60,
	} {
		if got := level.DBFS(linear); math.Abs(got-want) > 1e-4 {
			t.Errorf("%v: %v dBFS, want %v", linear, got, want)
		}
	}
	if got := level.DBFS(math.NaN()); got != -60 {
		t.Errorf("NaN: %v dBFS", got)
	}
}

func TestMeasureAllocatesNothing(t *testing.T) {
	samples := noise(1024, 1)
	meter := level.NewMeter(level.MeterOptions{})
	if n := testing.AllocsPerRun(100, func() {
		meter.Update(level.Measure(samples), 10e6)
		_ = meter.Reading()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzMeasure reads the input as an offset and samples of any bits.
func FuzzMeasure(f *testing.F) {
	f.Add(uint8(0), []byte{})
	f.Add(uint8(3), binary.LittleEndian.AppendUint32(nil, 0x7fc00000))
	seed := make([]byte, 0, 4*100)
	for i, s := range noise(100, 2) {
		if i%17 == 0 {
			s = float32(math.Inf(-1))
		}
		seed = binary.LittleEndian.AppendUint32(seed, math.Float32bits(s))
	}
	f.Add(uint8(1), seed)
	f.Fuzz(func(t *testing.T, offset uint8, data []byte) {
		skip := int(offset % 16)
		samples := make([]float32, skip+len(data)/4)
		for i := range len(data) / 4 {
			samples[skip+i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		check(t, "fuzz", samples[skip:])
	})
}

// plainLoop is the yardstick for the SIMD path (S10): the simplest loop with the same contract.
func plainLoop(samples []float32) (rms, peak float64) {
	var sum float64
	for _, s := range samples {
		x := float64(s)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			continue
		}
		sum += x * x
		if x < 0 {
			x = -x
		}
		if x > peak {
			peak = x
		}
	}
	return math.Sqrt(sum / float64(len(samples))), peak
}

// bareLoop has no contract for NaN and Inf and no peak.
func bareLoop(samples []float32) float64 {
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum / float64(len(samples)))
}

func BenchmarkMeasure1024(b *testing.B) {
	samples := noise(1024, 1)
	b.Run("Measure", func(b *testing.B) {
		b.SetBytes(4096)
		b.ReportAllocs()
		for b.Loop() {
			level.Measure(samples)
		}
	})
	b.Run("plain loop", func(b *testing.B) {
		b.SetBytes(4096)
		for b.Loop() {
			plainLoop(samples)
		}
	})
	b.Run("bare loop, RMS only", func(b *testing.B) {
		b.SetBytes(4096)
		for b.Loop() {
			bareLoop(samples)
		}
	})
}
