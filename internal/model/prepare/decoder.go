package prepare

import (
	"fmt"

	"github.com/scout-speech/scout/internal/model/onnx"
	"github.com/scout-speech/scout/internal/model/onnx/build"
)

// blockSize is the number of rows that share a rounding in the decoder's matrices and activations. Measured
// on 1 thread, per token: 64 and 32 about equal, 128 a quarter slower (docs/adr/0010-prepared-graphs.md).
const blockSize = 64

// attentionScale is 1/sqrt(headWidth), what dot products of queries and keys are multiplied with.
const attentionScale = 1.0 / 6

// decoderGraph builds the prepared decoder: some tokens in, and for each the most probable next token out.
type decoderGraph struct {
	*graph
	dec *original
	// total, last are int32 [1]: the number of tokens in the cache after this run, and that minus one.
	total, last value
	// cos, sin are the rotary tables, shape [maxTokens, rotated/2].
	cos, sin value
	// alignment collects the scores of the alignment heads, each [1, k, n, S].
	alignment []value
}

// buildDecoder returns the prepared decoder graph. With n tokens in this run, S frames and a cache with room for C
// tokens:
//
//	in   embedded        float [1, n, 288]     n >= 1 tokens, looked up; the first of all is the start token
//	in   total           int32 [1]             tokens in the cache after this run: past + n <= C
//	in   boost_tokens    int64 [1, n, k]       tokens to favour at each position; k >= 0
//	in   boost           float [1, n, k]       what to add to their logits
//	in   cross_key.L     float [1, 8, S, 36]   from the encoder
//	in   cross_value.L   float [1, 8, S, 36]
//	in   past_key.L, past_value.L         float [1, 8, C, 48]
//	out  next            int64 [1, n]          the most probable token after each, boost included
//	out  logprob         float [1, n]          its natural log-probability, boost left out
//	out  alignment       float [1, 5, n, S]    weights of the alignment heads, rows as "embedded"
//	out  present_key.L, present_value.L   float [1, 8, C, 48]   bind them to the past's memory
func buildDecoder(dec *original, embedding matrix) *onnx.Model {
	d := &decoderGraph{graph: newGraph("moonshine decoder"), dec: dec}
	stream := d.Input("embedded", onnx.Float32, onnx.Fixed(1), onnx.Named("n"), onnx.Fixed(width))
	d.total = d.Input("total", onnx.Int32, onnx.Fixed(1))
	boostTokens := d.Input("boost_tokens", onnx.Int64, onnx.Fixed(1), onnx.Named("n"), onnx.Named("k"))
	boost := d.Input("boost", onnx.Float32, onnx.Fixed(1), onnx.Named("n"), onnx.Named("k"))
	d.last = d.Op("Sub", []value{d.total, d.Constant("one", onnx.Int32, []byte{1, 0, 0, 0}, 1)})
	d.cos, d.sin = d.rotaryTables(dec.floats("/model/decoder/rotary_emb/Cast_1_output_0", 1, rotated/2, 1), maxTokens)

	normed := d.Norm(stream, d.weight("layers.0.input_layernorm.weight"))
	for l := range layers {
		next := "norm.weight"
		if l+1 < layers {
			next = fmt.Sprintf("layers.%d.input_layernorm.weight", l+1)
		}
		stream, normed = d.layer(l, stream, normed, d.weight(next))
	}
	d.head(normed, embedding, boostTokens, boost)
	scores := d.Op("Concat", d.alignment, onnx.IntAttr("axis", 1))
	d.Named("", "Softmax", []value{scores}, []value{"alignment"}, onnx.IntAttr("axis", -1))
	d.Output("alignment", onnx.Float32,
		onnx.Fixed(1), onnx.Fixed(int64(len(alignmentHeads))), onnx.Named("n"), onnx.Named("frames"))
	return d.model()
}

// tokenEmbedding returns the published token embedding, one row per token. It is also the weights of the decoder's
// head.
func tokenEmbedding(dec *original) matrix {
	return dec.quantised("model.decoder.embed_tokens.weight_merged_0_quantized",
		"model.decoder.embed_tokens.weight_merged_0_scale",
		"model.decoder.embed_tokens.weight_merged_0_zero_point", vocabulary, width)
}

