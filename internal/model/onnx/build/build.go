// Package build lays out ONNX graphs of transcription models, front to back. It knows operators; what a model is made of
// is in internal/model/prepare.
package build

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/scout-speech/scout/internal/model/onnx"
)

// Contrib is the domain of ONNX Runtime's own operators.
// Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
const Contrib = "com.microsoft"

// Value is the name of a tensor in the graph under construction. The empty value stands for an optional input or output
// that is left out.
type Value string

// Graph is an ONNX graph under construction. Names are given in the order of the calls, so that equal calls give equal
// bytes.
type Graph struct {
	graph   onnx.Graph
	integer map[string]Value // constants of Ints by their name
	outside *Outside
}

// New returns an empty graph. Large constants go to outside as they are added; with nil all stay in the graph.
func New(name string, outside *Outside) *Graph {
	return &Graph{graph: onnx.Graph{Name: name}, integer: map[string]Value{}, outside: outside}
}

// Input declares an input of the graph.
func (g *Graph) Input(name string, t onnx.DataType, dims ...onnx.Dim) Value {
	g.graph.Inputs = append(g.graph.Inputs, onnx.Value(name, t, dims...))
	return Value(name)
}

// Output declares that v is an output of the graph, under its own name.
func (g *Graph) Output(v Value, t onnx.DataType, dims ...onnx.Dim) {
	g.graph.Outputs = append(g.graph.Outputs, onnx.Value(string(v), t, dims...))
}

// Declare gives the type of a value inside the graph that the runtime cannot infer.
func (g *Graph) Declare(v Value, t onnx.DataType, dims ...onnx.Dim) {
	g.graph.Values = append(g.graph.Values, onnx.Value(string(v), t, dims...))
}

// Model returns the finished file. producer names who wrote it.
func (g *Graph) Model(producer string) *onnx.Model {
	return &onnx.Model{
		IRVersion: 10,
		Producer:  producer,
		Opsets:    []onnx.Opset{{Domain: "", Version: 17}, {Domain: Contrib, Version: 1}},
		Graph:     g.graph,
	}
}

// Op adds a node of ONNX's own operators with one output.
func (g *Graph) Op(name string, inputs []Value, attrs ...onnx.Attribute) Value {
	return g.Node("", name, inputs, 1, attrs...)[0]
}

// ContribOp adds a node of ONNX Runtime's operators with one output.
func (g *Graph) ContribOp(name string, inputs []Value, attrs ...onnx.Attribute) Value {
	return g.Node(Contrib, name, inputs, 1, attrs...)[0]
}

// Node adds a node with n outputs, named after the operator.
func (g *Graph) Node(domain, op string, inputs []Value, n int, attrs ...onnx.Attribute) []Value {
	out := make([]Value, n)
	for i := range out {
		out[i] = Value(fmt.Sprintf("%s_%d_%d", op, len(g.graph.Nodes), i))
	}
	g.Named(domain, op, inputs, out, attrs...)
	return out
}

// Named adds a node whose outputs have the given names.
func (g *Graph) Named(domain, op string, inputs, outputs []Value, attrs ...onnx.Attribute) {
	n := onnx.Node{Name: fmt.Sprintf("%s_%d", op, len(g.graph.Nodes)), Op: op, Domain: domain, Attributes: attrs}
	for _, v := range inputs {
		n.Inputs = append(n.Inputs, string(v))
	}
	for _, v := range outputs {
		n.Outputs = append(n.Outputs, string(v))
	}
	g.graph.Nodes = append(g.graph.Nodes, n)
}

// Constant adds a named constant.
func (g *Graph) Constant(name string, t onnx.DataType, raw []byte, dims ...int64) Value {
	c := onnx.Tensor{Name: name, Type: t, Dims: dims, Raw: raw}
	g.outside.take(&c)
	g.graph.Initializers = append(g.graph.Initializers, c)
	return Value(name)
}

// Floats adds a named float constant.
func (g *Graph) Floats(name string, v []float32, dims ...int64) Value {
	raw := make([]byte, 4*len(v))
	for i, f := range v {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(f))
	}
	return g.Constant(name, onnx.Float32, raw, dims...)
}

// Ints returns an int64 vector constant; equal ones are shared.
func (g *Graph) Ints(v ...int64) Value {
	name := fmt.Sprintf("int64%v", v)
	if c, ok := g.integer[name]; ok {
		return c
	}
	raw := make([]byte, 0, 8*len(v))
	for _, i := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(i))
	}
	c := g.Constant(name, onnx.Int64, raw, int64(len(v)))
	g.integer[name] = c
	return c
}

// ToEnd as the end of a slice means up to the last element.
const ToEnd = math.MaxInt64

// Slice returns x[..., from:to, ...] on one axis.
func (g *Graph) Slice(x Value, axis, from, to int64) Value {
	return g.Op("Slice", []Value{x, g.Ints(from), g.Ints(to), g.Ints(axis)})
}

// Length returns the size of x on one axis, as an int64 vector of one element.
func (g *Graph) Length(x Value, axis int64) Value {
	return g.Op("Shape", []Value{x}, onnx.IntAttr("start", axis), onnx.IntAttr("end", axis+1))
}

// Reshape returns x in another shape; 0 keeps a dimension, -1 takes the rest.
func (g *Graph) Reshape(x Value, dims ...int64) Value {
	return g.Op("Reshape", []Value{x, g.Ints(dims...)})
}

// normEpsilon is what all layer norms add to the variance.
const normEpsilon = 1e-5

// Norm is layer normalisation; a bias may follow the weight.
func (g *Graph) Norm(x Value, weight ...Value) Value {
	return g.Op("LayerNormalization", append([]Value{x}, weight...), onnx.FloatAttr("epsilon", normEpsilon), onnx.IntAttr("axis", -1))
}

// AddNorm returns the residual stream x+y and its layer normalisation, in one pass over both. After the weight of the
// norm its bias may follow, and then a bias that is added to the stream.
func (g *Graph) AddNorm(x, y Value, weight ...Value) (stream, normed Value) {
	n := len(g.graph.Nodes)
	stream, normed = Value(fmt.Sprintf("stream_%d", n)), Value(fmt.Sprintf("normed_%d", n))
	g.Named(Contrib, "SkipLayerNormalization", append([]Value{x, y}, weight...), []Value{normed, "", "", stream},
		onnx.FloatAttr("epsilon", normEpsilon))
	return stream, normed
}
