package rig

import (
	"math"
	"time"

	"github.com/scout-speech/scout"
)

// findStep is how many samples become one before a sound is looked for: 0.5 ms.
const findStep = 8

// findExact is how exact find is.
const findExact = time.Millisecond

// find returns where in a recording a sound begins that was played into it, by the largest correlation of the two. It
// looks at the loudest seconds of the sound, up to `within` from the beginning of the recording, also before it. It
// returns false if nothing in the recording is like the sound.
func find(sound, recording []float32, within time.Duration) (time.Duration, bool) {
	s, r := coarse(sound), coarse(recording)
	const rate = scout.EngineSampleRateHz / findStep
	length := min(len(s), 2*rate)
	if length < rate/20 || len(r) < rate/20 {
		return 0, false
	}
	from := loudest(s, length)
	needle := s[from : from+length]
	most := int(within.Seconds() * rate)
	best, at := 0.0, 0
	for lag := -most; lag <= most; lag++ { // where the sound begins
		begin := max(0, -(from + lag))
		end := min(length, len(r)-from-lag)
		if end-begin < length/2 {
			continue
		}
		if c := likeness(needle[begin:end], r[from+lag+begin:]); c > best {
			best, at = c, lag
		}
	}
	return time.Duration(at) * time.Second / rate, best > 0.5
}

// holds reports whether the whole of a short sound is in a recording.
func holds(sound, recording []float32) bool {
	s, r := coarse(sound), coarse(recording)
	for at := 0; len(s) > 0 && at+len(s) <= len(r); at++ {
		if likeness(s, r[at:]) > 0.8 {
			return true
		}
	}
	return false
}

// likeness is the correlation of a sound with as much of a recording.
func likeness(sound, recording []float32) float64 {
	var dot, a, b float64
	for i, v := range sound {
		x, y := float64(v), float64(recording[i])
		dot, a, b = dot+x*y, a+x*x, b+y*y
	}
	return dot / math.Sqrt(a*b+1e-12)
}

// loudest returns where the loudest stretch of a length begins.
func loudest(s []float32, length int) int {
	var sum float64
	for _, v := range s[:length] {
		sum += float64(v) * float64(v)
	}
	best, at := sum, 0
	for i := length; i < len(s); i++ {
		sum += float64(s[i])*float64(s[i]) - float64(s[i-length])*float64(s[i-length])
		if sum > best {
			best, at = sum, i-length+1
		}
	}
	return at
}

// coarse returns the means of every findStep samples.
func coarse(samples []float32) []float32 {
	out := make([]float32, len(samples)/findStep)
	for i := range out {
		for _, v := range samples[i*findStep : (i+1)*findStep] {
			out[i] += v / findStep
		}
	}
	return out
}
