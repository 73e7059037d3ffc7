package whisper

import (
	"math"

	"github.com/scout-speech/scout/internal/model/onnx"
	"github.com/scout-speech/scout/internal/model/onnx/build"
)

// The features: 100 windows a second, 25 ms each. Source: Radford et al., "Robust Speech Recognition via Large-Scale
// Weak Supervision", 2022 (arXiv:2212.04356), and OpenAI's audio.py.
const (
	rate   = 16000
	window = 400
	// Hop is the number of samples from window to window.
	Hop   = 160
	bins  = window/2 + 1
	floor = 1e-10 // the least power
)

// buildMel returns the graph of the features before they are scaled by the loudest of them:
//
//	in   samples   float [1, (T+2)*160]   the first window begins with the first sample
//	out  mel       float [1, T, mels]     log10 of the power in each mel band, at least -10
//
// The spectrum is a product with cosines and sines: at this size it takes no longer than a Fourier transform.
func buildMel(mels int) *onnx.Model {
	g := build.New("whisper features", nil)
	samples := g.Input("samples", onnx.Float32, onnx.Fixed(1), onnx.Named("samples"))
	rows := g.Reshape(samples, 1, -1, Hop)
	windows := g.Op("Concat", []value{
		g.Slice(rows, 1, 0, -2), g.Slice(rows, 1, 1, -1),
		g.Slice(g.Slice(rows, 1, 2, build.ToEnd), 2, 0, window-2*Hop),
	}, onnx.IntAttr("axis", 2))
	spectrum := g.Op("MatMul", []value{windows, g.Floats("spectrum", spectrum(), window, 2*bins)})
	power := g.Op("Mul", []value{spectrum, spectrum})
	parts := g.Node("", "Split", []value{power, g.Ints(bins, bins)}, 2, onnx.IntAttr("axis", 2))
	power = g.Op("Add", []value{parts[0], parts[1]})
	bands := g.Op("MatMul", []value{power, g.Floats("bands", bands(mels), bins, int64(mels))})
	bands = g.Op("Max", []value{bands, g.Floats("floor", []float32{floor}, 1)})
	logs := g.Op("Log", []value{bands})
	g.Named("", "Mul", []value{logs, g.Floats("decade", []float32{1 / math.Ln10}, 1)}, []value{"mel"})
	g.Output("mel", onnx.Float32, onnx.Fixed(1), onnx.Named("windows"), onnx.Fixed(int64(mels)))
	return g.Model(producer)
}

// spectrum returns cosines and sines of all bins under a Hann window, [window, 2*bins].
func spectrum() []float32 {
	out := make([]float32, window*2*bins)
	for n := range window {
		hann := 0.5 - 0.5*math.Cos(2*math.Pi*float64(n)/window)
		for k := range bins {
			sin, cos := math.Sincos(2 * math.Pi * float64(n*k%window) / window)
			out[n*2*bins+k], out[n*2*bins+bins+k] = float32(cos*hann), float32(sin*hann)
		}
	}
	return out
}

// bands returns the mel filters, [bins, mels]: triangles of equal area on Slaney's scale, which is linear up to 1 kHz and
// logarithmic above, up to 8 kHz. Source: librosa.filters.mel, which OpenAI's mel_filters.npz comes from.
func bands(mels int) []float32 {
	const (
		linear  = 200.0 / 3 // Hz a mel up to the corner
		corner  = 1000.0    // Hz
		highest = 45.245640471924965
	)
	step := math.Log(6.4) / 27
	edges := make([]float64, mels+2)
	for i := range edges {
		mel := highest * float64(i) / float64(mels+1)
		edges[i] = linear * mel
		if mel >= corner/linear {
			edges[i] = corner * math.Exp(step*(mel-corner/linear))
		}
	}
	out := make([]float32, bins*mels)
	for m := range mels {
		low, middle, high := edges[m], edges[m+1], edges[m+2]
		for k := range bins {
			hertz := float64(k) * rate / window
			rise, fall := (hertz-low)/(middle-low), (high-hertz)/(high-middle)
			out[k*mels+m] = float32(max(0, min(rise, fall)) * 2 / (high - low))
		}
	}
	return out
}
