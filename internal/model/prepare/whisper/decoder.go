package whisper

import (
	"fmt"
	"math"

	"github.com/scout-speech/scout/internal/model/onnx"
	"github.com/scout-speech/scout/internal/model/onnx/build"
)

// headName is the product that scores the vocabulary. Its weights are the token embedding, one row for each token.
const headName = "head"

// buildDecoder lays out the decoder. One run takes n tokens of each of B texts (beams) over the same S frames, with a
// cache for C tokens, and scores m of its B*n rows:
//
//	in   embedded        float [B, n, D]      tokens, looked up; if B > 1, n is 1
//	in   total           int32 [1]            tokens in the cache after this run: past + n <= C
//	in   rows            int64 [m]            rows to score, of B*n
//	in   bias            float [V]            added to the logits: -inf for tokens that must not come
//	in   boost_tokens    int64 [1, m, k]      tokens to favour in each row; k >= 0
//	in   boost           float [1, m, k]      what to add to their log-probabilities
//	in   count           int64 [1]            how many tokens are wanted for each row
//	in   cross_key.L, cross_value.L     float [1, H, S, 64]   from the encoder
//	in   past_key.L, past_value.L       float [B, H, C, 64]
//	out  logits          float [1, m, V]      without bias and boost
//	out  next            int64 [1, m, count]  the most probable tokens, boost included, the best first
//	out  logprob         float [1, m, count]  their log-probabilities, boost left out
//	out  alignment       float [1, a, B*n, S] weights of the alignment heads
//	out  present_key.L, present_value.L float [B, H, C, 64]   bind them to the past's memory
//
// Only self-attention sees B texts; everything else sees B*n rows of one. So cross keys and values are there once for all
// beams.
func (g *graph) buildDecoder(heads [][2]int) {
	width := int64(g.shape.Width)
	embedded := g.Input("embedded", onnx.Float32, onnx.Named("texts"), onnx.Named("n"), onnx.Fixed(width))
	d := &decoderGraph{graph: g, heads: heads, total: g.Input("total", onnx.Int32, onnx.Fixed(1))}
	rows := g.Input("rows", onnx.Int64, onnx.Named("m"))
	d.texts = g.Op("Concat", []value{
		g.Op("Shape", []value{embedded}, onnx.IntAttr("start", 0), onnx.IntAttr("end", 2)), g.Ints(3 * width),
	}, onnx.IntAttr("axis", 0))
	one := g.Constant("one", onnx.Int32, []byte{1, 0, 0, 0}, 1)
	d.last = g.Op("Expand", []value{g.Op("Sub", []value{d.total, one}), g.Length(embedded, 0)})

	stream := g.Reshape(d.placed(embedded), 1, -1, width)
	normed := g.Norm(stream, g.norm("decoder/layer_0/self_attention/layer_norm")...)
	for l := range g.shape.DecoderLayers {
		if g.stopped() {
			return
		}
		next := "decoder/layer_norm"
		if l+1 < g.shape.DecoderLayers {
			next = fmt.Sprintf("decoder/layer_%d/self_attention/layer_norm", l+1)
		}
		stream, normed = d.layer(l, stream, normed, next)
	}
	d.head(g.Op("Gather", []value{normed, rows}, onnx.IntAttr("axis", 1)))
	scores := d.alignment[0]
	if len(d.alignment) > 1 {
		scores = g.Op("Concat", d.alignment, onnx.IntAttr("axis", 1))
	}
	g.Named("", "Softmax", []value{scores}, []value{"alignment"}, onnx.IntAttr("axis", -1))
	g.Output("alignment", onnx.Float32, onnx.Fixed(1), onnx.Fixed(int64(len(heads))), onnx.Named("rows"), onnx.Named("frames"))
}

// decoderGraph is the decoder under construction.
type decoderGraph struct {
	*graph
	heads     [][2]int // layer and head, sorted
	total     value    // int32 [1]: tokens in the cache after this run
	last      value    // int32 [B]: the same, less one
	texts     value    // int64 [3]: B, n, 3*D
	alignment []value  // scores of the alignment heads of each layer that has some, [1, k, B*n, S]
}

// placed adds the encodings of the places total-n..total-1.
func (d *decoderGraph) placed(embedded value) value {
	const name = "decoder/position_encodings/encodings"
	table := d.Floats(name, d.vector(name, d.shape.Positions*d.shape.Width), int64(d.shape.Positions), int64(d.shape.Width))
	end := d.Op("Cast", []value{d.total}, onnx.IntAttr("to", int64(onnx.Int64)))
	begin := d.Op("Sub", []value{end, d.Length(embedded, 1)})
	return d.Op("Add", []value{embedded, d.Op("Slice", []value{table, begin, end, d.Ints(0)})})
}

// layer is one transformer layer, norm first: causal self-attention, attention over the audio, MLP. It takes the
// residual stream and its norm, and returns the next layer's.
func (d *decoderGraph) layer(l int, stream, normed value, next string) (value, value) {
	width, p := d.shape.Width, fmt.Sprintf("decoder/layer_%d/", l)
	stream, normed = d.addNorm(stream, d.selfAttention(l, p+"self_attention/", normed), p+"attention/layer_norm", p+"self_attention/linear_1/bias")
	stream, normed = d.addNorm(stream, d.crossAttention(l, p+"attention/", normed), p+"ffn/layer_norm", p+"attention/linear_2/bias")
	x := d.blocked(p+"up", normed, d.matrix(p+"ffn/linear_0/weight", 4*width, width), d.floats(p+"ffn/linear_0/bias", 4*width))
	x = d.ContribOp("Gelu", []value{x})
	x = d.blocked(p+"down", x, d.matrix(p+"ffn/linear_1/weight", width, 4*width), "")
	return d.addNorm(stream, x, next, p+"ffn/linear_1/bias")
}

