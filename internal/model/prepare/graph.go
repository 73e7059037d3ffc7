package prepare

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/scout-speech/scout/internal/model/onnx"
)

// contrib is the domain of ONNX Runtime's own operators.
// Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
const contrib = "com.microsoft"

// value is the name of a tensor in the graph under construction. The empty value stands for an optional input or output
// that is left out.
type value string

// graph builds an ONNX graph front to back. Names are given in the order of the calls, so that equal calls
// give equal bytes.
type graph struct {
	g      onnx.Graph
	consts map[string]value
}

func newGraph(name string) *graph {
	return &graph{g: onnx.Graph{Name: name}, consts: map[string]value{}}
}

func (g *graph) input(name string, t onnx.DataType, dims ...onnx.Dim) value {
	g.g.Inputs = append(g.g.Inputs, onnx.Value(name, t, dims...))
	return value(name)
}

// output declares that v is an output of the graph, under its own name.
func (g *graph) output(v value, t onnx.DataType, dims ...onnx.Dim) {
	g.g.Outputs = append(g.g.Outputs, onnx.Value(string(v), t, dims...))
}

// model returns the finished file.
func (g *graph) model() *onnx.Model {
	return &onnx.Model{
		IRVersion: 10,
		Producer:  fmt.Sprintf("scout recipe %d", Recipe),
		Opsets:    []onnx.Opset{{Domain: "", Version: 17}, {Domain: contrib, Version: 1}},
		Graph:     g.g,
	}
}

// op adds a node of ONNX's own operators with one output.
func (g *graph) op(name string, inputs []value, attrs ...onnx.Attribute) value {
	return g.node("", name, inputs, 1, attrs...)[0]
}

// contribOp adds a node of ONNX Runtime's operators with one output.
func (g *graph) contribOp(name string, inputs []value, attrs ...onnx.Attribute) value {
	return g.node(contrib, name, inputs, 1, attrs...)[0]
}

// node adds a node with n outputs, named after the operator.
func (g *graph) node(domain, op string, inputs []value, n int, attrs ...onnx.Attribute) []value {
	out := make([]value, n)
	for i := range out {
		out[i] = value(fmt.Sprintf("%s_%d_%d", op, len(g.g.Nodes), i))
	}
	g.named(domain, op, inputs, out, attrs...)
	return out
}

// named adds a node whose outputs have the given names.
func (g *graph) named(domain, op string, inputs, outputs []value, attrs ...onnx.Attribute) {
	n := onnx.Node{Name: fmt.Sprintf("%s_%d", op, len(g.g.Nodes)), Op: op, Domain: domain, Attributes: attrs}
	for _, v := range inputs {
		n.Inputs = append(n.Inputs, string(v))
	}
	for _, v := range outputs {
		n.Outputs = append(n.Outputs, string(v))
	}
	g.g.Nodes = append(g.g.Nodes, n)
}

// constant adds a named constant.
func (g *graph) constant(name string, t onnx.DataType, raw []byte, dims ...int64) value {
	g.g.Initializers = append(g.g.Initializers, onnx.Tensor{Name: name, Type: t, Dims: dims, Raw: raw})
	return value(name)
}

// floats adds a named float constant.
func (g *graph) floats(name string, v []float32, dims ...int64) value {
	raw := make([]byte, 0, 4*len(v))
	for _, f := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return g.constant(name, onnx.Float32, raw, dims...)
}

// ints returns an int64 vector constant; equal ones are shared.
func (g *graph) ints(v ...int64) value {
	name := fmt.Sprintf("int64%v", v)
	if c, ok := g.consts[name]; ok {
		return c
	}
	raw := make([]byte, 0, 8*len(v))
	for _, i := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(i))
	}
	c := g.constant(name, onnx.Int64, raw, int64(len(v)))
	g.consts[name] = c
	return c
}

// toEnd as the end of a slice means up to the last element.
const toEnd = math.MaxInt64

// slice returns x[..., from:to, ...] on one axis.
func (g *graph) slice(x value, axis, from, to int64) value {
	return g.op("Slice", []value{x, g.ints(from), g.ints(to), g.ints(axis)})
}

// length returns the size of x on one axis, as an int64 vector of one element.
func (g *graph) length(x value, axis int64) value {
	return g.op("Shape", []value{x}, onnx.IntAttr("start", axis), onnx.IntAttr("end", axis+1))
}

// reshape returns x in another shape; 0 keeps a dimension, -1 takes the rest.
func (g *graph) reshape(x value, dims ...int64) value {
	return g.op("Reshape", []value{x, g.ints(dims...)})
}

// norm is layer normalisation without bias.
func (g *graph) norm(x, weight value) value {
	return g.op("LayerNormalization", []value{x, weight}, onnx.FloatAttr("epsilon", normEpsilon), onnx.IntAttr("axis", -1))
}

// addNorm returns the residual stream x+y and its layer normalisation, in one pass over both.
func (g *graph) addNorm(x, y, weight value) (stream, normed value) {
	n := len(g.g.Nodes)
	stream, normed = value(fmt.Sprintf("stream_%d", n)), value(fmt.Sprintf("normed_%d", n))
	g.named(contrib, "SkipLayerNormalization", []value{x, y, weight}, []value{normed, "", "", stream},
		onnx.FloatAttr("epsilon", normEpsilon))
	return stream, normed
}

// rotaryTables returns the cosines and sines of the rotary embedding for positions 0..n-1, shape [n,
// rotated/2], from the published inverse frequencies. Source: Su et al., "RoFormer", 2021 (arXiv:2104.09864).
func (g *graph) rotaryTables(inverse []float32, n int) (cos, sin value) {
	c := make([]float32, 0, n*len(inverse))
	s := make([]float32, 0, n*len(inverse))
	for p := range n {
		for _, f := range inverse {
			angle := float64(float32(p) * f) // the published graph multiplies in single precision
			c = append(c, float32(math.Cos(angle)))
			s = append(s, float32(math.Sin(angle)))
		}
	}
	half := int64(len(inverse))
	return g.floats("rotary.cos", c, int64(n), half), g.floats("rotary.sin", s, int64(n), half)
}
