// Package noise makes sounds without words, to measure that a transcriber finds no words in them and still understands
// speech through them. Every sound is a function of its name alone.
package noise

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/scout-speech/scout"
)

// Kind is a sound.
type Kind string

// The sounds. Each imitates what makes the real sound difficult: breath has the band and rhythm of speech, typing the
// onsets, music the harmonics, a street the swells.
const (
	Breath Kind = "breath"
	Typing Kind = "typing"
	Music  Kind = "music"
	Street Kind = "street"
	Hum    Kind = "hum"
	White  Kind = "white"
	// Room is a quiet room: brown noise of its ventilation, a little hum, and hiss of the microphone.
	Room Kind = "room"
	// Silence is digital: all samples are 0.
	Silence Kind = "silence"
)

// Alone returns the sounds in which nothing may be heard when they are alone.
func Alone() []Kind { return append([]Kind{Silence, Room}, Kinds()...) }

// Kinds returns the sounds that are also mixed into speech.
func Kinds() []Kind { return []Kind{Breath, Typing, Music, Street, Hum, White} }

const rate = scout.EngineSampleRateHz

// roomPeak is the level of a room, -40 dBFS: louder ones are for the sounds that happen in it.
const roomPeak = 0.01

// Make returns the sound at 16 kHz mono with a peak of 0.5, that of a room with a peak of roomPeak, or nil for an unknown kind.
func Make(kind Kind, length time.Duration) []float32 {
	rng := rand.New(rand.NewPCG(uint64(len(kind)), 7))
	out := make([]float64, int(length.Seconds()*rate))
	switch kind {
	case Breath:
		breath(rng, out)
	case Typing:
		typing(rng, out)
	case Music:
		music(rng, out)
	case Street:
		street(rng, out)
	case Hum:
		for i := range out {
			t := float64(i) / rate
			out[i] = math.Sin(2*math.Pi*50*t) + 0.5*math.Sin(2*math.Pi*150*t+1) + 0.02*rng.NormFloat64()
		}
	case White:
		for i := range out {
			out[i] = rng.NormFloat64()
		}
	case Room:
		room(rng, out)
	case Silence:
		return make([]float32, len(out))
	default:
		return nil
	}
	if kind == Room {
		return scaled(out, roomPeak)
	}
	return scaled(out, 0.5)
}

// room rises and falls slowly, as when an air conditioner runs in it.
func room(rng *rand.Rand, out []float64) {
	brown := 0.0
	for i := range out {
		t := float64(i) / rate
		brown = 0.995*brown + rng.NormFloat64()
		swell := 1 + 0.4*math.Sin(2*math.Pi*t/17)
		out[i] = swell*brown + 3*math.Sin(2*math.Pi*50*t) + math.Sin(2*math.Pi*100*t+1) + 0.5*rng.NormFloat64()
	}
}

func scaled(in []float64, peak float64) []float32 {
	top := 1e-12
	for _, v := range in {
		top = max(top, math.Abs(v))
	}
	out := make([]float32, len(in))
	for i, v := range in {
		out[i] = float32(v / top * peak)
	}
	return out
}

// resonance is a two-pole filter around a frequency.
type resonance struct{ a, b, y1, y2 float64 }

func newResonance(hz, bandwidth float64) resonance {
	r := math.Exp(-math.Pi * bandwidth / rate)
	return resonance{a: 2 * r * math.Cos(2*math.Pi*hz/rate), b: -r * r}
}

func (f *resonance) next(x float64) float64 {
	y := x + f.a*f.y1 + f.b*f.y2
	f.y2, f.y1 = f.y1, y
	return y
}

// breath goes in and out about every four seconds: noise through the resonances of a mouth.
func breath(rng *rand.Rand, out []float64) {
	low, high := newResonance(900, 600), newResonance(2300, 900)
	for at := 0; at < len(out); {
		in, pause := rate*(9+rng.IntN(8))/10, rate*(3+rng.IntN(12))/10
		for i := 0; i < in && at+i < len(out); i++ {
			swell := math.Pow(math.Sin(math.Pi*float64(i)/float64(in)), 2)
			x := rng.NormFloat64()
			out[at+i] = swell * (low.next(x) + 0.5*high.next(x))
		}
		at += in + pause
	}
}

// typing is five to eight keys a second: a click going down, a weaker one coming up.
func typing(rng *rand.Rand, out []float64) {
	for at := 0; at < len(out); at += rate/12 + rng.IntN(rate/6) {
		if rng.IntN(25) == 0 {
			at += rate // a pause for thought
		}
		for _, click := range []struct {
			delay int
			gain  float64
		}{{0, 1}, {rate/16 + rng.IntN(rate/40), 0.4}} {
			body := newResonance(1500+rng.Float64()*1800, 500)
			for i := range rate / 50 {
				if n := at + click.delay + i; n < len(out) {
					out[n] += click.gain * body.next(rng.NormFloat64()) * math.Exp(-float64(i)/60)
				}
			}
		}
	}
	for i := range out {
		out[i] += 0.01 * rng.NormFloat64()
	}
}

// music is plucked chords, a bass and a drum, at two beats a second.
func music(rng *rand.Rand, out []float64) {
	chords := [][]int{{0, 4, 7}, {-3, 0, 4}, {5, 9, 12}, {-5, 2, 7}}
	beat := rate / 2
	for n := 0; n*beat < len(out); n++ {
		chord := chords[n/4%len(chords)]
		for k, note := range append(chord, chord[0]-24, chord[rng.IntN(3)]+12) {
			hz := 261.63 * math.Pow(2, float64(note)/12)
			for i := range 2 * beat {
				at := n*beat + k*rate/200 + i
				if at >= len(out) {
					break
				}
				t := float64(i) / rate
				var v float64
				for h := 1.0; h <= 5 && h*hz < rate/2; h++ {
					v += math.Sin(2*math.Pi*h*hz*t) / h * math.Exp(-t*(1.5+h))
				}
				out[at] += v
			}
		}
		for i := range rate / 20 {
			if at := n*beat + i; n%2 == 1 && at < len(out) {
				out[at] += 1.5 * rng.NormFloat64() * math.Exp(-float64(i)/150)
			}
		}
	}
}

// street is a rumble, passing cars, and an occasional horn.
func street(rng *rand.Rand, out []float64) {
	rumble, tyres := 0.0, newResonance(700, 800)
	const pass = 5 * rate
	for i := range out {
		rumble = 0.998*rumble + rng.NormFloat64()
		swell := math.Exp(-math.Pow(float64(i%pass)/pass-0.5, 2) * 40)
		out[i] = 0.3*rumble + swell*3*tyres.next(rng.NormFloat64())
		if horn := i % (11 * rate); horn > 7*rate && horn < 7*rate+rate/2 {
			t := float64(i) / rate
			out[i] += 12 * (math.Sin(2*math.Pi*415*t) + math.Sin(2*math.Pi*523*t))
		}
	}
}

// Mix adds noise to speech and to its pauses. The noise is repeated to fit and scaled so that the power of the speech
// is snr dB above its own. The result is new memory, as long as speech.
func Mix(speech, noise []float32, snr float64) []float32 {
	out := make([]float32, len(speech))
	gain := float32(math.Sqrt(power(speech)/power(noise)) * math.Pow(10, -snr/20))
	for i, v := range speech {
		out[i] = v + gain*noise[i%len(noise)]
	}
	return out
}

// power returns the mean power, never 0.
func power(x []float32) float64 {
	sum := 1e-12
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum / float64(max(len(x), 1))
}
