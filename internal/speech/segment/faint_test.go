package segment_test

import (
	"math"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/speech/segment"
)

func TestAmplified(t *testing.T) {
	t.Parallel()
	faint := bursts(1, 4, rhythm{1, 0.5}, loudness{1e-4, 1e-6})
	for name, offset := range map[string]float32{"faint": 0, "faint on direct current": 0.3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := make([]float32, len(faint))
			for i, v := range faint {
				in[i] = v + offset
			}
			before := segment.Piece{Start: 7, Before: 100, After: 200, Samples: in}
			peak := before.Peak()
			after, louder := before.Amplified()
			largest := 0.0
			for _, v := range after.Samples {
				largest = max(largest, math.Abs(float64(v)))
			}
			if math.Abs(largest-0.5) > 1e-4 || after.Start != 7 || after.Before != 100 || after.After != 200 {
				t.Errorf("largest sample %.4f in %+v", largest, after)
			}
			if got := after.Peak() - peak; math.Abs(got-louder) > 0.5 || louder < 40 {
				t.Errorf("louder by %.1f dB, reported %.1f", got, louder)
			}
			if in[0] != faint[0]+offset {
				t.Error("the samples were changed in place")
			}
		})
	}
	for name, in := range map[string][]float32{"nothing": nil, "silence": make([]float32, 100), "not a number": {float32(math.NaN()), float32(math.Inf(1))}} {
		if _, louder := (segment.Piece{Samples: in}).Amplified(); louder != 0 {
			t.Errorf("%s is louder by %v dB", name, louder)
		}
	}
}

func TestPart(t *testing.T) {
	t.Parallel()
	p := segment.Piece{Start: 10 * rate, Before: rate, After: rate, Samples: bursts(1, 8, rhythm{1, 0.5}, loudness{0.1, 0.001})}
	part, ok := p.Part(12*time.Second, 13*time.Second)
	if !ok || part.From() != 12*time.Second || part.To() != 13*time.Second || part.Samples[0] != p.Samples[3*rate] || part.HeardFrom() != part.From() {
		t.Errorf("%v: from %v to %v", ok, part.From(), part.To())
	}
	if part, ok := p.Part(0, time.Minute); !ok || part.From() != p.From() || part.To() != p.To() {
		t.Errorf("%v: from %v to %v, want the core", ok, part.From(), part.To())
	}
	if _, ok := p.Part(12*time.Second, 12*time.Second); ok {
		t.Error("a part of nothing")
	}
}
