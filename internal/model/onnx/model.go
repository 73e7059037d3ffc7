// Package onnx reads and writes ONNX model files: graphs of nodes over named tensors, as described by
// the protobuf schema onnx.proto3 of the ONNX project (https://github.com/onnx/onnx, IR version 10).
//
// Only the parts a transcription model uses are kept: nodes with their attributes and subgraphs,
// initializers with their data inside the file, inputs and outputs. Everything else is skipped when read.
// The package runs nothing; a file is foreign data and every malformed one is an error, never a panic.
package onnx

// DataType is the element type of a tensor, with the numbers of TensorProto.DataType.
type DataType int32

// The element types met in speech models.
const (
	Float32 DataType = 1
	Uint8   DataType = 2
	Int8    DataType = 3
	Int32   DataType = 6
	Int64   DataType = 7
	Bool    DataType = 9
)

// Size returns the bytes one element takes, 0 for a type this package does not know.
func (t DataType) Size() int {
	switch t {
	case Uint8, Int8, Bool:
		return 1
	case Float32, Int32:
		return 4
	case Int64:
		return 8
	default:
		return 0
	}
}

// Model is one ONNX file.
type Model struct {
	// IRVersion is the version of the file format.
	IRVersion int64
	// Producer names the program that wrote the file.
	Producer string
	// Opsets are the operator sets the graph uses, in the order they are written.
	Opsets []Opset
	// Graph is the main graph.
	Graph Graph
}

// Opset names a set of operators. The empty domain is ONNX's own.
type Opset struct {
	Domain  string
	Version int64
}

// Graph is a list of nodes in topological order over named values.
type Graph struct {
	Name         string
	Nodes        []Node
	Initializers []Tensor
	Inputs       []ValueInfo
	Outputs      []ValueInfo
	// Values declares values inside the graph, for those whose type an engine cannot infer.
	Values []ValueInfo
}

// Node applies one operator. An empty input name stands for an optional input that is left out.
type Node struct {
	Name       string
	Op         string
	Domain     string
	Inputs     []string
	Outputs    []string
	Attributes []Attribute
}

// Attribute is a named constant of a node. Exactly one field besides Name is meaningful; Kind says which.
type Attribute struct {
	Name    string
	Kind    AttributeKind
	Float   float32
	Int     int64
	String  []byte
	Tensor  *Tensor
	Graph   *Graph
	Floats  []float32
	Ints    []int64
	Strings [][]byte
}

// AttributeKind says which field of an Attribute holds its value, with the numbers of AttributeProto.AttributeType.
type AttributeKind int32

// The kinds of attributes.
const (
	KindFloat   AttributeKind = 1
	KindInt     AttributeKind = 2
	KindString  AttributeKind = 3
	KindTensor  AttributeKind = 4
	KindGraph   AttributeKind = 5
	KindFloats  AttributeKind = 6
	KindInts    AttributeKind = 7
	KindStrings AttributeKind = 8
)

// FloatAttr returns an attribute holding one float.
func FloatAttr(name string, v float32) Attribute {
	return Attribute{Name: name, Kind: KindFloat, Float: v}
}

// IntAttr returns an attribute holding one integer.
func IntAttr(name string, v int64) Attribute {
	return Attribute{Name: name, Kind: KindInt, Int: v}
}

// IntsAttr returns an attribute holding a list of integers.
func IntsAttr(name string, v ...int64) Attribute {
	return Attribute{Name: name, Kind: KindInts, Ints: v}
}

// StringAttr returns an attribute holding one string.
func StringAttr(name, v string) Attribute {
	return Attribute{Name: name, Kind: KindString, String: []byte(v)}
}

// Tensor is a constant. Raw holds its elements in row-major order, little endian; for a tensor from Decode
// len(Raw) equals elements() * Type.Size(), and Raw may alias the bytes that were decoded. A tensor with
// External keeps its elements in another file and has no Raw.
type Tensor struct {
	Name     string
	Type     DataType
	Dims     []int64
	Raw      []byte
	External *External
}

// External says where the elements of a tensor are if they are not in the model file.
type External struct {
	Location string // path relative to the model file's folder
	Offset   int64  // bytes
	Length   int64  // bytes
}

// elements returns the product of the dimensions, 1 for a scalar, and -1 when a dimension is negative or the
// product leaves 40 bits: no tensor of a file this package reads is larger.
func (t Tensor) elements() int64 {
	const limit = 1 << 40
	n := int64(1)
	for _, d := range t.Dims {
		switch {
		case d < 0 || d > limit:
			return -1
		case d == 0:
			return 0
		}
		if n > limit/d {
			return -1
		}
		n *= d
	}
	return n
}

// ValueInfo declares an input or output of a graph.
type ValueInfo struct {
	Name string
	Type DataType
	Dims []Dim
}

// Dim is one dimension of a declared value: a fixed size, or a name when it varies between runs.
type Dim struct {
	Size int64
	Name string
}

// Fixed returns a dimension of a fixed size.
func Fixed(n int64) Dim { return Dim{Size: n} }

// Named returns a dimension that varies between runs; equal names mean equal sizes.
func Named(name string) Dim { return Dim{Name: name} }

// Value declares an input or output.
func Value(name string, t DataType, dims ...Dim) ValueInfo {
	return ValueInfo{Name: name, Type: t, Dims: dims}
}
