package capture

import (
	"fmt"
	"math"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// chirp is sound of changing pitch and loudness, as speech is.
func chirp(i, rateHz int) float64 {
	t := float64(i) / float64(rateHz)
	return 0.3 * (0.6 + 0.4*math.Sin(2*math.Pi*4*t)) * math.Sin(2*math.Pi*(150*t+200*t*t))
}

// other is sound that has nothing in common with chirp.
func other(i, rateHz int) float64 {
	t := float64(i) / float64(rateHz)
	return 0.3 * math.Sin(2*math.Pi*(900*t-170*t*t)+1)
}

// A mono recording of a device with several channels holds what each of them heard.
func TestMonoKeepsWhatTheDeviceHears(t *testing.T) {
	t.Parallel()
	const seconds = 2
	for name, test := range map[string]struct {
		channels int
		sound    func(c, i, rateHz int) float64
		least    float64 // of the mix, as a part of the sound's own RMS
		plain    bool    // it is the mean, bit for bit
	}{
		"equal channels":       {2, func(_, i, hz int) float64 { return chirp(i, hz) }, 0.99, true},
		"a dead channel":       {2, func(c, i, hz int) float64 { return float64(c) * chirp(i, hz) }, 0.49, true},
		"different sounds":     {2, func(c, i, hz int) float64 { return [...]float64{chirp(i, hz), other(i, hz)}[c] }, 0.49, true},
		"opposite channels":    {2, func(c, i, hz int) float64 { return [...]float64{1, -1}[c] * chirp(i, hz) }, 0.98, false},
		"opposite, one softer": {2, func(c, i, hz int) float64 { return [...]float64{1, -0.6}[c] * chirp(i, hz) }, 0.78, false},
		"opposite, the first one dead at first": {3, func(c, i, hz int) float64 {
			if c == 0 && i < hz {
				return 0
			}
			return [...]float64{1, 1, -1}[c] * chirp(i, hz)
		}, 0.65, false},
		"opposite pairs":         {4, func(c, i, hz int) float64 { return [...]float64{1, -1, 1, -1}[c] * chirp(i, hz) }, 0.98, false},
		"two dead, two opposite": {4, func(c, i, hz int) float64 { return [...]float64{0, 1, 0, -1}[c] * chirp(i, hz) }, 0.49, false},
		"opposite from the middle on, and back": {2, func(c, i, hz int) float64 {
			if v := chirp(i, hz); c == 0 || i < hz/2 || i > hz*3/2 {
				return v
			} else {
				return -v
			}
		}, 0.84, false},
	} {
		for _, rateHz := range []int{16_000, 48_000} {
			for _, block := range []int{1, 320, 737, 2048} {
				t.Run(fmt.Sprintf("%s, %d Hz, blocks of %d", name, rateHz, block), func(t *testing.T) {
					t.Parallel()
					samples, sound := make([]float32, seconds*rateHz*test.channels), 0.0
					for i := range samples {
						samples[i] = float32(test.sound(i%test.channels, i/test.channels, rateHz))
					}
					for i := range seconds * rateHz {
						if name == "different sounds" {
							sound += chirp(i, rateHz)*chirp(i, rateHz) + other(i, rateHz)*other(i, rateHz)
							continue
						}
						sound += chirp(i, rateHz) * chirp(i, rateHz)
					}
					mixed, mean := recordMono(t, samples, test.channels, rateHz, block), make([]float32, seconds*rateHz)
					for i := range mean {
						for _, v := range samples[i*test.channels : (i+1)*test.channels] {
							mean[i] += v
						}
						mean[i] /= float32(test.channels)
					}
					got := 0.0
					for i, v := range mixed {
						got += float64(v) * float64(v)
						if test.plain && v != mean[i] {
							t.Fatalf("sample %d is %v, the mean %v", i, v, mean[i])
						}
					}
					if part := math.Sqrt(got / sound); part < test.least {
						t.Errorf("%.2f of the sound's level is left, want %.2f", part, test.least)
					}
				})
			}
		}
	}
}

// recordMono converts float samples in blocks of so many frames to a mono recording of the same rate.
func recordMono(t *testing.T, samples []float32, channels, rateHz, block int) []float32 {
	t.Helper()
	out := scout.Format{SampleRateHz: rateHz, Channels: 1, Sample: scout.SampleF32}
	r := ringFor(t, out, 3)
	in := sound.NewFormat(rateHz, channels, audio.Float32)
	c, err := newConverter(in, out, r)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, len(samples)*4)
	audio.Encode(data, samples, audio.Float32)
	for len(data) > 0 {
		n := min(len(data), block*in.FrameBytes())
		c.write(data[:n])
		data = data[n:]
	}
	c.flush()
	mixed := make([]float32, r.Head())
	audio.Decode(mixed, readAll(t, r), audio.Float32)
	return mixed
}

func TestMonoMixAllocatesNothing(t *testing.T) {
	for _, channels := range []int{2, 6} {
		out := scout.Format{SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleS16}
		in := sound.NewFormat(48_000, channels, audio.Int16)
		c, err := newConverter(in, out, ringFor(t, out, 1))
		if err != nil {
			t.Fatal(err)
		}
		block := make([]byte, 960*in.FrameBytes())
		for i := range block {
			block[i] = byte(i * 31)
		}
		if n := testing.AllocsPerRun(200, func() { c.write(block) }); n != 0 {
			t.Errorf("%d channels: %v allocations for each block", channels, n)
		}
	}
}
