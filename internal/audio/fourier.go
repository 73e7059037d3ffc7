package audio

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// fourier computes discrete Fourier transforms of one length, a power of two. It is not changed after newFourier.
type fourier struct {
	reversed []int        // index with its bits in reverse order
	roots    []complex128 // e^(-2πik/n), k < n/2
}

func newFourier(n int) *fourier {
	f := &fourier{reversed: make([]int, n), roots: make([]complex128, n/2)}
	shift := bits.UintSize - bits.TrailingZeros(uint(n))
	for i := range f.reversed {
		f.reversed[i] = int(bits.Reverse(uint(i)) >> shift)
	}
	for k := range f.roots {
		f.roots[k] = cmplx.Rect(1, -2*math.Pi*float64(k)/float64(n))
	}
	return f
}

// transform replaces x, of the transform's length, by its transform. Source: Cooley and Tukey 1965, radix 2,
// decimation in time.
//
// The race detector does not watch the steps of this and of what else is computed in memory that nobody shares; what is written to mixers
// and resamplers, and read from them, is watched.
//
//go:norace
func (f *fourier) transform(x []complex128) {
	n := len(f.reversed)
	x = x[:n]
	for i, j := range f.reversed {
		if i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for half, stride := 1, n/2; half < n; half, stride = half*2, stride/2 {
		for start := 0; start < n; start += 2 * half {
			low, high := x[start:start+half], x[start+half:start+2*half]
			for k := range low {
				v := high[k] * f.roots[k*stride]
				low[k], high[k] = low[k]+v, low[k]-v
			}
		}
	}
}

// pair transforms two real signals at once: a and b have the transform's length, and x and y get n/2+1 bins each.
// scratch has the transform's length.
//
//go:norace
func (f *fourier) pair(x, y []complex64, a, b []float32, scratch []complex128) {
	n := len(f.reversed)
	for i := range n {
		scratch[i] = complex(float64(a[i]), float64(b[i]))
	}
	f.transform(scratch)
	for k := range n/2 + 1 {
		p, q := scratch[k], cmplx.Conj(scratch[(n-k)%n])
		x[k] = complex64((p + q) / 2)
		y[k] = complex64((p - q) / 2 * -1i)
	}
}
