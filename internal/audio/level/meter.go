package level

import (
	"math"
	"sync/atomic"
	"time"
)

// MeterOptions are the time constants of a meter: the time in which it covers 63 % of a step. The zero value means the
// defaults given at each field.
type MeterOptions struct {
	// Attack is for a rising level; default 10 ms.
	Attack time.Duration
	// Release is for a falling one; default 300 ms, as on a volume meter (IEC 60268-17).
	Release time.Duration
}

// Meter is the level of a stream, smoothed. One goroutine updates it; any number of others read it,
// as often as they like: a reading is two atomic loads and no work for the writer.
type Meter struct {
	attack, release float64 // seconds
	instant         atomic.Uint64
	smooth          atomic.Uint64
	rms, peak       float64 // of the writer alone
}

// Reading is what a meter shows.
type Reading struct {
	// RMS and Peak are those of the newest block, linear.
	RMS  float64 `json:"rms"`
	Peak float64 `json:"peak"`
	// SmoothRMS and SmoothPeak follow them with the meter's time constants.
	SmoothRMS  float64 `json:"smooth_rms"`
	SmoothPeak float64 `json:"smooth_peak"`
}

// RMSDBFS is the smoothed RMS on the meter's scale, -60 to 0.
func (r Reading) RMSDBFS() float64 { return DBFS(r.SmoothRMS) }

// PeakDBFS is the smoothed peak on the meter's scale, -60 to 0.
func (r Reading) PeakDBFS() float64 { return DBFS(r.SmoothPeak) }

// NewMeter returns a meter at silence.
func NewMeter(o MeterOptions) *Meter {
	if o.Attack <= 0 {
		o.Attack = 10 * time.Millisecond
	}
	if o.Release <= 0 {
		o.Release = 300 * time.Millisecond
	}
	return &Meter{attack: o.Attack.Seconds(), release: o.Release.Seconds()}
}

// Update shows the meter a block that lasted d. Smoothing depends only on time: ten blocks of 1 ms move the needle as
// far as one of 10 ms. Values that are not finite count as silence. If d is zero or less, only the instant values
// change.
func (m *Meter) Update(block Level, d time.Duration) {
	rms, peak := sane(block.RMS), sane(block.Peak)
	m.instant.Store(pack(rms, peak))
	m.rms = m.approach(m.rms, rms, d.Seconds())
	m.peak = m.approach(m.peak, peak, d.Seconds())
	m.smooth.Store(pack(m.rms, m.peak))
}

// Reset sets the meter back to silence. It belongs to the updating goroutine.
func (m *Meter) Reset() {
	m.rms, m.peak = 0, 0
	m.instant.Store(0)
	m.smooth.Store(0)
}

// Reading returns the current values of the meter. RMS and peak of a pair belong to the same block.
func (m *Meter) Reading() Reading {
	var r Reading
	r.RMS, r.Peak = unpack(m.instant.Load())
	r.SmoothRMS, r.SmoothPeak = unpack(m.smooth.Load())
	return r
}

func (m *Meter) approach(from, to, seconds float64) float64 {
	constant := m.attack
	if to < from {
		constant = m.release
	}
	if seconds <= 0 {
		return from
	}
	return to + (from-to)*math.Exp(-seconds/constant)
}

func sane(x float64) float64 {
	if !(x > 0) || x > math.MaxFloat32 { // also NaN
		return 0
	}
	return x
}

func pack(a, b float64) uint64 {
	return uint64(math.Float32bits(float32(a)))<<32 | uint64(math.Float32bits(float32(b)))
}

func unpack(p uint64) (float64, float64) {
	return float64(math.Float32frombits(uint32(p >> 32))), float64(math.Float32frombits(uint32(p)))
}
