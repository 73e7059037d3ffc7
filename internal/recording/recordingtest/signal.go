package recordingtest

import (
	"bytes"
	"encoding/binary"
)

// Coded fills dst with frames of frameBytes beginning at position from. The bytes depend only on the position and are
// nowhere silence. It allocates nothing.
func Coded(dst []byte, frameBytes int, from uint64) {
	for len(dst) >= frameBytes {
		mixed := mix(from)
		for i := range frameBytes {
			if i%8 == 7 {
				mixed = mix(mixed)
			}
			dst[i] = byte(mixed>>(8*(i%8))) | 1
		}
		dst = dst[frameBytes:]
		from++
	}
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// FirstDifference returns the position of the first frame in got, which begins at position from, that differs from
// Coded, and whether there is one.
func FirstDifference(got []byte, frameBytes int, from uint64) (uint64, bool) {
	want := make([]byte, frameBytes)
	for i := 0; i+frameBytes <= len(got); i += frameBytes {
		Coded(want, frameBytes, from)
		if !bytes.Equal(want, got[i:i+frameBytes]) {
			return from, true
		}
		from++
	}
	return 0, false
}

// Silent reports whether every byte is zero.
func Silent(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
