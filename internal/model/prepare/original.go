package prepare

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/onnx"
)

// original gives access to the weights of a published graph. It keeps its first failure in err. After that every weight
// is zeros of the requested shape, so the code that builds an architecture need not check each one and checks err once.
type original struct {
	path      string
	tensors   map[string]onnx.Tensor
	producers map[string]onnx.Node
	err       error
}

func newOriginal(path string, m *onnx.Model) *original {
	o := &original{path: path, tensors: map[string]onnx.Tensor{}, producers: map[string]onnx.Node{}}
	o.add(&m.Graph)
	return o
}

// add takes in a graph and the graphs inside its nodes: the published decoder contains two variants of itself behind an
// If node, with the same weights and the same names.
func (o *original) add(g *onnx.Graph) {
	for _, t := range g.Initializers {
		o.tensors[t.Name] = t
	}
	for _, n := range g.Nodes {
		for _, out := range n.Outputs {
			o.producers[out] = n
		}
		for _, a := range n.Attributes {
			if a.Graph != nil {
				o.add(a.Graph)
			}
		}
	}
}

// fail records that the file is not the model that this package knows.
func (o *original) fail(format string, args ...any) {
	if o.err == nil {
		o.err = scout.Errorf(scout.CodeModelUnsupported, "%s is %w: %s", o.path, ErrUnknownModel, fmt.Sprintf(format, args...))
	}
}

// tensor returns the named constant after checking its type and shape.
func (o *original) tensor(name string, t onnx.DataType, dims ...int64) []byte {
	size := t.Size()
	for _, d := range dims {
		size *= int(d)
	}
	got, ok := o.tensors[name]
	switch {
	case !ok:
		o.fail("it has no weight %q", name)
	case got.Type != t || !slices.Equal(got.Dims, dims):
		o.fail("weight %q is of type %d and shape %v, not %d and %v", name, got.Type, got.Dims, t, dims)
	case len(got.Raw) != size:
		o.fail("weight %q has %d bytes, not %d", name, len(got.Raw), size)
	default:
		return got.Raw
	}
	return make([]byte, size)
}

// floats returns the named float constant of the shape.
func (o *original) floats(name string, dims ...int64) []float32 {
	raw := o.tensor(name, onnx.Float32, dims...)
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v
}

// vector returns the named float vector of n elements.
func (o *original) vector(name string, n int64) []float32 { return o.floats(name, n) }

// projection returns the weights of the quantised matrix product that the published graph calls base, for
// example "/layers.0/self_attn/q_proj": shape [rows, cols], one scale and one zero point.
func (o *original) projection(base string, rows, cols int) matrix {
	product := base + "/MatMul_output_0_output_quantized"
	scales := base + "/MatMul_quant_scales_mul:0"
	p, s := o.producers[product], o.producers[scales]
	if p.Op != "MatMulInteger" || len(p.Inputs) < 4 || s.Op != "Mul" || len(s.Inputs) < 2 {
		o.fail("it has no quantised product %q", base)
		return newMatrix(rows, cols)
	}
	return o.quantised(p.Inputs[1], s.Inputs[1], p.Inputs[3], rows, cols)
}

// quantised returns the matrix made of three named constants: uint8 weights, a scale and a zero point.
func (o *original) quantised(weights, scale, zero string, rows, cols int) matrix {
	m := newMatrix(rows, cols)
	m.weights = o.tensor(weights, onnx.Uint8, int64(rows), int64(cols))
	s, z := o.floats(scale)[0], o.tensor(zero, onnx.Uint8)[0]
	if !(s > 0) || math.IsInf(float64(s), 0) {
		o.fail("scale %q is %v", scale, s)
	}
	for c := range cols {
		m.scales[c], m.zeros[c] = s, z
	}
	return m
}

// convolution returns the weights of a published convolution as the matrix of an equal product over windows:
// rows are tap-major (tap*in + channel), columns are output channels. The graph stores int8 values q with
// w = q*scale + offset, where offset is a whole multiple of scale.
func (o *original) convolution(name string, taps, in, out int) matrix {
	q := o.tensor(name+".weight_quantized", onnx.Int8, int64(out), int64(in), int64(taps))
	scale := o.vector(name+".weight_scale", 1)[0]
	offset := o.vector(name+".weight_zero_point", 1)[0]
	m := newMatrix(taps*in, out)
	// In unsigned form: w = (u - zero) * scale with u = q + 128.
	zero := math.Round(128 - float64(offset)/float64(scale))
	if !(scale > 0) || !(zero >= 0 && zero <= 255) {
		o.fail("convolution %q has scale %v and offset %v", name, scale, offset)
		return m
	}
	for n := range out {
		m.scales[n], m.zeros[n] = scale, uint8(zero)
		for c := range in {
			for t := range taps {
				m.weights[(t*in+c)*out+n] = q[(n*in+c)*taps+t] ^ 0x80
			}
		}
	}
	return m
}

// readOriginal reads and decodes a published graph.
func readOriginal(path string) (*original, []byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, scout.FileError(scout.CodeReadFailed, "read model", err)
	}
	m, err := onnx.Decode(b)
	if err != nil {
		return nil, nil, scout.Errorf(scout.CodeModelCorrupt, "read model %s: %w", path, err)
	}
	return newOriginal(path, m), b, nil
}