// selfAttention is causal attention over the tokens so far. One operator writes keys and values into the cache in place
// and attends.
func (d *decoderGraph) selfAttention(l int, p string, x value) value {
	width, heads := d.shape.Width, int64(d.shape.Heads)
	qkv := d.blocked(p+"qkv", x, d.matrix(p+"linear_0/weight", 3*width, width), d.floats(p+"linear_0/bias", 3*width))
	qkv = d.Op("Reshape", []value{qkv, d.texts})
	cache := []onnx.Dim{onnx.Named("texts"), onnx.Fixed(heads), onnx.Named("capacity"), onnx.Fixed(int64(d.headWidth()))}
	pastKey := d.Input(fmt.Sprintf("past_key.%d", l), onnx.Float32, cache...)
	pastValue := d.Input(fmt.Sprintf("past_value.%d", l), onnx.Float32, cache...)
	key, val := value(fmt.Sprintf("present_key.%d", l)), value(fmt.Sprintf("present_value.%d", l))
	attended := value(p + "attended")
	d.Named(build.Contrib, "GroupQueryAttention", []value{qkv, "", "", pastKey, pastValue, d.last, d.total}, []value{attended, key, val},
		onnx.IntAttr("num_heads", heads), onnx.IntAttr("kv_num_heads", heads),
		onnx.FloatAttr("scale", float32(1/math.Sqrt(float64(d.headWidth())))))
	d.Output(key, onnx.Float32, cache...)
	d.Output(val, onnx.Float32, cache...)
	return d.blocked(p+"out", d.Reshape(attended, 1, -1, int64(width)), d.matrix(p+"linear_1/weight", width, width), "")
}

// crossAttention is attention over the audio. The scale is already in the keys.
func (d *decoderGraph) crossAttention(l int, p string, x value) value {
	width, heads := d.shape.Width, int64(d.shape.Heads)
	shape := []onnx.Dim{onnx.Fixed(1), onnx.Fixed(heads), onnx.Named("frames"), onnx.Fixed(int64(d.headWidth()))}
	key := d.Input(fmt.Sprintf("cross_key.%d", l), onnx.Float32, shape...)
	val := d.Input(fmt.Sprintf("cross_value.%d", l), onnx.Float32, shape...)
	q := d.blocked(p+"query", x, d.matrix(p+"linear_0/weight", width, width), d.floats(p+"linear_0/bias", width))
	attended := []value{value(p + "attended")}
	var chosen []int64
	for _, h := range d.heads {
		if h[0] == l {
			chosen = append(chosen, int64(h[1]))
		}
	}
	if len(chosen) > 0 { // the operator's fourth output is the scores before their softmax, [1, H, B*n, S]
		scores := value(p + "scores")
		attended = append(attended, "", "", scores)
		d.Declare(scores, onnx.Float32, onnx.Fixed(1), onnx.Fixed(heads), onnx.Named("rows"), onnx.Named("frames"))
		d.alignment = append(d.alignment, value(p+"alignment"))
	}
	d.Named(build.Contrib, "MultiHeadAttention", []value{q, key, val}, attended,
		onnx.IntAttr("num_heads", heads), onnx.FloatAttr("scale", 1))
	if len(chosen) > 0 {
		d.Named("", "Gather", []value{attended[3], d.Ints(chosen...)}, []value{value(p + "alignment")}, onnx.IntAttr("axis", 1))
	}
	return d.blocked(p+"out", attended[0], d.matrix(p+"linear_2/weight", width, width), "")
}

// head scores the vocabulary with the embedding and outputs the best tokens of each row.
func (d *decoderGraph) head(x value) {
	vocabulary := int64(d.shape.Vocabulary)
	bias := d.Input("bias", onnx.Float32, onnx.Fixed(vocabulary))
	boostTokens := d.Input("boost_tokens", onnx.Int64, onnx.Fixed(1), onnx.Named("m"), onnx.Named("k"))
	boost := d.Input("boost", onnx.Float32, onnx.Fixed(1), onnx.Named("m"), onnx.Named("k"))
	count := d.Input("count", onnx.Int64, onnx.Fixed(1))

	const logits = value("logits")
	d.blockedAs(logits, headName, x, d.matrix("decoder/embeddings/weight", d.shape.Vocabulary, d.shape.Width), "")
	d.Output(logits, onnx.Float32, onnx.Fixed(1), onnx.Named("m"), onnx.Fixed(vocabulary))
	logprobs := d.Op("LogSoftmax", []value{d.Op("Add", []value{logits, bias})}, onnx.IntAttr("axis", -1))
	boosted := d.Op("ScatterElements", []value{logprobs, boostTokens, boost},
		onnx.IntAttr("axis", -1), onnx.StringAttr("reduction", "add"))
	best := value("next")
	d.Named("", "TopK", []value{boosted, count}, []value{"best", best}, onnx.IntAttr("axis", -1))
	d.Named("", "GatherElements", []value{logprobs, best}, []value{"logprob"}, onnx.IntAttr("axis", -1))
	d.Output(best, onnx.Int64, onnx.Fixed(1), onnx.Named("m"), onnx.Named("count"))
	d.Output("logprob", onnx.Float32, onnx.Fixed(1), onnx.Named("m"), onnx.Named("count"))
}
