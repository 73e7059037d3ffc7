package audio_test

import (
	"testing"

	"github.com/scout-speech/scout/internal/audio"
)

// BenchmarkMixer mixes a second of stereo at a time; seconds of audio in a second are 1e9 / (ns/op).
func BenchmarkMixer(b *testing.B) {
	s := clip(b)
	for name, planes := range map[string][][]float32{
		"stereo": {s, delayed(40, s)}, "same": {s, s}, "opposite": {s, scaled(-1, s)}, "six": {s, s, s, s, s, s},
	} {
		b.Run(name, func(b *testing.B) {
			m := audio.NewMixer(len(planes))
			out := make([]float32, 64000)
			block := make([][]float32, len(planes))
			b.ReportAllocs()
			for i := range b.N {
				from := i % 10 * 16000
				for c := range planes {
					block[c] = planes[c][from : from+16000]
				}
				m.Write(block)
				m.Read(out)
			}
		})
	}
}
