package ct2

import (
	"encoding/binary"
	"math"
)

// half returns the value of a float16 (IEEE 754 binary16).
func half(bits uint16) float32 {
	sign := uint32(bits&0x8000) << 16
	exponent := uint32(bits>>10) & 0x1f
	fraction := uint32(bits & 0x3ff)
	switch exponent {
	case 0: // zero and subnormal: fraction * 2^-24
		value := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(value) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// widen appends the values of little-endian elements of the type to values. Integers are divided by nothing: a
// quantised weight still has to be divided by its scale.
func widen(values []float32, data []byte, k kind) []float32 {
	switch k {
	case float32Kind:
		for ; len(data) >= 4; data = data[4:] {
			values = append(values, math.Float32frombits(binary.LittleEndian.Uint32(data)))
		}
	case float16Kind:
		for ; len(data) >= 2; data = data[2:] {
			values = append(values, half(binary.LittleEndian.Uint16(data)))
		}
	case bfloat16Kind:
		for ; len(data) >= 2; data = data[2:] {
			values = append(values, math.Float32frombits(uint32(binary.LittleEndian.Uint16(data))<<16))
		}
	case int8Kind:
		for _, b := range data {
			values = append(values, float32(int8(b)))
		}
	case int16Kind:
		for ; len(data) >= 2; data = data[2:] {
			values = append(values, float32(int16(binary.LittleEndian.Uint16(data))))
		}
	case int32Kind:
		for ; len(data) >= 4; data = data[4:] {
			values = append(values, float32(int32(binary.LittleEndian.Uint32(data))))
		}
	}
	return values
}

// notFinite returns the index of the first element that is infinite or not a number, or -1.
func notFinite(data []byte, k kind) int {
	switch k {
	case float32Kind:
		for i := 0; i+4 <= len(data); i += 4 {
			if binary.LittleEndian.Uint32(data[i:])&0x7f800000 == 0x7f800000 {
				return i / 4
			}
		}
	case float16Kind:
		return allOnes(data, 0x7c00)
	case bfloat16Kind:
		return allOnes(data, 0x7f80)
	}
	return -1
}

// allOnes returns the index of the first 16-bit number that has all bits of the exponent set, or -1.
func allOnes(data []byte, exponent uint16) int {
	for i := 0; i+2 <= len(data); i += 2 {
		if binary.LittleEndian.Uint16(data[i:])&exponent == exponent {
			return i / 2
		}
	}
	return -1
}
