package onnx

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Encode returns the bytes of the file. They depend only on m: equal models give equal bytes.
func Encode(m *Model) []byte {
	size := 0
	for i := range m.Graph.Initializers {
		size += len(m.Graph.Initializers[i].Raw)
	}
	b := make([]byte, 0, size+size/64+1<<16)
	b = appendInt(b, modelIRVersion, m.IRVersion)
	b = appendString(b, modelProducer, m.Producer)
	b = appendMessage(b, modelGraph, func(b []byte) []byte { return appendGraph(b, &m.Graph) })
	for _, o := range m.Opsets {
		b = appendMessage(b, modelOpset, func(b []byte) []byte {
			if o.Domain != "" {
				b = appendString(b, opsetDomain, o.Domain)
			}
			return appendInt(b, opsetVersion, o.Version)
		})
	}
	return b
}

func appendGraph(b []byte, g *Graph) []byte {
	for i := range g.Nodes {
		b = appendMessage(b, graphNode, func(b []byte) []byte { return appendNode(b, &g.Nodes[i]) })
	}
	b = appendString(b, graphName, g.Name)
	for i := range g.Initializers {
		b = appendMessage(b, graphInitializer, func(b []byte) []byte { return appendTensor(b, &g.Initializers[i]) })
	}
	for i := range g.Inputs {
		b = appendMessage(b, graphInput, func(b []byte) []byte { return appendValueInfo(b, &g.Inputs[i]) })
	}
	for i := range g.Outputs {
		b = appendMessage(b, graphOutput, func(b []byte) []byte { return appendValueInfo(b, &g.Outputs[i]) })
	}
	for i := range g.Values {
		b = appendMessage(b, graphValue, func(b []byte) []byte { return appendValueInfo(b, &g.Values[i]) })
	}
	return b
}

func appendNode(b []byte, n *Node) []byte {
	for _, name := range n.Inputs {
		b = appendString(b, nodeInput, name)
	}
	for _, name := range n.Outputs {
		b = appendString(b, nodeOutput, name)
	}
	b = appendString(b, nodeName, n.Name)
	b = appendString(b, nodeOp, n.Op)
	for i := range n.Attributes {
		b = appendMessage(b, nodeAttribute, func(b []byte) []byte { return appendAttribute(b, &n.Attributes[i]) })
	}
	if n.Domain != "" {
		b = appendString(b, nodeDomain, n.Domain)
	}
	return b
}

func appendAttribute(b []byte, a *Attribute) []byte {
	b = appendString(b, attributeName, a.Name)
	switch a.Kind {
	case KindFloat:
		b = appendFloat(b, attributeFloat, a.Float)
	case KindInt:
		b = appendInt(b, attributeInt, a.Int)
	case KindString:
		b = appendBytes(b, attributeString, a.String)
	case KindTensor:
		if a.Tensor != nil {
			b = appendMessage(b, attributeTensor, func(b []byte) []byte { return appendTensor(b, a.Tensor) })
		}
	case KindGraph:
		if a.Graph != nil {
			b = appendMessage(b, attributeGraph, func(b []byte) []byte { return appendGraph(b, a.Graph) })
		}
	case KindFloats:
		for _, v := range a.Floats {
			b = appendFloat(b, attributeFloats, v)
		}
	case KindInts:
		for _, v := range a.Ints {
			b = appendInt(b, attributeInts, v)
		}
	case KindStrings:
		for _, v := range a.Strings {
			b = appendBytes(b, attributeStrings, v)
		}
	}
	return appendInt(b, attributeKind, int64(a.Kind))
}

func appendTensor(b []byte, t *Tensor) []byte {
	for _, d := range t.Dims {
		b = appendInt(b, tensorDim, d)
	}
	b = appendInt(b, tensorType, int64(t.Type))
	b = appendString(b, tensorName, t.Name)
	if t.External == nil {
		return appendBytes(b, tensorRaw, t.Raw)
	}
	for _, entry := range [...]struct{ key, value string }{
		{"location", t.External.Location},
		{"offset", strconv.FormatInt(t.External.Offset, 10)},
		{"length", strconv.FormatInt(t.External.Length, 10)},
	} {
		b = appendMessage(b, tensorExternal, func(b []byte) []byte {
			return appendString(appendString(b, entryKey, entry.key), entryValue, entry.value)
		})
	}
	return appendInt(b, tensorLocation, locatedOutside)
}

func appendValueInfo(b []byte, v *ValueInfo) []byte {
	b = appendString(b, valueName, v.Name)
	return appendMessage(b, valueType, func(b []byte) []byte {
		return appendMessage(b, typeTensor, func(b []byte) []byte {
			b = appendInt(b, tensorTypeElement, int64(v.Type))
			return appendMessage(b, tensorTypeShape, func(b []byte) []byte {
				for _, d := range v.Dims {
					b = appendMessage(b, shapeDim, func(b []byte) []byte {
						if d.Name != "" {
							return appendString(b, dimName, d.Name)
						}
						return appendInt(b, dimSize, d.Size)
					})
				}
				return b
			})
		})
	})
}

// appendMessage appends a nested message whose body is written by body. The length prefix is as short as possible, as
// protobuf encoders write it; the body is moved if its prefix needs more than one byte.
func appendMessage(b []byte, field protowire.Number, body func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	start := len(b)
	b = body(append(b, 0))
	n := uint64(len(b) - start - 1)
	if extra := protowire.SizeVarint(n) - 1; extra > 0 {
		b = append(b, make([]byte, extra)...)
		copy(b[start+1+extra:], b[start+1:len(b)-extra])
	}
	protowire.AppendVarint(b[:start], n)
	return b
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendFloat(b []byte, field protowire.Number, v float32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), math.Float32bits(v))
}
