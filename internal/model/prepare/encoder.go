package prepare

import (
	"fmt"

	"github.com/scout-speech/scout/internal/model/onnx"
	"github.com/scout-speech/scout/internal/model/onnx/build"
)

// encoderGraph builds the prepared encoder: samples in, keys and values of the decoder's six cross-attentions out.
// Everything that depends only on the audio is computed here, once.
type encoderGraph struct {
	*graph
	enc     *original // the published encoder
	dec     *original // the published decoder: the cross-attention's key and value projections
	variant Variant
	// cos, sin are the rotary tables, shape [maxFrames, rotated/2].
	cos, sin value
}

// buildEncoder returns the prepared encoder graph.
//
//	in   samples          float [1, n]          16 kHz mono, full scale 1; n >= 0
//	out  cross_key.L      float [1, 8, S, 36]   for each decoder layer L, scaled by 1/sqrt(36)
//	out  cross_value.L    float [1, 8, S, 36]
//
// S is Frames(n).
func buildEncoder(enc, dec *original, variant Variant) *onnx.Model {
	e := &encoderGraph{graph: newGraph("moonshine encoder"), enc: enc, dec: dec, variant: variant}
	samples := e.Input("samples", onnx.Float32, onnx.Fixed(1), onnx.Named("samples"))
	e.cos, e.sin = e.rotaryTables(enc.floats("/rotary_emb/Cast_1_output_0", 1, rotated/2, 1), maxFrames)

	stream := e.stem(samples)
	normed := e.Norm(stream, e.weight("layers.0.input_layernorm.weight"))
	for l := range layers {
		next := "layer_norm.weight"
		if l+1 < layers {
			next = fmt.Sprintf("layers.%d.input_layernorm.weight", l+1)
		}
		stream, normed = e.layer(l, stream, normed, e.weight(next))
	}
	e.crossAttention(normed)
	return e.model()
}

// weight adds a published vector of the model's width as a constant.
func (e *encoderGraph) weight(name string) value {
	return e.Floats(name, e.enc.vector(name, width), width)
}

// stem turns samples [1, n] into frames [1, S, width]. The convolutions are matrix products over windows in [time,
// channel] layout. Everything after them works in this layout, so nothing is transposed.
func (e *encoderGraph) stem(samples value) value {
	x := e.convolution1(e.padded(samples))
	x = e.Op("Tanh", []value{x})
	x = e.groupNorm(x)
	x = e.convolution2(x)
	x = e.ContribOp("Gelu", []value{x})
	x = e.convolution3(x)
	return e.ContribOp("Gelu", []value{x})
}

// padded returns the samples padded with silence to at least MinSamples, and then cut or padded to whole rows of
// conv1Stride such that the last row is the second half of the last window.
func (e *encoderGraph) padded(samples value) value {
	windows := e.Op("Div", []value{
		e.Op("Sub", []value{e.Length(samples, 1), e.Ints(conv1Taps)}), e.Ints(conv1Stride),
	}) // one less than there are
	length := e.Op("Mul", []value{e.Op("Add", []value{windows, e.Ints(2)}), e.Ints(conv1Stride)})
	length = e.Op("Max", []value{length, e.Ints(MinSamples)})
	silence := e.Floats("silence", make([]float32, MinSamples), 1, MinSamples)
	long := e.Op("Concat", []value{samples, silence}, onnx.IntAttr("axis", 1))
	return e.Op("Slice", []value{long, e.Ints(0), length, e.Ints(1)})
}

// convolution1 is the convolution over samples: 127 taps, 64 samples apart. A window is one row of 64 samples
// and the first 63 of the next.
func (e *encoderGraph) convolution1(samples value) value {
	rows := e.Reshape(samples, 1, -1, conv1Stride)
	first := e.Slice(rows, 1, 0, -1)
	second := e.Slice(e.Slice(rows, 1, 1, build.ToEnd), 2, 0, conv1Taps-conv1Stride)
	windows := e.Op("Concat", []value{first, second}, onnx.IntAttr("axis", 2))
	w := e.enc.convolution("conv1", conv1Taps, 1, conv1Out)
	return e.Op("MatMul", []value{windows, e.Floats("conv1.weight", w.floats(), conv1Taps, conv1Out)})
}

