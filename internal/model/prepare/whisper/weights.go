package whisper

import (
	"math"

	"github.com/scout-speech/scout/internal/model/ct2"
	"github.com/scout-speech/scout/internal/model/onnx"
	"github.com/scout-speech/scout/internal/model/onnx/build"
	"github.com/scout-speech/scout/internal/model/prepare"
)

// matrix is the weights of a linear layer, y = x·Wᵀ: one row for each output. They are either numbers or bytes with a
// scale for each row, as the file holds them: bytes go into a graph without a second rounding.
type matrix struct {
	rows, cols int
	values     []float32 // [rows, cols], nil where bytes are stored
	bytes      []int8    // [rows, cols]
	scales     []float32 // [rows]: value = byte * scale
}

// part returns the rows from..to.
func (m matrix) part(from, to int) matrix {
	p := matrix{rows: to - from, cols: m.cols}
	if m.values != nil {
		p.values = m.values[from*m.cols : to*m.cols]
		return p
	}
	p.bytes, p.scales = m.bytes[from*m.cols:to*m.cols], m.scales[from:to]
	return p
}

// times returns the matrix with every value multiplied by f.
func (m matrix) times(f float32) matrix {
	multiply := func(v []float32) []float32 {
		out := make([]float32, len(v))
		for i := range v {
			out[i] = v[i] * f
		}
		return out
	}
	p := m
	if m.values != nil {
		p.values = multiply(m.values)
	} else {
		p.scales = multiply(m.scales)
	}
	return p
}

// largest is the largest byte of a rounded weight: with it bytes are symmetric around zero.
const largest = 127

// rounded writes values as bytes and returns their scale, so that the largest value is the largest byte.
func rounded(bytes []int8, values []float32) float32 {
	var most float32
	for _, v := range values {
		most = max(most, v, -v)
	}
	if most == 0 {
		clear(bytes)
		return 1
	}
	scale := most / largest
	for i, v := range values {
		bytes[i] = int8(math.RoundToEven(float64(v / scale)))
	}
	return scale
}

// byRow returns the matrix as bytes with a scale for each row.
func (m matrix) byRow() matrix {
	if m.values == nil {
		return m
	}
	p := matrix{rows: m.rows, cols: m.cols, bytes: make([]int8, len(m.values)), scales: make([]float32, m.rows)}
	for r := range m.rows {
		p.scales[r] = rounded(p.bytes[r*m.cols:(r+1)*m.cols], m.values[r*m.cols:(r+1)*m.cols])
	}
	return p
}

// zero is the byte that stands for 0 in unsigned form.
const zero = 128

// floats returns the values, [rows, cols].
func (m matrix) floats() []float32 {
	if m.values != nil {
		return m.values
	}
	v := make([]float32, len(m.bytes))
	for i, b := range m.bytes {
		v[i] = float32(b) * m.scales[i/m.cols]
	}
	return v
}

// columns returns the bytes transposed, [cols, rows], in the form of a variant, the zero points and the element type:
// the layout of MatMulIntegerToFloat and DynamicQuantizeMatMul.
func (m matrix) columns(v prepare.Variant) (weights, zeros []byte, t onnx.DataType) {
	var flip uint8
	t = onnx.Int8
	if v == prepare.VariantUnsigned {
		flip, t = zero, onnx.Uint8
	}
	weights, zeros = make([]byte, len(m.bytes)), make([]byte, m.rows)
	for r := range m.rows {
		zeros[r] = flip
		for c, b := range m.bytes[r*m.cols : (r+1)*m.cols] {
			weights[c*m.rows+r] = uint8(b) ^ flip
		}
	}
	return weights, zeros, t
}

// blockSize is how many weights of a row share a rounding in MatMulNBits. Measured for a token at 600 frames: blocks of
// 64 take 1.1 times as long, of 32 1.25, of 256 1.1 (docs/adr/0071-whisper-graphs.md).
const blockSize = 128

// blocks returns the rows as bytes in blocks, [rows, count, blockSize] with 128 for zero, the last block of a row padded
// with zeros, and a scale for each block: the layout of MatMulNBits.
func (m matrix) blocks() (weights []byte, scales []float32, count int) {
	count = (m.cols + blockSize - 1) / blockSize
	weights, scales = make([]byte, m.rows*count*blockSize), make([]float32, m.rows*count)
	block := make([]int8, blockSize)
	for r := range m.rows {
		for i := range count {
			from, to := r*m.cols+i*blockSize, r*m.cols+min((i+1)*blockSize, m.cols)
			clear(block)
			if m.values != nil {
				scales[r*count+i] = rounded(block[:to-from], m.values[from:to])
			} else {
				copy(block, m.bytes[from:to])
				scales[r*count+i] = m.scales[r]
			}
			out := weights[(r*count+i)*blockSize:][:blockSize]
			for j, b := range block {
				out[j] = uint8(b) ^ zero
			}
		}
	}
	return weights, scales, count
}

