package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed is in the chain of every error of Decode.
var ErrMalformed = errors.New("not a valid ONNX file")

// maxDepth bounds subgraphs within subgraphs. Published models nest once (an If around two branches).
const maxDepth = 16

// Decode reads a model file. Tensors' Raw fields may alias b, which must not change while they are used.
// A file that is truncated, inconsistent or nested too deeply gives an error wrapping ErrMalformed.
func Decode(b []byte) (*Model, error) {
	m := &Model{}
	hasGraph := false
	err := eachField(b, func(f field) error {
		switch f.number {
		case modelIRVersion:
			return f.int64(&m.IRVersion)
		case modelProducer:
			return f.string(&m.Producer)
		case modelGraph:
			hasGraph = true
			return f.message(func(b []byte) error { return decodeGraph(b, &m.Graph, maxDepth) })
		case modelOpset:
			return f.message(func(b []byte) error {
				var o Opset
				err := eachField(b, func(f field) error {
					switch f.number {
					case opsetDomain:
						return f.string(&o.Domain)
					case opsetVersion:
						return f.int64(&o.Version)
					}
					return nil
				})
				m.Opsets = append(m.Opsets, o)
				return err
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("decode model: %w: %w", ErrMalformed, err)
	}
	switch {
	case !hasGraph:
		return nil, fmt.Errorf("decode model: %w: no graph", ErrMalformed)
	case len(m.Opsets) == 0: // written after the graph: the end of the file is missing
		return nil, fmt.Errorf("decode model: %w: no operator sets", ErrMalformed)
	}
	return m, nil
}

func decodeGraph(b []byte, g *Graph, depth int) error {
	if depth == 0 {
		return fmt.Errorf("graphs nested more than %d deep", maxDepth)
	}
	return eachField(b, func(f field) error {
		switch f.number {
		case graphName:
			return f.string(&g.Name)
		case graphNode:
			return f.message(func(b []byte) error {
				g.Nodes = append(g.Nodes, Node{})
				return decodeNode(b, &g.Nodes[len(g.Nodes)-1], depth)
			})
		case graphInitializer:
			return f.message(func(b []byte) error {
				g.Initializers = append(g.Initializers, Tensor{})
				return decodeTensor(b, &g.Initializers[len(g.Initializers)-1])
			})
		case graphInput:
			return f.message(func(b []byte) error {
				g.Inputs = append(g.Inputs, ValueInfo{})
				return decodeValueInfo(b, &g.Inputs[len(g.Inputs)-1])
			})
		case graphOutput:
			return f.message(func(b []byte) error {
				g.Outputs = append(g.Outputs, ValueInfo{})
				return decodeValueInfo(b, &g.Outputs[len(g.Outputs)-1])
			})
		case graphValue:
			return f.message(func(b []byte) error {
				g.Values = append(g.Values, ValueInfo{})
				return decodeValueInfo(b, &g.Values[len(g.Values)-1])
			})
		}
		return nil
	})
}

func decodeNode(b []byte, n *Node, depth int) error {
	return eachField(b, func(f field) error {
		switch f.number {
		case nodeInput:
			return f.appendString(&n.Inputs)
		case nodeOutput:
			return f.appendString(&n.Outputs)
		case nodeName:
			return f.string(&n.Name)
		case nodeOp:
			return f.string(&n.Op)
		case nodeDomain:
			return f.string(&n.Domain)
		case nodeAttribute:
			return f.message(func(b []byte) error {
				n.Attributes = append(n.Attributes, Attribute{})
				return decodeAttribute(b, &n.Attributes[len(n.Attributes)-1], depth)
			})
		}
		return nil
	})
}

func decodeAttribute(b []byte, a *Attribute, depth int) error {
	return eachField(b, func(f field) error {
		switch f.number {
		case attributeName:
			return f.string(&a.Name)
		case attributeKind:
			var kind int64
			err := f.int64(&kind)
			a.Kind = AttributeKind(kind)
			return err
		case attributeFloat:
			if f.wire != protowire.Fixed32Type {
				return f.wrongType()
			}
			a.Float = math.Float32frombits(uint32(f.number64))
			return nil
		case attributeInt:
			return f.int64(&a.Int)
		case attributeString:
			return f.bytes(&a.String)
		case attributeTensor:
			return f.message(func(b []byte) error {
				a.Tensor = &Tensor{}
				return decodeTensor(b, a.Tensor)
			})
		case attributeGraph:
			return f.message(func(b []byte) error {
				a.Graph = &Graph{}
				return decodeGraph(b, a.Graph, depth-1)
			})
		case attributeFloats:
			return f.floats(func(v float32) { a.Floats = append(a.Floats, v) })
		case attributeInts:
			return f.ints(func(v int64) { a.Ints = append(a.Ints, v) })
		case attributeStrings:
			var s []byte
			err := f.bytes(&s)
			a.Strings = append(a.Strings, s)
			return err
		}
		return nil
	})
}

func decodeTensor(b []byte, t *Tensor) error {
	outside := false
	var external External
	var ints []int64
	err := eachField(b, func(f field) error {
		switch f.number {
		case tensorDim:
			return f.ints(func(v int64) { t.Dims = append(t.Dims, v) })
		case tensorType:
			var dt int64
			err := f.int64(&dt)
			t.Type = DataType(dt)
			return err
		case tensorName:
			return f.string(&t.Name)
		case tensorRaw:
			return f.bytes(&t.Raw)
		case tensorFloats:
			return f.floats(func(v float32) {
				t.Raw = binary.LittleEndian.AppendUint32(t.Raw, math.Float32bits(v))
			})
		case tensorInt32s, tensorInt64s:
			return f.ints(func(v int64) { ints = append(ints, v) })
		case tensorExternal:
			return f.message(func(b []byte) error { return decodeExternal(b, &external) })
		case tensorLocation:
			var where int64
			err := f.int64(&where)
			outside = where == locatedOutside
			return err
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case outside:
		t.External, t.Raw = &external, nil
		return nil
	case len(t.Raw) == 0:
		t.Raw = packInts(t.Type, ints)
	}
	// Types that this package does not know are kept unread.
	if size := t.Type.Size(); size > 0 {
		if n := t.elements(); n < 0 || n*int64(size) != int64(len(t.Raw)) {
			return fmt.Errorf("tensor %q of shape %v has %d bytes of data", t.Name, t.Dims, len(t.Raw))
		}
	}
	return nil
}

// decodeExternal reads one of the key-value pairs that locate a tensor's data.
func decodeExternal(b []byte, e *External) error {
	var key, value string
	err := eachField(b, func(f field) error {
		switch f.number {
		case entryKey:
			return f.string(&key)
		case entryValue:
			return f.string(&value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch key {
	case "location":
		e.Location = value
	case "offset":
		e.Offset, err = strconv.ParseInt(value, 10, 64)
	case "length":
		e.Length, err = strconv.ParseInt(value, 10, 64)
	}
	if err != nil {
		return fmt.Errorf("external data: %s: %w", key, err)
	}
	return nil
}

// packInts lays out values from the integer fields of a tensor as its raw data.
func packInts(t DataType, values []int64) []byte {
	raw := make([]byte, 0, len(values)*t.Size())
	for _, v := range values {
		switch t.Size() {
		case 1:
			raw = append(raw, byte(v))
		case 4:
			raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
		case 8:
			raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
		}
	}
	return raw
}

func decodeValueInfo(b []byte, v *ValueInfo) error {
	shape := func(f field) error {
		if f.number != shapeDim {
			return nil
		}
		return f.message(func(b []byte) error {
			var d Dim
			err := eachField(b, func(f field) error {
				switch f.number {
				case dimSize:
					return f.int64(&d.Size)
				case dimName:
					return f.string(&d.Name)
				}
				return nil
			})
			v.Dims = append(v.Dims, d)
			return err
		})
	}
	tensorType := func(f field) error {
		switch f.number {
		case tensorTypeElement:
			var dt int64
			err := f.int64(&dt)
			v.Type = DataType(dt)
			return err
		case tensorTypeShape:
			return f.message(func(b []byte) error { return eachField(b, shape) })
		}
		return nil
	}
	return eachField(b, func(f field) error {
		switch f.number {
		case valueName:
			return f.string(&v.Name)
		case valueType:
			return f.message(func(b []byte) error {
				return eachField(b, func(f field) error {
					if f.number != typeTensor {
						return nil
					}
					return f.message(func(b []byte) error { return eachField(b, tensorType) })
				})
			})
		}
		return nil
	})
}

// field is one field of a message: a number in number64, or bytes in payload, depending on wire.
type field struct {
	number   protowire.Number
	wire     protowire.Type
	number64 uint64
	payload  []byte
}

// eachField calls visit for every field of the message b, in order, and stops at the first error.
func eachField(b []byte, visit func(field) error) error {
	for len(b) > 0 {
		f := field{}
		var n int
		f.number, f.wire, n = protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		switch f.wire {
		case protowire.VarintType:
			f.number64, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.number64 = uint64(v)
		case protowire.Fixed64Type:
			f.number64, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			f.payload, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(f.number, f.wire, b)
		}
		if n < 0 {
			return fmt.Errorf("field %d: %w", f.number, protowire.ParseError(n))
		}
		b = b[n:]
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

func (f field) wrongType() error {
	return fmt.Errorf("field %d has wire type %d", f.number, f.wire)
}

func (f field) int64(dst *int64) error {
	if f.wire != protowire.VarintType {
		return f.wrongType()
	}
	*dst = int64(f.number64)
	return nil
}

func (f field) bytes(dst *[]byte) error {
	if f.wire != protowire.BytesType {
		return f.wrongType()
	}
	*dst = f.payload[:len(f.payload):len(f.payload)]
	return nil
}

func (f field) string(dst *string) error {
	if f.wire != protowire.BytesType {
		return f.wrongType()
	}
	*dst = string(f.payload)
	return nil
}

func (f field) appendString(dst *[]string) error {
	var s string
	err := f.string(&s)
	*dst = append(*dst, s)
	return err
}

func (f field) message(decode func([]byte) error) error {
	if f.wire != protowire.BytesType {
		return f.wrongType()
	}
	if err := decode(f.payload); err != nil {
		return fmt.Errorf("in field %d: %w", f.number, err)
	}
	return nil
}

// ints reads a repeated integer field, packed or not.
func (f field) ints(add func(int64)) error {
	switch f.wire {
	case protowire.VarintType:
		add(int64(f.number64))
		return nil
	case protowire.BytesType:
		for b := f.payload; len(b) > 0; {
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return fmt.Errorf("field %d: %w", f.number, protowire.ParseError(n))
			}
			add(int64(v))
			b = b[n:]
		}
		return nil
	default:
		return f.wrongType()
	}
}

// floats reads a repeated float field, packed or not.
func (f field) floats(add func(float32)) error {
	switch f.wire {
	case protowire.Fixed32Type:
		add(math.Float32frombits(uint32(f.number64)))
		return nil
	case protowire.BytesType:
		for b := f.payload; len(b) > 0; {
			v, n := protowire.ConsumeFixed32(b)
			if n < 0 {
				return fmt.Errorf("field %d: %w", f.number, protowire.ParseError(n))
			}
			add(math.Float32frombits(v))
			b = b[n:]
		}
		return nil
	default:
		return f.wrongType()
	}
}