// groupNorm normalises over all frames and channels at once, then scales and shifts by channel.
func (e *encoderGraph) groupNorm(x value) value {
	one := e.Floats("groupnorm.one", []float32{1}, 1)
	zero := e.Floats("groupnorm.zero", []float32{0}, 1)
	flat := e.Op("InstanceNormalization", []value{e.Reshape(x, 1, 1, -1), one, zero}, onnx.FloatAttr("epsilon", normEpsilon))
	x = e.Reshape(flat, 1, -1, width)
	scale := e.Floats("groupnorm.scale", e.enc.floats("onnx::Mul_1488", width, 1), width)
	shift := e.Floats("groupnorm.shift", e.enc.floats("onnx::Add_1489", width, 1), width)
	return e.Op("Add", []value{e.Op("Mul", []value{x, scale}), shift})
}

// convolution2 is the widest product of the stem. Its input is rounded to 8 bits twice: first itself, then the
// remainder of the first rounding. This keeps about 15 bits at two thirds of the cost of floats.
func (e *encoderGraph) convolution2(x value) value {
	const in = conv1Out
	w := e.enc.convolution("conv2", conv2Taps, in, conv2Out)
	weights, zeros, t := e.variant.integers(w)
	cw := e.Constant("conv2.weight", t, weights, conv2Taps*in, conv2Out)
	cz := e.Constant("conv2.zero", t, zeros[:1])
	cs := e.Floats("conv2.scale", w.scales[:1])

	rounded := e.Node("", "DynamicQuantizeLinear", []value{x}, 3)
	left := e.Op("Sub", []value{x, e.Op("DequantizeLinear", rounded)})
	fill := e.Constant("conv2.fill", onnx.Uint8, make([]byte, 2*in), 1, 2, in)
	product := func(q []value) value {
		y := e.Op("MatMulInteger", []value{e.windows(q[0], fill, in, conv2Taps, conv2Stride), cw, q[2], cz})
		return e.Op("Mul", []value{e.Op("Cast", []value{y}, onnx.IntAttr("to", int64(onnx.Float32))), e.Op("Mul", []value{q[1], cs})})
	}
	// The remainder comes first, because it is the larger one to keep in the meantime.
	y := e.Op("Add", []value{product(e.Node("", "DynamicQuantizeLinear", []value{left}, 3)), product(rounded)})
	return e.Op("Add", []value{y, e.Floats("conv2.bias", e.enc.vector("conv2.bias", conv2Out), conv2Out)})
}

// convolution3 stays in floats: rounded to 8 bits it loses words.
func (e *encoderGraph) convolution3(x value) value {
	const in = conv2Out
	w := e.enc.convolution("conv3", conv3Taps, in, conv3Out)
	fill := e.Floats("conv3.fill", make([]float32, in), 1, 1, in)
	y := e.Op("MatMul", []value{
		e.windows(x, fill, in, conv3Taps, conv3Stride),
		e.Floats("conv3.weight", w.floats(), conv3Taps*in, conv3Out),
	})
	return e.Op("Add", []value{y, e.Floats("conv3.bias", e.enc.vector("conv3.bias", conv3Out), conv3Out)})
}

// windows returns the windows of a convolution over frames as rows: x [1, n, channels] becomes
// [1, (n-taps)/stride+1, taps*channels]. fill is frames of zeros [1, k, channels] with (taps+k) a multiple of
// stride; they make up whole blocks at the end and are in no window.
func (e *encoderGraph) windows(x, fill value, channels, taps, stride int64) value {
	x = e.Op("Concat", []value{x, fill}, onnx.IntAttr("axis", 1))
	blocks := e.Op("Div", []value{e.Length(x, 1), e.Ints(stride)})
	x = e.Op("Slice", []value{x, e.Ints(0), e.Op("Mul", []value{blocks, e.Ints(stride)}), e.Ints(1)})
	x = e.Reshape(x, 1, -1, stride*channels)
	n := (taps + stride - 1) / stride // blocks a window spans
	parts := make([]value, n)
	for i := range n {
		end := i - n + 1
		if end == 0 {
			end = build.ToEnd
		}
		parts[i] = e.Slice(x, 1, i, end)
		if left := taps - i*stride; left < stride {
			parts[i] = e.Slice(parts[i], 2, 0, left*channels)
		}
	}
	return e.Op("Concat", parts, onnx.IntAttr("axis", 2))
}

