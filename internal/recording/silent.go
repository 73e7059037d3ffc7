package recording

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/scout-speech/scout"
)

// silentBelow is the sample value, full scale 1, below which everything is called silent: -75 dBFS, as for text
// (package speech). A muted microphone gives zeros, an open one gives the noise of its amplifier.
const silentBelow = 1.78e-4

// Silent reports whether a recording contains only silence. It reads up to the first sample that is not silent, so only
// silent recordings are read to their end. A recording without frames is not silent.
func (f *Folder) Silent(id ID) (bool, error) {
	r, err := f.OpenAudio(id)
	if err != nil {
		return false, err
	}
	silent, err := r.silent()
	return silent, errors.Join(err, r.Close())
}

func (r *Reader) silent() (bool, error) {
	size, buffer := r.format.FrameBytes(), make([]byte, 256<<10)
	for pos := scout.Position(0); ; {
		n, err := r.ReadAt(pos, buffer)
		if errors.Is(err, io.EOF) {
			return pos > 0, nil
		}
		if err != nil {
			return false, err
		}
		if loud(buffer[:n*size], r.format.Sample) {
			return false, nil
		}
		pos = pos.Add(uint64(n))
	}
}

// loud reports whether any sample is not silent.
func loud(audio []byte, sample scout.SampleFormat) bool {
	switch sample {
	case scout.SampleS16:
		for i := 0; i+1 < len(audio); i += 2 {
			if v := int16(binary.LittleEndian.Uint16(audio[i:])); math.Abs(float64(v)) > silentBelow*(1<<15) {
				return true
			}
		}
	case scout.SampleS24:
		for i := 0; i+2 < len(audio); i += 3 {
			v := int32(uint32(audio[i])<<8|uint32(audio[i+1])<<16|uint32(audio[i+2])<<24) >> 8
			if math.Abs(float64(v)) > silentBelow*(1<<23) {
				return true
			}
		}
	case scout.SampleF32:
		for i := 0; i+3 < len(audio); i += 4 {
			if v := math.Float32frombits(binary.LittleEndian.Uint32(audio[i:])); math.Abs(float64(v)) > silentBelow {
				return true
			}
		}
	}
	return false
}
