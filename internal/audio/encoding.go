package audio

import (
	"encoding/binary"
	"math"
)

// Encoding is how one sample is stored in bytes, little-endian.
type Encoding uint8

// The encodings of WAV files and of sound devices. The zero value is none of them.
const (
	// Uint8 is unsigned with its zero at 128.
	Uint8 Encoding = iota + 1
	// Int16 is signed 16-bit.
	Int16
	// Int24 is signed 24-bit in three bytes.
	Int24
	// Int32 is signed 32-bit; 24 significant bits are expected in the upper ones.
	Int32
	// Float32 is IEEE 754 single precision, full scale at ±1.
	Float32
	// Float64 is IEEE 754 double precision, full scale at ±1.
	Float64
	// ALaw is ITU-T G.711 A-law, 13 bits compressed into 8.
	ALaw
	// MuLaw is ITU-T G.711 mu-law, 14 bits compressed into 8.
	MuLaw
)

// String returns the name that ffmpeg gives the encoding.
func (e Encoding) String() string {
	switch e {
	case Uint8:
		return "pcm_u8"
	case Int16:
		return "pcm_s16le"
	case Int24:
		return "pcm_s24le"
	case Int32:
		return "pcm_s32le"
	case Float32:
		return "pcm_f32le"
	case Float64:
		return "pcm_f64le"
	case ALaw:
		return "pcm_alaw"
	case MuLaw:
		return "pcm_mulaw"
	}
	return "unknown"
}

// Bytes returns the size of one sample, 0 for an unknown encoding.
func (e Encoding) Bytes() int {
	switch e {
	case Uint8, ALaw, MuLaw:
		return 1
	case Int16:
		return 2
	case Int24:
		return 3
	case Int32, Float32:
		return 4
	case Float64:
		return 8
	}
	return 0
}

// Float reports whether samples can be outside full scale, NaN or infinite.
func (e Encoding) Float() bool { return e == Float32 || e == Float64 }

// Full scale of the integer encodings: the most negative value becomes exactly -1, so that a 16-bit sample converted to
// float32 and back is unchanged.
const (
	scale8  = 1 << 7
	scale16 = 1 << 15
	scale24 = 1 << 23
	scale32 = 1 << 31
)

// Decode converts samples from src to float32.
//
//	dst  as many samples as fit
//	src  whole samples; a partial one at the end is ignored
//
// It returns the number of samples converted, min(len(dst), len(src)/enc.Bytes()), and 0 for an
// unknown encoding. Non-finite values of float encodings are passed on: see Sanitize.
func Decode(dst []float32, src []byte, enc Encoding) int {
	size := enc.Bytes()
	if size == 0 {
		return 0
	}
	n := min(len(dst), len(src)/size)
	dst, src = dst[:n], src[:n*size]
	switch enc {
	case Uint8:
		for i := range dst {
			dst[i] = (float32(src[i]) - scale8) * (1.0 / scale8)
		}
	case Int16:
		for i := range dst {
			dst[i] = float32(int16(binary.LittleEndian.Uint16(src[2*i:]))) * (1.0 / scale16)
		}
	case Int24:
		for i := range dst {
			b := src[3*i : 3*i+3]
			// Placed in the upper three bytes, so that the sign is right.
			v := int32(uint32(b[0])<<8 | uint32(b[1])<<16 | uint32(b[2])<<24)
			dst[i] = float32(v) * (1.0 / scale32)
		}
	case Int32:
		for i := range dst {
			dst[i] = float32(int32(binary.LittleEndian.Uint32(src[4*i:]))) * (1.0 / scale32)
		}
	case Float32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case Float64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	case ALaw:
		for i := range dst {
			dst[i] = float32(alaw(src[i])) * (1.0 / scale16)
		}
	case MuLaw:
		for i := range dst {
			dst[i] = float32(mulaw(src[i])) * (1.0 / scale16)
		}
	}
	return n
}

// Encode converts samples from src to bytes: rounded to the nearest step, clipped at full scale, NaN as silence. Float
// encodings take values unchanged. ALaw and MuLaw are only read.
//
//	dst  as many whole samples as fit
//
// It returns the number of samples converted, 0 for an encoding it does not write.
func Encode(dst []byte, src []float32, enc Encoding) int {
	size := enc.Bytes()
	if size == 0 || enc == ALaw || enc == MuLaw {
		return 0
	}
	n := min(len(src), len(dst)/size)
	src, dst = src[:n], dst[:n*size]
	switch enc {
	case Uint8:
		for i, v := range src {
			dst[i] = byte(quantise(v, scale8) + scale8)
		}
	case Int16:
		for i, v := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], uint16(quantise(v, scale16)))
		}
	case Int24:
		for i, v := range src {
			q := quantise(v, scale24)
			b := dst[3*i : 3*i+3]
			b[0], b[1], b[2] = byte(q), byte(q>>8), byte(q>>16)
		}
	case Int32:
		for i, v := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], uint32(quantise(v, scale32)))
		}
	case Float32:
		for i, v := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
		}
	case Float64:
		for i, v := range src {
			binary.LittleEndian.PutUint64(dst[8*i:], math.Float64bits(float64(v)))
		}
	}
	return n
}

// FromInt16 converts 16-bit samples to float32 and returns how many, min(len(dst), len(src)).
func FromInt16(dst []float32, src []int16) int {
	n := min(len(dst), len(src))
	dst, src = dst[:n], src[:n]
	for i, v := range src {
		dst[i] = float32(v) * (1.0 / scale16)
	}
	return n
}

func quantise(v float32, scale float64) int32 {
	x := math.RoundToEven(float64(v) * scale)
	switch {
	case x >= scale-1:
		return int32(scale - 1)
	case x <= -scale:
		return int32(-scale)
	case x != x:
		return 0
	}
	return int32(x)
}

// alaw expands one A-law byte to 16 bits. Source: ITU-T G.711 (11/1988), table 1a; the result is in
// the upper 13 bits, as in the reference code of G.191.
func alaw(b byte) int16 {
	b ^= 0x55
	v := int(b&0x0F)<<4 + 8
	if exponent := int(b>>4) & 7; exponent > 0 {
		v = (v + 0x100) << (exponent - 1)
	}
	if b&0x80 == 0 {
		v = -v
	}
	return int16(v)
}

// mulaw expands one mu-law byte to 16 bits. Source: ITU-T G.711 (11/1988), table 2a; the result is
// in the upper 14 bits.
func mulaw(b byte) int16 {
	b = ^b
	v := (int(b&0x0F)<<3+0x84)<<(int(b>>4)&7) - 0x84
	if b&0x80 != 0 {
		v = -v
	}
	return int16(v)
}
