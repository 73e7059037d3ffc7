package audio_test

import (
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/wav"
)

// clip returns the samples of testdata/jfk.wav: 11 s at 16 kHz.
func clip(t testing.TB) []float32 { return samplesOf(t, "../../testdata/jfk.wav") }

// secondVoice returns another speaker, or skips the test.
func secondVoice(t testing.TB) []float32 {
	return samplesOf(t, "../../../shared/speech/dev/libri_1272-128104-0000.wav")
}

func samplesOf(t testing.TB, path string) []float32 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Skipf("needs a recording: %v", err)
	}
	defer func() { _ = f.Close() }()
	r, err := wav.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []float32
	for buf := make([]float32, 4096); ; {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// mix mixes planes, written in blocks whose size does not match any frame.
func mix(planes ...[]float32) ([]float32, audio.MixReport) {
	m := audio.NewMixer(len(planes))
	var out []float32
	buf := make([]float32, 3000)
	take := func() {
		for n := m.Read(buf); n > 0; n = m.Read(buf) {
			out = append(out, buf[:n]...)
		}
	}
	for at := 0; at < len(planes[0]); at += 1777 {
		block := make([][]float32, len(planes))
		for c := range planes {
			block[c] = planes[c][at:min(at+1777, len(planes[c]))]
		}
		m.Write(block)
		take()
	}
	m.Close()
	take()
	return out, m.Report()
}

//go:norace
func scaled(gain float32, x []float32) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = gain * v
	}
	return out
}

//go:norace
func sum(all ...[]float32) []float32 {
	out := make([]float32, len(all[0]))
	for _, x := range all {
		for i := range min(len(out), len(x)) {
			out[i] += x[i]
		}
	}
	return out
}

// delayed returns x, n samples later, of the same length.
func delayed(n int, x []float32) []float32 {
	return append(make([]float32, n), x[:len(x)-n]...)
}

func made(n int, f func(seconds float64) float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(f(float64(i) / 16000))
	}
	return out
}

func sine(n int, hz, amplitude float64) []float32 {
	return made(n, func(t float64) float64 { return amplitude * math.Sin(2*math.Pi*hz*t) })
}

// mainsHum is 50 Hz with harmonics, as from a bad ground connection.
func mainsHum(n int, amplitude float64) []float32 {
	return made(n, func(t float64) (v float64) {
		for k, a := range []float64{1, 0.5, 0.6, 0.2, 0.3, 0.1, 0.15, 0.05} {
			v += amplitude * a * math.Sin(2*math.Pi*50*float64(k+1)*t+float64(k))
		}
		return v
	})
}

//go:norace
func noise(n int, amplitude float64) []float32 {
	random := rand.New(rand.NewPCG(1, 2))
	return made(n, func(float64) float64 { return amplitude * random.NormFloat64() })
}

// chords is a pad: four notes at a time, another chord every two seconds, with a slow tremolo.
func chords(n int, amplitude float64) []float32 {
	return made(n, func(t float64) (v float64) {
		root := []float64{220, 174.6, 196, 261.6}[int(t/2)%4]
		for _, ratio := range []float64{1, 1.26, 1.5, 2} {
			for harmonic := 1.0; harmonic < 5; harmonic++ {
				v += amplitude / harmonic * math.Sin(2*math.Pi*root*ratio*harmonic*t)
			}
		}
		return v * (1 + 0.2*math.Sin(2*math.Pi*0.7*t)) / 4
	})
}

// likeness returns the correlation of two recordings at the best lag within 20 ms, without its sign, and the level of a
// relative to b in dB. The race detector would watch each of 24 million products; so it is with the other loops over samples here.
//
//go:norace
func likeness(a, b []float32) (correlation, level float64) {
	const reach = 320
	n := min(len(a), len(b))
	var aa, bb float64
	for i := reach; i < n-reach; i += 3 {
		aa, bb = aa+float64(a[i])*float64(a[i]), bb+float64(b[i])*float64(b[i])
	}
	for lag := -reach; lag <= reach; lag++ {
		var ab float64
		for i := reach; i < n-reach; i += 3 {
			ab += float64(a[i]) * float64(b[i+lag])
		}
		correlation = max(correlation, math.Abs(ab)/math.Sqrt(aa*bb+1e-30))
	}
	return correlation, 10 * math.Log10(aa/bb)
}

