package prepare

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func drawMatrix(t *rapid.T, rows, cols int) matrix {
	m := newMatrix(rows, cols)
	copy(m.weights, rapid.SliceOfN(rapid.Uint8(), rows*cols, rows*cols).Draw(t, "weights"))
	copy(m.zeros, rapid.SliceOfN(rapid.Uint8(), cols, cols).Draw(t, "zeros"))
	copy(m.scales, rapid.SliceOfN(rapid.Float32Range(1e-3, 1), cols, cols).Draw(t, "scales"))
	return m
}

// at returns the value of element (r, c) by the definition in the type's comment.
func (m matrix) at(r, c int) float32 {
	return float32(int(m.weights[r*m.cols+c])-int(m.zeros[c])) * m.scales[c]
}

// Whatever form a matrix is brought into, its elements keep their values and what is filled in is zero.
func TestMatrixKeepsItsValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows, groups, from := rapid.IntRange(1, 9).Draw(t, "rows"), rapid.IntRange(1, 3).Draw(t, "groups"), rapid.IntRange(1, 4).Draw(t, "from")
		to := from + rapid.IntRange(0, 3).Draw(t, "more")
		m := drawMatrix(t, rows, groups*from)

		floats := m.floats()
		for i, v := range floats {
			if v != m.at(i/m.cols, i%m.cols) {
				t.Fatalf("floats: element %d is %v", i, v)
			}
		}
		padded := m.padColumns(from, to)
		for r := range padded.rows {
			for c := range padded.cols {
				want := float32(0)
				if i := c % to; i < from {
					want = m.at(r, c/to*from+i)
				}
				if got := padded.at(r, c); got != want {
					t.Fatalf("padColumns(%d, %d): (%d, %d) is %v, want %v", from, to, r, c, got, want)
				}
			}
		}
		tall := drawMatrix(t, groups*from, 3)
		paddedRows := tall.padRows(from, to)
		for r := range paddedRows.rows {
			for c := range paddedRows.cols {
				want := float32(0)
				if i := r % to; i < from {
					want = tall.at(r/to*from+i, c)
				}
				if got := paddedRows.at(r, c); got != want {
					t.Fatalf("padRows(%d, %d): (%d, %d) is %v, want %v", from, to, r, c, got, want)
				}
			}
		}
		both := beside(m, padded)
		for r := range both.rows {
			for c := range both.cols {
				part, at := m, c
				if c >= m.cols {
					part, at = padded, c-m.cols
				}
				want := part.at(r, at)
				if got := both.at(r, c); got != want {
					t.Fatalf("beside: (%d, %d) is %v, want %v", r, c, got, want)
				}
			}
		}
		weights, zeros := m.signed()
		for i, w := range weights {
			c := i % m.cols
			if got := float32(int(int8(w))-int(int8(zeros[c]))) * m.scales[c]; got != floats[i] {
				t.Fatalf("signed: element %d is %v, want %v", i, got, floats[i])
			}
		}
		half := m.times(0.5)
		if got, want := half.at(0, 0), m.at(0, 0)/2; math.Abs(float64(got-want)) > 1e-6*math.Abs(float64(want)) {
			t.Fatalf("times: %v, want %v", got, want)
		}
	})
}

func TestMatrixBlocks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows, cols, size := rapid.IntRange(1, 20).Draw(t, "rows"), rapid.IntRange(1, 5).Draw(t, "cols"), rapid.IntRange(1, 8).Draw(t, "size")
		m := drawMatrix(t, rows, cols)
		checkBlocks(t, m.blocks(size), shape{rows, cols, size}, m.at)

		for c := range m.cols { // a transposed matrix has one scale and zero point
			m.scales[c], m.zeros[c] = m.scales[0], m.zeros[0]
		}
		checkBlocks(t, m.transposedBlocks(size), shape{cols, rows, size}, func(r, c int) float32 { return m.at(c, r) })
	})
}

// shape of a matrix, and the size of its blocks.
type shape struct{ rows, cols, size int }

// checkBlocks compares every element of b, the filling included, with the matrix it was made from.
func checkBlocks(t *rapid.T, b blocked, s shape, at func(r, c int) float32) {
	rows, cols, size := s.rows, s.cols, s.size
	n := (rows + size - 1) / size
	if b.rows != rows || b.cols != cols || b.count != n || b.size != size || len(b.weights) != cols*n*size {
		t.Fatalf("%d x %d in blocks of %d: %+v", rows, cols, size, b)
	}
	for c := range cols {
		for r := range n * size {
			block := c*n + r/size
			got := float32(int(b.weights[block*size+r%size])-int(b.zeros[block])) * b.scales[block]
			want := float32(0)
			if r < rows {
				want = at(r, c)
			}
			if got != want {
				t.Fatalf("(%d, %d) is %v, want %v", r, c, got, want)
			}
		}
	}
}