// graph is a Whisper graph under construction with the weights it takes from. It keeps the first failure to read a
// weight in err. After that every weight is zeros, so the code that builds a layer need not check each one.
type graph struct {
	*build.Graph
	model   *ct2.Model
	shape   ct2.Architecture
	variant prepare.Variant
	stopped func() bool // whether to give up between layers
	err     error
}

// value is a tensor in the graph under construction.
type value = build.Value

// vector returns a stored vector or table of n numbers.
func (g *graph) vector(name string, n int) []float32 {
	v, _, err := g.model.Floats(name)
	if err == nil && len(v) != n {
		err = unsupported("weight %q has %d numbers, not %d", name, len(v), n)
	}
	if err != nil {
		g.fail(err)
		return make([]float32, n)
	}
	return v
}

// matrix returns the weights of a linear layer: rows outputs of cols inputs.
func (g *graph) matrix(name string, rows, cols int) matrix {
	m := matrix{rows: rows, cols: cols}
	bytes, scales, _, ok, err := g.model.Rows8(name)
	if err == nil && ok && len(bytes) == rows*cols && len(scales) == rows {
		m.bytes, m.scales = bytes, scales
		return m
	}
	if err == nil && ok {
		err = unsupported("weight %q has %d numbers and %d scales, not %d and %d", name, len(bytes), len(scales), rows*cols, rows)
	}
	if err != nil {
		g.fail(err)
		m.values = make([]float32, rows*cols)
		return m
	}
	m.values = g.vector(name, rows*cols)
	return m
}

func (g *graph) fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

// floats adds a stored vector as a constant of the same name.
func (g *graph) floats(name string, n int) value { return g.Floats(name, g.vector(name, n), int64(n)) }

// norm returns the weight and bias of a layer norm.
func (g *graph) norm(name string) []value {
	return []value{g.floats(name+"/gamma", g.shape.Width), g.floats(name+"/beta", g.shape.Width)}
}

// addNorm adds x and a stored bias to the stream and normalises it.
func (g *graph) addNorm(stream, x value, norm, bias string) (value, value) {
	return g.AddNorm(stream, x, append(g.norm(norm), g.floats(bias, g.shape.Width))...)
}

// rounding is a tensor rounded to 8 bits by its own range: bytes, scale and zero point.
func (g *graph) rounding(x value) []value { return g.Node("", "DynamicQuantizeLinear", []value{x}, 3) }

// product is x·Wᵀ + bias of a rounded x; bias may be left out.
func (g *graph) product(name string, x []value, m matrix, bias value) value {
	m = m.byRow()
	weights, zeros, t := m.columns(g.variant)
	in := []value{
		x[0], g.Constant(name+".weight", t, weights, int64(m.cols), int64(m.rows)),
		x[1], g.Floats(name+".scale", m.scales, int64(m.rows)),
		x[2], g.Constant(name+".zero", t, zeros, int64(m.rows)),
	}
	if bias != "" {
		in = append(in, bias)
	}
	return g.ContribOp("MatMulIntegerToFloat", in)
}

// linear is x·Wᵀ + bias with x rounded to 8 bits by the range of the whole tensor; bias may be left out.
func (g *graph) linear(name string, x value, m matrix, bias value) value {
	m = m.byRow()
	weights, zeros, t := m.columns(g.variant)
	in := []value{
		x, g.Constant(name+".weight", t, weights, int64(m.cols), int64(m.rows)),
		g.Floats(name+".scale", m.scales, int64(m.rows)), g.Constant(name+".zero", t, zeros, int64(m.rows)),
	}
	if bias != "" {
		in = append(in, bias)
	}
	return g.ContribOp("DynamicQuantizeMatMul", in)
}

// blocked is x·Wᵀ + bias with each row of x rounded to 8 bits by blocks; bias may be left out.
func (g *graph) blocked(name string, x value, m matrix, bias value) value {
	out := value(name)
	g.blockedAs(out, name, x, m, bias)
	return out
}

// blockedAs is blocked with a name for the result.
func (g *graph) blockedAs(out value, name string, x value, m matrix, bias value) {
	weights, scales, count := m.blocks()
	in := []value{
		x, g.Constant(name+".weight", onnx.Uint8, weights, int64(m.rows), int64(count), blockSize),
		g.Floats(name+".scale", scales, int64(len(scales))),
	}
	if bias != "" {
		in = append(in, "", "", bias)
	}
	g.Named(build.Contrib, "MatMulNBits", in, []value{out},
		onnx.IntAttr("K", int64(m.cols)), onnx.IntAttr("N", int64(m.rows)), onnx.IntAttr("bits", 8),
		onnx.IntAttr("block_size", blockSize), onnx.IntAttr("accuracy_level", 4))
}

// whole is x·Wᵀ in floats.
func (g *graph) whole(name string, x value, m matrix) value {
	stored := m.floats()
	w := make([]float32, len(stored)) // [cols, rows]
	for r := range m.rows {
		for c, v := range stored[r*m.cols : (r+1)*m.cols] {
			w[c*m.rows+r] = v
		}
	}
	return g.Op("MatMul", []value{x, g.Floats(name+".weight", w, int64(m.cols), int64(m.rows))})
}
