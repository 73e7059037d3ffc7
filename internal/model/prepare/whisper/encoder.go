package whisper

import (
	"fmt"
	"math"

	"github.com/scout-speech/scout/internal/model/onnx"
	"github.com/scout-speech/scout/internal/model/onnx/build"
	"github.com/scout-speech/scout/internal/model/prepare"
)

// taps is the width of both convolutions.
const taps = 3

// buildEncoder lays out the encoder. D is the model's width, H its heads, and there are S = T/2 frames:
//
//	in   mel             float [1, T, mels]    scaled features; T even, at most 3000
//	out  cross_key.L     float [1, H, S, 64]   for each decoder layer L, scaled by 1/sqrt(64)
//	out  cross_value.L   float [1, H, S, 64]
func (g *graph) buildEncoder() {
	mel := g.Input("mel", onnx.Float32, onnx.Fixed(1), onnx.Named("windows"), onnx.Fixed(int64(g.shape.Mels)))
	stream := g.stem(mel)
	normed := g.Norm(stream, g.norm("encoder/layer_0/self_attention/layer_norm")...)
	for l := range g.shape.EncoderLayers {
		if g.stopped() {
			return
		}
		next := "encoder/layer_norm"
		if l+1 < g.shape.EncoderLayers {
			next = fmt.Sprintf("encoder/layer_%d/self_attention/layer_norm", l+1)
		}
		stream, normed = g.encoderLayer(fmt.Sprintf("encoder/layer_%d/", l), stream, normed, next)
	}
	g.crossAttention(normed)
}

// stem turns features [1, T, mels] into frames [1, T/2, D]: two convolutions as products over windows, in floats. In
// [time, channel] layout nothing has to be transposed.
func (g *graph) stem(mel value) value {
	mels, width := g.shape.Mels, g.shape.Width
	padding := g.Floats("conv1.padding", make([]float32, mels), 1, 1, int64(mels))
	padded := g.Op("Concat", []value{padding, mel, padding}, onnx.IntAttr("axis", 1))
	windows := g.Op("Concat", []value{g.Slice(padded, 1, 0, -2), mel, g.Slice(padded, 1, 2, build.ToEnd)}, onnx.IntAttr("axis", 2))
	x := g.convolution("encoder/conv1", windows, mels)

	// Two rows at a time: the row before, which is the second of the pair before, and the pair.
	pairs := g.Reshape(x, 1, -1, int64(2*width))
	second := g.Slice(pairs, 2, int64(width), int64(2*width))
	nothing := g.Floats("conv2.padding", make([]float32, width), 1, 1, int64(width))
	before := g.Op("Concat", []value{nothing, g.Slice(second, 1, 0, -1)}, onnx.IntAttr("axis", 1))
	x = g.convolution("encoder/conv2", g.Op("Concat", []value{before, pairs}, onnx.IntAttr("axis", 2)), width)

	const name = "encoder/position_encodings/encodings"
	places := g.Floats(name, g.vector(name, g.shape.Frames*width), 1, int64(g.shape.Frames), int64(width))
	return g.Op("Add", []value{x, g.Op("Slice", []value{places, g.Ints(0), g.Length(x, 1), g.Ints(1)})})
}

// convolution multiplies windows, in which taps stand one after the other, and applies GELU.
func (g *graph) convolution(name string, windows value, in int) value {
	out := g.shape.Width
	stored := g.vector(name+"/weight", out*in*taps) // [out, in, taps]
	w := make([]float32, len(stored))               // [taps, in, out]
	for o := range out {
		for i := range in {
			for t := range taps {
				w[(t*in+i)*out+o] = stored[(o*in+i)*taps+t]
			}
		}
	}
	x := g.Op("MatMul", []value{windows, g.Floats(name+".weight", w, int64(taps*in), int64(out))})
	return g.ContribOp("BiasGelu", []value{x, g.floats(name+"/bias", out)})
}

// encoderLayer is one transformer layer, norm first: attention over all frames, then the MLP. It takes the residual
// stream and its norm, and returns the next layer's.
func (g *graph) encoderLayer(p string, stream, normed value, next string) (value, value) {
	width, attention := g.shape.Width, p+"self_attention/"
	fused := g.matrix(attention+"linear_0/weight", 3*width, width)
	bias := g.vector(attention+"linear_0/bias", 3*width)
	rounded := g.rounding(normed)
	var parts []value
	for i, part := range [...]string{"query", "key", "value"} {
		from, to := i*width, (i+1)*width
		b := g.Floats(attention+part+".bias", bias[from:to], int64(width))
		parts = append(parts, g.product(attention+part, rounded, fused.part(from, to), b))
	}
	x := g.ContribOp("MultiHeadAttention", parts, onnx.IntAttr("num_heads", int64(g.shape.Heads)))
	x = g.linear(attention+"out", x, g.matrix(attention+"linear_1/weight", width, width), "")
	stream, normed = g.addNorm(stream, x, p+"ffn/layer_norm", attention+"linear_1/bias")

	x = g.linear(p+"up", normed, g.matrix(p+"ffn/linear_0/weight", 4*width, width), g.floats(p+"ffn/linear_0/bias", 4*width))
	x = g.ContribOp("Gelu", []value{x})
	x = g.down(p+"down", x, g.matrix(p+"ffn/linear_1/weight", width, 4*width))
	return g.addNorm(stream, x, next, p+"ffn/linear_1/bias")
}

// down is the second product of the MLP. After GELU a few channels are far larger than the rest: with one rounding for the
// tensor they leave the others a few steps, and long recordings get 1.1 points more word errors. Without VNNI a product
// that is rounded by blocks takes longer than one in floats.
func (g *graph) down(name string, x value, m matrix) value {
	if g.variant == prepare.VariantSigned {
		return g.blocked(name, x, m, "")
	}
	return g.whole(name, x, m)
}

// crossAttention computes keys and values of all decoder layers from the encoded frames, which are rounded once. The
// scale of attention goes into the keys, where it is exact: a power of two for heads of 64.
func (g *graph) crossAttention(frames value) {
	width, heads := g.shape.Width, int64(g.shape.Heads)
	rounded := g.rounding(frames)
	for l := range g.shape.DecoderLayers {
		p := fmt.Sprintf("decoder/layer_%d/attention/linear_1/", l)
		fused := g.matrix(p+"weight", 2*width, width)
		bias := g.vector(p+"bias", 2*width)
		scale := float32(1 / math.Sqrt(float64(g.headWidth())))
		scaled := make([]float32, width)
		for i := range scaled {
			scaled[i] = bias[i] * scale
		}
		for _, part := range []struct {
			name    string
			weights matrix
			bias    []float32
		}{
			{"cross_key", fused.part(0, width).times(scale), scaled},
			{"cross_value", fused.part(width, 2*width), bias[width:]},
		} {
			name := fmt.Sprintf("%s.%d", part.name, l)
			x := g.product(name, rounded, part.weights, g.Floats(name+".bias", part.bias, int64(width)))
			x = g.Reshape(x, 1, -1, heads, int64(g.headWidth()))
			g.Named("", "Transpose", []value{x}, []value{value(name)}, onnx.IntsAttr("perm", 0, 2, 1, 3))
			g.Output(value(name), onnx.Float32, onnx.Fixed(1), onnx.Fixed(heads), onnx.Named("frames"), onnx.Fixed(int64(g.headWidth())))
		}
	}
}

func (g *graph) headWidth() int { return g.shape.Width / g.shape.Heads }
