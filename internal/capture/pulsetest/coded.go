package pulsetest

import (
	"encoding/binary"

	"github.com/scout-speech/scout/internal/capture/virtual"
)

// Run is a stretch of recorded frames that equals a stretch of the coded signal bit by bit.
type Run struct {
	// At is its first frame in the recording, Source in the signal.
	At, Source uint64
	Frames     uint64
}

// Decode finds the coded signal with the seed in recorded 16-bit frames, whatever lies between, and returns its
// stretches in order. Stretches of fewer than four frames cannot be distinguished from noise.
func Decode(recorded []byte, channels int, seed, longest uint64) []Run {
	const key = 4 // frames
	size := 2 * channels
	frames := uint64(len(recorded) / size)
	at := func(i uint64) (window uint64) {
		for k := range uint64(key) {
			window = window<<16 | uint64(binary.LittleEndian.Uint16(recorded[(i+k)*uint64(size):]))
		}
		return window
	}
	index := make(map[uint64]uint64, longest)
	var window uint64
	for i := range longest {
		window = window<<16 | uint64(uint16(virtual.Coded(seed, i, 0)))
		if i >= key-1 {
			index[window] = i - (key - 1)
		}
	}
	same := func(i, source uint64) bool {
		for c := range channels {
			if int16(binary.LittleEndian.Uint16(recorded[i*uint64(size)+uint64(2*c):])) != virtual.Coded(seed, source, c) {
				return false
			}
		}
		return true
	}
	var runs []Run
	for i := uint64(0); i+key <= frames; {
		source, ok := index[at(i)]
		if !ok {
			i++
			continue
		}
		run := Run{At: i, Source: source}
		for i < frames && source+run.Frames < longest && same(i, source+run.Frames) {
			run.Frames++
			i++
		}
		if run.Frames < key {
			i = run.At + 1
			continue
		}
		runs = append(runs, run)
	}
	return runs
}