func silence(n int) []float32 { return make([]float32, n) }

// changed takes a up to sample n and b from there.
func changed(n int, a, b []float32) []float32 { return append(slices.Clone(a[:n]), b[n:]...) }

func TestSpeechSurvivesTheMix(t *testing.T) {
	t.Parallel()
	s := clip(t)[:7*16000]
	n := len(s)
	half := n/2 + 100
	for name, c := range map[string]struct {
		planes     [][]float32
		likeness   float64 // of the mix with the clean speech, at least
		from, to   float64 // level relative to it, in dB
		wantReport func(audio.MixReport) bool
	}{
		"the same in both":        {[][]float32{s, s}, 0.9999, -0.1, 0.1, plainMix},
		"one channel is dead":     {[][]float32{silence(n), s}, 0.9999, -6.1, 0.1, plainMix},
		"opposite phase":          {[][]float32{s, scaled(-1, s)}, 0.999, -0.5, 0.5, inverted},
		"opposite phase, softer":  {[][]float32{s, scaled(-0.7, s)}, 0.999, -3, 0.5, inverted},
		"opposite phase in noise": {[][]float32{sum(s, noise(n, 0.003)), scaled(-1, s)}, 0.98, -0.5, 0.5, inverted},
		"phase turns in the middle": {
			[][]float32{s, changed(half, s, scaled(-1, s))}, 0.99, -0.5, 0.5, nil,
		},
		"phase turns back in the middle": {
			[][]float32{s, changed(half, scaled(-1, s), s)}, 0.99, -0.5, 0.5, nil,
		},
		"delay of half a millisecond": {[][]float32{s, delayed(8, s)}, 0.98, -1, 1, nil},
		"delay of a millisecond":      {[][]float32{s, delayed(16, s)}, 0.98, -1, 1, single},
		"delay of three milliseconds": {[][]float32{s, delayed(48, s)}, 0.9, -3, 1, nil},
		"a tone in one":               {[][]float32{sine(n, 1000, 0.7), s}, 0.98, -1, 0.5, leftOut},
		"a soft tone in one":          {[][]float32{sine(n, 440, 0.05), s}, 0.95, -7, 0.5, nil},
		"mains hum in one":            {[][]float32{s, mainsHum(n, 0.3)}, 0.98, -1, 0.5, leftOut},
		"white noise in one":          {[][]float32{noise(n, 0.1), s}, 0.98, -1, 0.5, leftOut},
		"mains hum over the same speech": {
			[][]float32{sum(s, mainsHum(n, 0.3)), s}, 0.98, -1, 0.5, leftOut,
		},
		"noise over the same speech": {[][]float32{sum(s, noise(n, 0.05)), s}, 0.98, -1, 0.5, leftOut},
		"a tone that begins later": {
			[][]float32{changed(half, silence(n), sine(n, 700, 0.4)), s}, 0.9, -6, 0.5, nil,
		},
		"music in one":                 {[][]float32{chords(n, 0.15), s}, 0.9, -7, 1, nil},
		"speech in one of six":         {[][]float32{silence(n), silence(n), s, silence(n), silence(n), silence(n)}, 0.999, -1, 0.5, nil},
		"speech in the centre, rumble": {[][]float32{silence(n), silence(n), s, sine(n, 40, 0.6), silence(n), silence(n)}, 0.98, -1, 0.5, nil},
		"beeps in one": {[][]float32{made(n, func(at float64) float64 {
			if math.Mod(at, 1) > 0.3 {
				return 0
			}
			return 0.5 * math.Sin(2*math.Pi*1000*at)
		}), s}, 0.98, -1, 0.5, leftOut},
		"a siren in one": {[][]float32{made(n, func(at float64) float64 {
			return 0.4 * math.Sin(2*math.Pi*(600*at+100*math.Sin(2*math.Pi*0.5*at)))
		}), s}, 0.98, -1, 0.5, leftOut},
		"opposite phase in two of four, turned back in the middle": {
			[][]float32{s, changed(half, scaled(-1, s), s), silence(n), silence(n)}, 0.98, -0.5, 0.5, inverted,
		},
		"opposite phase, then the same": {[][]float32{s, changed(n-48000, scaled(-1, s), s)}, 0.99, -0.5, 0.5, inverted},
		"opposite phase in two of four": {[][]float32{s, scaled(-1, s), silence(n), silence(n)}, 0.99, -0.5, 0.5, inverted},
		"40 dB apart":                   {[][]float32{scaled(0.01, s), s}, 0.999, -6.1, 0.1, plainMix},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, report := mix(c.planes...)
			if len(out) != n {
				t.Fatalf("%d samples of %d", len(out), n)
			}
			same, level := likeness(out, s)
			t.Logf("likeness %.4f, level %+.1f dB, %+v", same, level, report)
			if same < c.likeness {
				t.Errorf("likeness with the speech %.4f, want %.4f", same, c.likeness)
			}
			if level < c.from || level > c.to {
				t.Errorf("level %+.1f dB against the speech, want %+.1f to %+.1f", level, c.from, c.to)
			}
			if c.wantReport != nil && !c.wantReport(report) {
				t.Errorf("reported %+v", report)
			}
		})
	}
}

