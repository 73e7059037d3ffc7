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

// beside returns the matrix of the columns of all parts, in order. All have the same number of rows.
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

// padColumns returns the matrix with every group of `from` columns filled up to `to` columns of zeros.
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

// padRows returns the matrix with every group of `from` rows filled up to `to` rows of zeros.
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

// transposed returns the matrix with rows and columns exchanged. The columns must share scale and zero point.
func (m matrix) transposed() matrix {
	p := newMatrix(m.cols, m.rows)
	for r := range m.rows {
		p.scales[r], p.zeros[r] = m.scales[0], m.zeros[0]
		for c := range m.cols {
			p.weights[c*m.rows+r] = m.weights[r*m.cols+c]
		}
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

// signed returns weights and zero points as int8: the same values with the same scales. Where the processor
// multiplies uint8 by int8 in one instruction, this form is the faster one.
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

// blocks returns the matrix in the layout of ONNX Runtime's MatMulNBits with 8 bits: for each column, its
// elements in blocks of `size` rows, the last block filled up with the zero point; one scale and one zero
// point a block.
//
//	weights  shape [cols, blocks, size]
//	scales   shape [cols*blocks]
//	zeros    shape [cols*blocks]
func (m matrix) blocks(size int) (weights []uint8, scales []float32, zeros []uint8) {
	n := (m.rows + size - 1) / size
	weights = make([]uint8, m.cols*n*size)
	scales = make([]float32, m.cols*n)
	zeros = make([]uint8, m.cols*n)
	for c := range m.cols {
		column := weights[c*n*size : (c+1)*n*size]
		for r := range column {
			if r < m.rows {
				column[r] = m.weights[r*m.cols+c]
			} else {
				column[r] = m.zeros[c]
			}
		}
		for i := range n {
			scales[c*n+i], zeros[c*n+i] = m.scales[c], m.zeros[c]
		}
	}
	return weights, scales, zeros
}