// weight adds a published vector of the model's width as a constant.
func (d *decoderGraph) weight(name string) value {
	return d.Floats(name, d.dec.vector("model.decoder."+name+"_merged_0", width), width)
}

// layer is one transformer layer, norm first: causal self-attention, attention over the audio, gated MLP. It
// takes the residual stream and its norm, and returns the next layer's.
func (d *decoderGraph) layer(l int, stream, normed, nextNorm value) (value, value) {
	p := fmt.Sprintf("layers.%d.", l)
	stream, normed = d.AddNorm(stream, d.selfAttention(l, normed), d.weight(p+"post_attention_layernorm.weight"))
	stream, normed = d.AddNorm(stream, d.crossAttention(l, normed), d.weight(p+"final_layernorm.weight"))
	return d.AddNorm(stream, d.mlp(l, normed), nextNorm)
}

// selfAttention is causal attention over the tokens so far. One operator rotates queries and keys by their positions,
// writes keys and values into the cache in place, and attends.
func (d *decoderGraph) selfAttention(l int, x value) value {
	source := fmt.Sprintf("/model/decoder/layers.%d/self_attn/", l)
	name := fmt.Sprintf("layers.%d.attention", l)
	qkv := d.linear(name+".qkv", x, beside(
		d.dec.projection(source+"q_proj", width, width),
		d.dec.projection(source+"k_proj", width, width),
		d.dec.projection(source+"v_proj", width, width),
	).padColumns(headWidth, cacheHead), "")

	cache := []onnx.Dim{onnx.Fixed(1), onnx.Fixed(heads), onnx.Named("capacity"), onnx.Fixed(cacheHead)}
	pastKey := d.Input(fmt.Sprintf("past_key.%d", l), onnx.Float32, cache...)
	pastValue := d.Input(fmt.Sprintf("past_value.%d", l), onnx.Float32, cache...)
	key, val := value(fmt.Sprintf("present_key.%d", l)), value(fmt.Sprintf("present_value.%d", l))
	attended := value(name)
	d.Named(build.Contrib, "GroupQueryAttention",
		[]value{qkv, "", "", pastKey, pastValue, d.last, d.total, d.cos, d.sin},
		[]value{attended, key, val},
		onnx.IntAttr("num_heads", heads), onnx.IntAttr("kv_num_heads", heads), onnx.FloatAttr("scale", attentionScale),
		onnx.IntAttr("do_rotary", 1), onnx.IntAttr("rotary_interleaved", 1))
	d.Output(key, onnx.Float32, cache...)
	d.Output(val, onnx.Float32, cache...)
	return d.linear(name+".out", attended,
		d.dec.projection(source+"dense", width, width).padRows(headWidth, cacheHead), "")
}

// crossAttention is attention over the audio. The scale is already in the keys: with a scale of 1 ONNX Runtime has a
// special kernel for a single row.
func (d *decoderGraph) crossAttention(l int, x value) value {
	source := fmt.Sprintf("/model/decoder/layers.%d/encoder_attn/", l)
	name := fmt.Sprintf("layers.%d.cross", l)
	key := d.Input(fmt.Sprintf("cross_key.%d", l), onnx.Float32,
		onnx.Fixed(1), onnx.Fixed(heads), onnx.Named("frames"), onnx.Fixed(headWidth))
	val := d.Input(fmt.Sprintf("cross_value.%d", l), onnx.Float32,
		onnx.Fixed(1), onnx.Fixed(heads), onnx.Named("frames"), onnx.Fixed(headWidth))

	q := d.linear(name+".q", x, d.dec.projection(source+"q_proj", width, width), "")
	attended := []value{value(name)}
	if scores := value(name + ".scores"); d.align(l, scores) {
		attended = append(attended, "", "", scores)
		d.Declare(scores, onnx.Float32,
			onnx.Fixed(1), onnx.Fixed(heads), onnx.Named("n"), onnx.Named("frames"))
	}
	d.Named(build.Contrib, "MultiHeadAttention", []value{q, key, val}, attended,
		onnx.IntAttr("num_heads", heads), onnx.FloatAttr("scale", 1))
	return d.linear(name+".out", attended[0], d.dec.projection(source+"dense", width, width), "")
}

