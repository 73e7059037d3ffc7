package audio

import (
	"fmt"
)

// resamplerBlock is how many input samples are taken at a time. Between blocks the filter's memory is moved to the
// front of the buffer: 2048 keeps that below a fifth of the work for every pair of rates.
const resamplerBlock = 2048

// Resampler converts a mono stream from one rate to another. It is band-limited: the pass band reaches to 0.9 of the
// lower Nyquist frequency, and aliases and images stay below -80 dB. It is linear-phase, and its delay is removed:
// output n belongs to the time n/outHz of the input. The rates are exact fractions, so nothing drifts in a recording of
// any length.
//
// Process and Flush allocate nothing. A Resampler belongs to one goroutine.
// Source: docs/adr/0003-resampler.md.
type Resampler struct {
	inHz, outHz int
	kernel      *kernel // nil when the rates are equal

	buf    []float32 // input, preceded by half a filter of zeros at the beginning
	filled int       // samples in buf
	start  int       // first input under the filter for the next output
	phase  int       // position of the next output after the filter's middle, in 1/kernel.phases

	consumed, produced int64
	flushing           bool
}

// NewResampler returns a resampler from inHz to outHz. Rates outside MinSampleRateHz to MaxSampleRateHz are refused as
// by CheckFormat. Equal rates pass samples through unchanged. Designing the filter takes 1-30 ms and up to 3 MiB,
// depending on the rates.
func NewResampler(inHz, outHz int) (*Resampler, error) {
	for _, rate := range [...]int{inHz, outHz} {
		if err := CheckFormat(rate, 1); err != nil {
			return nil, fmt.Errorf("resample from %d to %d Hz: %w", inHz, outHz, err)
		}
	}
	r := &Resampler{inHz: inHz, outHz: outHz}
	if inHz != outHz {
		r.kernel = newKernel(inHz, outHz)
		r.buf = make([]float32, r.kernel.taps+resamplerBlock)
	}
	r.Reset()
	return r, nil
}

// twin returns another resampler between the same rates, for another channel of the same recording. It shares the
// filter's table.
func (r *Resampler) twin() *Resampler {
	t := &Resampler{inHz: r.inHz, outHz: r.outHz, kernel: r.kernel}
	if t.kernel != nil {
		t.buf = make([]float32, len(r.buf))
	}
	t.Reset()
	return t
}

// Reset forgets the stream: the next sample is the first of a new one.
func (r *Resampler) Reset() {
	r.consumed, r.produced, r.flushing = 0, 0, false
	r.start, r.phase, r.filled = 0, 0, 0
	if r.kernel != nil {
		r.filled = r.kernel.taps/2 - 1
		clear(r.buf[:r.filled])
	}
}

// OutputLen returns the number of output samples for a stream of n samples: round(n*outHz/inHz).
func (r *Resampler) OutputLen(n int64) int64 { return outputLen(n, r.inHz, r.outHz) }

// lag is more than the number of samples that Process or Flush can write beyond the OutputLen of its input.
func (r *Resampler) lag() int {
	if r.kernel == nil {
		return 1
	}
	return r.kernel.taps*r.outHz/r.inHz + 2
}

func outputLen(n int64, inHz, outHz int) int64 {
	divisor := gcd(inHz, outHz)
	up, down := int64(outHz/divisor), int64(inHz/divisor)
	return n/down*up + (n%down*up*2+down)/(2*down)
}

// Process takes samples from src and writes what they complete to dst.
//
//	dst  output; must not overlap src
//	src  input, the continuation of the stream
//
// It returns how many samples of src it took and how many of dst it wrote. It stops when src is used up or dst is full;
// call it again with the rest. Output lags behind input by half the filter, 2-10 ms of the lower rate. After an
// incomplete Flush a new stream begins.
func (r *Resampler) Process(dst, src []float32) (consumed, produced int) {
	if r.flushing {
		r.Reset()
	}
	if r.kernel == nil {
		n := copy(dst, src)
		r.consumed += int64(n)
		r.produced += int64(n)
		return n, n
	}
	for {
		produced += r.filter(dst[produced:])
		if consumed == len(src) || produced == len(dst) {
			break
		}
		r.slide()
		n := copy(r.buf[r.filled:], src[consumed:])
		r.filled += n
		consumed += n
	}
	r.consumed += int64(consumed)
	r.produced += int64(produced)
	return consumed, produced
}

// Flush ends the stream: it writes the remaining samples, so that the output has OutputLen(input) samples in total. It
// returns the number of samples written and whether that was all; if not, call it again. After the last of them a new
// stream begins.
func (r *Resampler) Flush(dst []float32) (produced int, done bool) {
	r.flushing = true
	left := r.OutputLen(r.consumed) - r.produced
	if left < int64(len(dst)) {
		dst = dst[:max(left, 0)]
	}
	for produced < len(dst) {
		n := r.filter(dst[produced:])
		produced += n
		if n == 0 {
			// Silence follows the recording, as silence preceded it.
			r.slide()
			clear(r.buf[r.filled:])
			r.filled = len(r.buf)
		}
	}
	r.produced += int64(produced)
	if int64(produced) < left {
		return produced, false
	}
	r.Reset()
	return produced, true
}

// slide moves the part of the buffer that is still needed to its front.
func (r *Resampler) slide() {
	r.filled = copy(r.buf, r.buf[r.start:r.filled])
	r.start = 0
}

// filter writes outputs until dst is full or the buffered input is used up.
func (r *Resampler) filter(dst []float32) int {
	k := r.kernel
	if k == nil {
		return 0
	}
	taps, last := k.taps, r.filled-k.taps
	start, phase := r.start, r.phase
	n := 0
	for n < len(dst) && start <= last {
		in := r.buf[start : start+taps]
		if k.intervals == 0 {
			dst[n] = dot(k.table[phase*taps:(phase+1)*taps], in)
		} else {
			at := phase * k.intervals
			row := at / k.phases
			part := float32(at%k.phases) / float32(k.phases)
			a := dot(k.table[row*taps:(row+1)*taps], in)
			b := dot(k.table[(row+1)*taps:(row+2)*taps], in)
			dst[n] = a + (b-a)*part
		}
		n++
		start += k.whole
		phase += k.rem
		if phase >= k.phases {
			phase -= k.phases
			start++
		}
	}
	r.start, r.phase = start, phase
	return n
}
