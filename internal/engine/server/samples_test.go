package server

import (
	"math"
	"testing"

	"github.com/scout-speech/scout"
)

func TestCheckSamples(t *testing.T) {
	t.Parallel()
	const most = 100
	at := func(i int, v float32) []float32 {
		s := make([]float32, most)
		s[i] = v
		return s
	}
	for name, c := range map[string]struct {
		samples []float32
		want    scout.Code
	}{
		"none":                      {nil, ""},
		"as many as may be":         {make([]float32, most), ""},
		"one more":                  {make([]float32, most+1), scout.CodeAudioTooLong},
		"the largest":               {at(7, math.MaxFloat32), ""},
		"the smallest":              {at(7, -math.SmallestNonzeroFloat32), ""},
		"infinity":                  {at(0, float32(math.Inf(1))), scout.CodeAudioInvalidSamples},
		"minus infinity at the end": {at(most-1, float32(math.Inf(-1))), scout.CodeAudioInvalidSamples},
		"no number":                 {at(50, float32(math.NaN())), scout.CodeAudioInvalidSamples},
		"no number, negative":       {at(50, math.Float32frombits(0xff800001)), scout.CodeAudioInvalidSamples},
	} {
		if err := checkSamples(c.samples, most); (err == nil) != (c.want == "") || err != nil && scout.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
