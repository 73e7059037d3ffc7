package audio

import "math"

// The low-pass filter of the resampler, a sinc under a Kaiser window. Frequencies are relative to the
// lower of the two Nyquist frequencies. Source: J. F. Kaiser, "Nonrecursive digital filter design
// using the I0-sinh window function", IEEE ISCAS 1974; docs/adr/0003-resampler.md.
const (
	// passbandEdge is the end of the pass band. Below it the ripple is that of the stop band.
	passbandEdge = 0.90
	// stopbandEdge is the beginning of the stop band: nothing above it may alias, nothing below it may image.
	stopbandEdge = 1.00
	// attenuationDB is 10 dB more than promised, to allow for float32 arithmetic and for the interpolation between
	// table rows.
	attenuationDB = 90.0
)

const (
	// tapsMultiple makes rows whole vectors of eight float32.
	tapsMultiple = 8
	// exactTableLen is the largest table with one row per phase, 1 MiB: every common pair of rates fits (44.1 to 16 kHz
	// takes 50,560). Beyond it rows are interpolated.
	exactTableLen = 1 << 18
	// interpolatedRows is the number of rows per input sample for a filter as wide as the input's
	// band. Linear interpolation errs by at most (ω/rows)²/8 with ω <= π: -106 dB.
	interpolatedRows = 512
	// minInterpolatedRows keeps the error of narrow filters within that bound too.
	minInterpolatedRows = 48
)

// kernel is the polyphase table of one pair of rates. It is not changed after newKernel.
type kernel struct {
	taps int // inputs per output, a multiple of tapsMultiple
	// step is the advance of one output in inputs, whole + rem/phases.
	phases, whole, rem int
	// rows of taps coefficients each. Exact: one per phase. Interpolated: intervals+1, row r for the
	// phase r/intervals.
	table     []float32
	intervals int // 0 means exact
}

// newKernel designs the filter from inHz to outHz, both greater than 0.
func newKernel(inHz, outHz int) *kernel {
	divisor := gcd(inHz, outHz)
	up, down := outHz/divisor, inHz/divisor
	k := &kernel{phases: up, whole: down / up, rem: down % up}

	// From here on everything is in cycles per input sample.
	nyquist := 0.5 * math.Min(1, float64(outHz)/float64(inHz))
	cutoff := nyquist * (passbandEdge + stopbandEdge) / 2
	transition := nyquist * (stopbandEdge - passbandEdge)
	length := (attenuationDB - 7.95) / (2.285 * 2 * math.Pi * transition)
	k.taps = (int(math.Ceil(length)) + tapsMultiple) / tapsMultiple * tapsMultiple
	beta := 0.1102 * (attenuationDB - 8.7)

	rows := up
	if up*k.taps > exactTableLen {
		k.intervals = max(minInterpolatedRows, int(math.Ceil(interpolatedRows*2*nyquist)))
		rows = k.intervals + 1
	}
	k.table = make([]float32, rows*k.taps)
	row := make([]float64, k.taps)
	for r := range rows {
		phase := float64(r) / float64(up)
		if k.intervals > 0 {
			phase = float64(r) / float64(k.intervals)
		}
		k.design(row, phase, cutoff, beta)
		for i, c := range row {
			k.table[r*k.taps+i] = float32(c)
		}
	}
	return k
}

// design fills row with the coefficients for an output at phase (0 to 1) after input taps/2-1 of the row. Each row is
// scaled to a sum of 1, so that a constant stays constant at every phase.
//
//go:norace
func (k *kernel) design(row []float64, phase, cutoff, beta float64) {
	half := float64(k.taps / 2)
	norm := besselI0(beta)
	var sum float64
	for i := range row {
		t := phase + half - 1 - float64(i)
		var window float64
		if x := t / half; math.Abs(x) < 1 {
			window = besselI0(beta*math.Sqrt(1-x*x)) / norm
		}
		row[i] = sinc(2*cutoff*t) * window
		sum += row[i]
	}
	for i := range row {
		row[i] /= sum
	}
}

func sinc(x float64) float64 {
	if math.Abs(x) < 1e-12 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// besselI0 is the modified Bessel function of the first kind and order 0, by its power series
// (Abramowitz and Stegun 9.6.10), to the precision of float64 for the x used here (up to 10).
func besselI0(x float64) float64 {
	sum, term := 1.0, 1.0
	for n := 1.0; term > sum*1e-17; n++ {
		term *= (x / (2 * n)) * (x / (2 * n))
		sum += term
	}
	return sum
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
