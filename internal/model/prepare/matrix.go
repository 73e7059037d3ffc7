package prepare

// matrix is a quantised weight matrix, used as x·W with x of shape [n, rows]. The value of an element is
//
//	(weights[r*cols+c] - zeros[c]) * scales[c]
//
// A column whose elements all equal its zero point is exactly zero. Methods return new matrices.
type matrix struct {
	rows, cols int
	weights    []uint8   // row-major, shape [rows, cols]
	scales     []float32 // shape [cols]
	zeros      []uint8   // shape [cols]
}

func newMatrix(rows, cols int) matrix {
	return matrix{
		rows: rows, cols: cols,
		weights: make([]uint8, rows*cols), scales: make([]float32, cols), zeros: make([]uint8, cols),
	}
}

// beside returns the matrix with the columns of all parts, in order. All have the same number of rows.
func beside(parts ...matrix) matrix {
	rows, cols := parts[0].rows, 0
	for _, p := range parts {
		cols += p.cols
	}
	m := newMatrix(rows, cols)
	at := 0
	for _, p := range parts {
		copy(m.scales[at:], p.scales)
		copy(m.zeros[at:], p.zeros)
		for r := range rows {
			copy(m.weights[r*cols+at:], p.weights[r*p.cols:(r+1)*p.cols])
		}
		at += p.cols
	}
	return m
}

// padColumns returns the matrix with every group of `from` columns padded to `to` columns with zeros.
func (m matrix) padColumns(from, to int) matrix {
	p := newMatrix(m.rows, m.cols/from*to)
	for c := range p.cols {
		group, i := c/to, c%to
		src := group*from + min(i, from-1)
		p.scales[c], p.zeros[c] = m.scales[src], m.zeros[src]
		for r := range m.rows {
			if i < from {
				p.weights[r*p.cols+c] = m.weights[r*m.cols+src]
			} else {
				p.weights[r*p.cols+c] = m.zeros[src]
			}
		}
	}
	return p
}

// padRows returns the matrix with every group of `from` rows padded to `to` rows with zeros.
func (m matrix) padRows(from, to int) matrix {
	p := newMatrix(m.rows/from*to, m.cols)
	copy(p.scales, m.scales)
	copy(p.zeros, m.zeros)
	for r := range p.rows {
		group, i := r/to, r%to
		row := m.zeros
		if i < from {
			src := group*from + i
			row = m.weights[src*m.cols : (src+1)*m.cols]
		}
		copy(p.weights[r*p.cols:], row)
	}
	return p
}

// times returns the matrix with every element multiplied by f.
func (m matrix) times(f float32) matrix {
	p := m
	p.scales = make([]float32, m.cols)
	for c := range p.scales {
		p.scales[c] = m.scales[c] * f
	}
	return p
}

// floats returns the element values, row-major.
func (m matrix) floats() []float32 {
	v := make([]float32, len(m.weights))
	for i, w := range m.weights {
		c := i % m.cols
		v[i] = float32(int(w)-int(m.zeros[c])) * m.scales[c]
	}
	return v
}

// signed returns weights and zero points as int8: the same values with the same scales. This form is faster on
// processors that multiply uint8 by int8 in one instruction.
func (m matrix) signed() (weights, zeros []uint8) {
	flip := func(v []uint8) []uint8 {
		s := make([]uint8, len(v))
		for i, u := range v {
			s[i] = u ^ 0x80
		}
		return s
	}
	return flip(m.weights), flip(m.zeros)
}

// blocked is a matrix in the layout of ONNX Runtime's MatMulNBits with 8 bits: for each column, its elements in blocks
// of `size` rows, the last block padded with the zero point; one scale and one zero point per block.
type blocked struct {
	rows, cols int       // of the matrix
	count      int       // blocks a column
	size       int       // rows a block
	weights    []uint8   // shape [cols, count, size]
	scales     []float32 // shape [cols*count]
	zeros      []uint8   // shape [cols*count]
}

// newBlocked returns the layout filled with zeros, with the scale and zero point of every column.
func newBlocked(rows, size int, scales []float32, zeros []uint8) blocked {
	cols, count := len(scales), (rows+size-1)/size
	b := blocked{
		rows: rows, cols: cols, count: count, size: size,
		weights: make([]uint8, cols*count*size), scales: make([]float32, cols*count), zeros: make([]uint8, cols*count),
	}
	for c := range cols {
		for i := c * count; i < (c+1)*count; i++ {
			b.scales[i], b.zeros[i] = scales[c], zeros[c]
			for j := i * size; j < (i+1)*size; j++ {
				b.weights[j] = zeros[c]
			}
		}
	}
	return b
}

// blocks returns the matrix in blocks of size rows.
func (m matrix) blocks(size int) blocked {
	b := newBlocked(m.rows, size, m.scales, m.zeros)
	column := b.count * size
	for r := range m.rows {
		for c, w := range m.weights[r*m.cols : (r+1)*m.cols] {
			b.weights[c*column+r] = w
		}
	}
	return b
}

// transposedBlocks returns the transposed matrix in blocks of size of its rows. All columns of m share one
// scale and one zero point.
func (m matrix) transposedBlocks(size int) blocked {
	scales, zeros := make([]float32, m.rows), make([]uint8, m.rows)
	for r := range m.rows {
		scales[r], zeros[r] = m.scales[0], m.zeros[0]
	}
	b := newBlocked(m.cols, size, scales, zeros)
	column := b.count * size
	for r := range m.rows {
		copy(b.weights[r*column:], m.weights[r*m.cols:(r+1)*m.cols])
	}
	return b
}
