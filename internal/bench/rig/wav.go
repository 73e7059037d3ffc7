package rig

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

// writeWAV writes the given number of frames of 16 kHz mono in 16 bits (RIFF WAVE, format 1), which arrive in parts.
func writeWAV(path string, frames int, give func(emit func([]float32) error) error) error {
	return atomicfile.WriteFrom(path, atomicfile.Options{Unsynced: true}, func(to io.Writer) error {
		const rate, frameBytes, headBytes = scout.EngineSampleRateHz, 2, 44
		data := uint32(frames * frameBytes)
		out := bufio.NewWriter(to)
		le := binary.LittleEndian
		head := append(le.AppendUint32([]byte("RIFF"), data+headBytes-8), "WAVEfmt "...)
		head = le.AppendUint16(le.AppendUint16(le.AppendUint32(head, 16), 1), 1)
		head = le.AppendUint32(le.AppendUint32(head, rate), rate*frameBytes)
		head = le.AppendUint16(le.AppendUint16(head, frameBytes), 8*frameBytes)
		head = le.AppendUint32(append(head, "data"...), data)
		if _, err := out.Write(head); err != nil {
			return err
		}
		err := give(func(samples []float32) error { return writeSamples(out, samples) })
		return errors.Join(err, out.Flush())
	})
}

func writeSamples(out io.Writer, samples []float32) error {
	raw := make([]byte, 0, 2*len(samples))
	for _, s := range samples {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(int16(max(-32768, min(32767, math.Round(float64(s)*32768))))))
	}
	_, err := out.Write(raw)
	return err
}
