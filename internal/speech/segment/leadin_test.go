package segment_test

import (
	"math"
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/speech/segment"
)

// swinging is audio whose level varies like that of speech, after some frames at a ten-thousandth of that level.
func swinging(quiet, loud int) []float32 {
	samples := make([]float32, quiet+loud)
	for i := range samples {
		level := 1e-5
		if i >= quiet && i%4000 > 800 {
			level = 0.1
		}
		samples[i] = float32(level * math.Sin(float64(i)))
	}
	return samples
}

func TestWithoutLeadIn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		quiet, before int
		wantCut       bool
	}{
		"speech at once":                {quiet: 0},
		"half a second of quiet":        {quiet: 7200},
		"two seconds of quiet":          {quiet: 32000, wantCut: true},
		"two seconds, one in context":   {quiet: 32000, before: 16000, wantCut: true},
		"two seconds, all in context":   {quiet: 32000, before: 40000, wantCut: true},
		"silence alone has no lead-in":  {quiet: -1},
		"one loud hop at the very end":  {quiet: -2},
		"less than a hop has no levels": {quiet: -3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var samples []float32
			switch test.quiet {
			case -1:
				samples = make([]float32, 48000)
			case -2:
				samples = swinging(64000, 160)
			case -3:
				samples = make([]float32, 100)
			default:
				samples = swinging(test.quiet, 64000)
			}
			p := segment.Piece{Start: 1000, Samples: samples, Before: test.before}
			got, ok := p.WithoutLeadIn()
			if ok != test.wantCut && test.quiet >= 0 {
				t.Fatalf("cut: %v, want %v", ok, test.wantCut)
			}
			if !ok {
				if len(got.Samples) != len(samples) || got.Start != p.Start {
					t.Fatal("a piece without a lead-in was changed")
				}
				return
			}
			cut := len(samples) - len(got.Samples)
			if got.End() != p.End() || got.HeardTo() != p.HeardTo() {
				t.Errorf("the end moved from %d to %d", p.End(), got.End())
			}
			if moved := got.Start - int64(got.Before) - (p.Start - int64(p.Before)); moved != int64(cut) {
				t.Errorf("%d frames are cut off, but the audio begins %d later", cut, moved)
			}
			if test.quiet > 0 && (cut > test.quiet-4000 || cut < test.quiet-9600) {
				t.Errorf("%d of %d quiet frames are cut off, want all but about 400 ms", cut, test.quiet)
			}
		})
	}
}

// TestWithoutSilentEnd takes the silent end off the same audio, turned around.
func TestWithoutSilentEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		quiet, after int
		wantCut      bool
	}{
		"speech to the end":            {quiet: 0},
		"a tenth of a second of quiet": {quiet: 1600, wantCut: true},
		"half a second of quiet":       {quiet: 8000, wantCut: true},
		"two seconds, one in context":  {quiet: 32000, after: 16000, wantCut: true},
		"two seconds, all in context":  {quiet: 32000, after: 40000, wantCut: true},
		"silence alone":                {quiet: -1},
		"less than a hop":              {quiet: -2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			samples := swinging(max(test.quiet, 0), 64000)
			slices.Reverse(samples)
			switch test.quiet {
			case -1:
				samples = make([]float32, 48000)
			case -2:
				samples = make([]float32, 100)
			}
			p := segment.Piece{Start: 1000, Samples: samples, After: test.after}
			got, ok := p.WithoutSilentEnd(-75)
			if ok != test.wantCut {
				t.Fatalf("cut: %v, want %v", ok, test.wantCut)
			}
			cut := len(samples) - len(got.Samples)
			if !ok {
				if cut != 0 || got.End() != p.End() {
					t.Fatal("a piece without a silent end was changed")
				}
				return
			}
			if got.Start != p.Start || got.HeardFrom() != p.HeardFrom() || got.HeardTo() != p.HeardTo()-segment.Duration(int64(cut)) || got.Frames() > p.Frames() || got.After < 0 {
				t.Errorf("from %v to %v, with context to %v", got.From(), got.To(), got.HeardTo())
			}
			if cut > test.quiet+160 || cut < test.quiet-960 {
				t.Errorf("%d of %d quiet frames are cut off, want all but about 50 ms", cut, test.quiet)
			}
		})
	}
}