// align keeps the scores [1, heads, n, S] of this layer's alignment heads, before their softmax, and reports whether it
// has any.
func (d *decoderGraph) align(l int, scores value) bool {
	var chosen []int64
	for _, h := range alignmentHeads {
		if h.layer == l {
			chosen = append(chosen, int64(h.head))
		}
	}
	if len(chosen) > 0 {
		chosen := d.Op("Gather", []value{scores, d.Ints(chosen...)}, onnx.IntAttr("axis", 1))
		d.alignment = append(d.alignment, chosen)
	}
	return len(chosen) > 0
}

// mlp is x -> (a * silu(b))·W with a and b from one product.
func (d *decoderGraph) mlp(l int, x value) value {
	source := fmt.Sprintf("/model/decoder/layers.%d/mlp/", l)
	name := fmt.Sprintf("layers.%d.mlp", l)
	bias := func(part string, n int64) value {
		b := d.dec.vector(fmt.Sprintf("model.decoder.layers.%d.mlp.%s.bias_merged_0", l, part), n)
		return d.Floats(name+"."+part+".bias", b, n)
	}
	up := d.linear(name+".up", x, d.dec.projection(source+"up_proj", width, 2*decoderMLP), bias("up_proj", 2*decoderMLP))
	parts := d.Node("", "Split", []value{up, d.Ints(decoderMLP, decoderMLP)}, 2, onnx.IntAttr("axis", -1))
	gate := d.ContribOp("QuickGelu", []value{parts[1]}, onnx.FloatAttr("alpha", 1)) // x*sigmoid(x)
	gated := d.Op("Mul", []value{parts[0], gate})
	return d.linear(name+".down", gated, d.dec.projection(source+"down_proj", decoderMLP, width), bias("down_proj", width))
}

// head scores the vocabulary with the transposed embedding and outputs the winner at each position.
func (d *decoderGraph) head(x value, embedding matrix, boostTokens, boost value) {
	logits := d.product(headName, x, embedding.transposedBlocks(blockSize), "")
	boosted := d.Op("ScatterElements", []value{logits, boostTokens, boost},
		onnx.IntAttr("axis", -1), onnx.StringAttr("reduction", "add"))
	winner := d.Op("ArgMax", []value{boosted}, onnx.IntAttr("axis", -1), onnx.IntAttr("keepdims", 1))
	logprobs := d.Op("LogSoftmax", []value{logits}, onnx.IntAttr("axis", -1))
	won := d.Op("GatherElements", []value{logprobs, winner}, onnx.IntAttr("axis", -1))
	for _, o := range []struct {
		v    value
		name value
		t    onnx.DataType
	}{{winner, "next", onnx.Int64}, {won, "logprob", onnx.Float32}} {
		d.Named("", "Squeeze", []value{o.v, d.Ints(-1)}, []value{o.name})
		d.Output(o.name, o.t, onnx.Fixed(1), onnx.Named("n"))
	}
}

// linear is x·W + bias; bias may be left out.
func (d *decoderGraph) linear(name string, x value, w matrix, bias value) value {
	return d.product(name, x, w.blocks(blockSize), bias)
}

// product is x·W + bias with x rounded to 8 bits per block by its own range; bias may be left out. Each row is rounded
// and multiplied by itself. Its result does not depend, to the last bit, on how many rows share a run.
func (d *decoderGraph) product(name string, x value, w blocked, bias value) value {
	cols, count := int64(w.cols), int64(w.count)
	in := []value{
		x,
		d.Constant(name+".weight", onnx.Uint8, w.weights, cols, count, int64(w.size)),
		d.Floats(name+".scale", w.scales, cols*count),
		d.Constant(name+".zero", onnx.Uint8, w.zeros, cols*count),
	}
	if bias != "" {
		in = append(in, "", bias)
	}
	return d.ContribOp("MatMulNBits", in,
		onnx.IntAttr("K", int64(w.rows)), onnx.IntAttr("N", cols), onnx.IntAttr("bits", 8),
		onnx.IntAttr("block_size", int64(w.size)), onnx.IntAttr("accuracy_level", 4))
}