// layer is one transformer layer, norm first: self-attention over all frames, then the MLP. It takes the
// residual stream and its norm, and returns the next layer's.
func (e *encoderGraph) layer(l int, stream, normed, nextNorm value) (value, value) {
	p := fmt.Sprintf("layers.%d", l)
	attended := e.selfAttention(l, normed)
	stream, normed = e.AddNorm(stream, attended, e.weight(p+".post_attention_layernorm.weight"))

	bias := func(name string, n int64) value {
		return e.Floats(name, e.enc.vector(name, n), n)
	}
	up := e.enc.projection("/"+p+"/mlp/fc1", width, encoderMLP)
	down := e.enc.projection("/"+p+"/mlp/fc2", encoderMLP, width)
	x := e.linear(p+".mlp.up", normed, up, bias(p+".mlp.fc1.bias", encoderMLP))
	x = e.ContribOp("Gelu", []value{x})
	x = e.linear(p+".mlp.down", x, down, bias(p+".mlp.fc2.bias", width))
	return e.AddNorm(stream, x, nextNorm)
}

// selfAttention is full attention with rotary positions. Queries, keys and values are three products over frames that
// are rounded once: a single product would have to be split.
func (e *encoderGraph) selfAttention(l int, x value) value {
	p := fmt.Sprintf("layers.%d.attention", l)
	source := fmt.Sprintf("/layers.%d/self_attn/", l)
	quantised := e.Node("", "DynamicQuantizeLinear", []value{x}, 3)
	project := func(part string) value {
		return e.product(p+"."+part, quantised, e.enc.projection(source+part+"_proj", width, width))
	}
	attended := e.ContribOp("MultiHeadAttention",
		[]value{e.rotary(project("q")), e.rotary(project("k")), project("v")}, onnx.IntAttr("num_heads", heads))
	return e.linear(p+".out", attended, e.enc.projection(source+"dense", width, width), "")
}

// rotary rotates the first elements of every head by its position.
func (e *encoderGraph) rotary(x value) value {
	return e.ContribOp("RotaryEmbedding", []value{x, e.Ints(0), e.cos, e.sin},
		onnx.IntAttr("interleaved", 1), onnx.IntAttr("num_heads", heads), onnx.IntAttr("rotary_embedding_dim", rotated))
}

// crossAttention computes keys and values of all decoder layers from the encoded frames. Each has its own product over
// frames that are rounded once, and writes straight into its output: a single product would have to be split.
func (e *encoderGraph) crossAttention(frames value) {
	keys, values := make([]matrix, layers), make([]matrix, layers)
	for l := range layers {
		p := fmt.Sprintf("/model/decoder/layers.%d/encoder_attn/", l)
		keys[l] = e.dec.projection(p+"k_proj", width, width).times(attentionScale)
		values[l] = e.dec.projection(p+"v_proj", width, width)
	}
	quantised := e.Node("", "DynamicQuantizeLinear", []value{frames}, 3)
	for l := range layers {
		for _, part := range []struct {
			name string
			w    matrix
		}{{"cross_key", keys[l]}, {"cross_value", values[l]}} {
			name := fmt.Sprintf("%s.%d", part.name, l)
			x := e.product(name, quantised, part.w)
			out := value(name)
			e.Named("", "Transpose", []value{e.Reshape(x, 1, -1, heads, headWidth)}, []value{out}, onnx.IntsAttr("perm", 0, 2, 1, 3))
			e.Output(out, onnx.Float32, onnx.Fixed(1), onnx.Fixed(heads), onnx.Named("frames"), onnx.Fixed(headWidth))
		}
	}
}

// product is x·W of a quantised x, given as its bytes, scale and zero point.
func (e *encoderGraph) product(name string, x []value, w matrix) value {
	weights, zeros, t := e.variant.integers(w)
	return e.ContribOp("MatMulIntegerToFloat", []value{
		x[0], e.Constant(name+".weight", t, weights, int64(w.rows), int64(w.cols)),
		x[1], e.Floats(name+".scale", w.scales, int64(w.cols)),
		x[2], e.Constant(name+".zero", t, zeros, int64(w.cols)),
	})
}

// linear is x·W + bias with x rounded to 8 bits by its own range; bias may be left out.
func (e *encoderGraph) linear(name string, x value, w matrix, bias value) value {
	weights, zeros, t := e.variant.integers(w)
	in := []value{
		x,
		e.Constant(name+".weight", t, weights, int64(w.rows), int64(w.cols)),
		e.Floats(name+".scale", w.scales, int64(w.cols)),
		e.Constant(name+".zero", t, zeros, int64(w.cols)),
	}
	if bias != "" {
		in = append(in, bias)
	}
	return e.ContribOp("DynamicQuantizeMatMul", in)
}