func plainMix(r audio.MixReport) bool {
	return r.Inverted.Length == 0 && r.Single.Length == 0 && r.LeftOut.Length == 0
}
func inverted(r audio.MixReport) bool { return r.Inverted.Length > 0 && r.LeftOut.Length == 0 }
func single(r audio.MixReport) bool   { return r.Single.Length > 0 && r.LeftOut.Length == 0 }
func leftOut(r audio.MixReport) bool  { return r.LeftOut.Length > 0 }

// TestEveryVoiceStaysInTheMix has two people, one on each side: both must be as loud in the mix as in the mean. If
// nothing is wrong with the recording, the mix is the mean.
func TestEveryVoiceStaysInTheMix(t *testing.T) {
	t.Parallel()
	first, second := clip(t)[:7*16000], secondVoice(t)
	n := len(first) + len(second)
	a := append(slices.Clone(first), silence(len(second))...)       // speaks first
	b := append(silence(len(first)), second...)                     // answers
	over := append(slices.Clone(second), silence(n-len(second))...) // speaks while the first does
	room := func(x []float32, seed float64) []float32 {
		return sum(x, scaled(float32(seed), noise(n, 1)))
	}
	for name, c := range map[string]struct {
		left, right   []float32
		first, second []float32 // what must be there
		plain         bool
	}{
		"in turn":                       {a, b, a, b, true},
		"in turn, with a room":          {room(a, 0.0004), room(b, 0.0006), a, b, true},
		"in turn, each hears the other": {sum(a, scaled(0.1, b)), sum(b, scaled(0.1, delayed(30, a))), a, b, true},
		"at once":                       {a, over, a, over, true},
		"in turn, one is 20 dB softer":  {a, scaled(0.1, b), a, b, true},
		"one microphone the wrong way round": {
			sum(a, scaled(0.3, b)), scaled(-1, sum(b, scaled(0.3, a))), a, b, false,
		},
		"the second in noise":   {a, sum(b, noise(n, 0.02)), a, b, false},
		"the second with a hum": {a, sum(b, mainsHum(n, 0.1)), a, b, false},
		"middle and side":       {sum(a, b), sum(a, scaled(-1, b)), a, b, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, report := mix(c.left, c.right)
			t.Logf("%+v", report)
			if c.plain {
				if !plainMix(report) {
					t.Errorf("not the plain mix: %+v", report)
				}
				for i := range out {
					if want := (c.left[i] + c.right[i]) / 2; out[i] != want {
						t.Fatalf("sample %d is %g, want the mean, %g", i, out[i], want)
					}
				}
			}
			for who, voice := range map[string][]float32{"first": c.first, "second": c.second} {
				gain := gainOf(voice, out)
				t.Logf("%s voice: gain %.2f", who, gain)
				want := 0.4
				if softer := gainOf(voice, c.right); who == "second" && c.plain && softer < 0.5 {
					want = 0.4 * softer
				}
				if math.Abs(gain) < want {
					t.Errorf("%s voice: gain %.2f", who, gain)
				}
			}
		})
	}
}

// gainOf returns how much of voice is in x, by projection.
//
//go:norace
func gainOf(voice, x []float32) float64 {
	var dot, power float64
	for i, v := range voice {
		dot, power = dot+float64(v)*float64(x[i]), power+float64(v)*float64(v)
	}
	return dot / power
}
