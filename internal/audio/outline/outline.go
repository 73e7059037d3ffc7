// Package outline makes the outline of a signal, for drawing it: the extremes of equal stretches, fine enough for every width that is drawn.
package outline

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/scout-speech/scout"
)

// Bounds of how many stretches an outline has, for each channel. The least is more than are drawn.
const (
	mostStretches  = 1 << 17
	leastStretches = 1 << 15
	forAllChannels = 1 << 18 // of all channels together, where that leaves each the least
)

// scale is how many steps there are from 0 to full scale.
const scale = 10000

// Outline is the extremes of a signal, in stretches that become longer as it does. Whoever has it may read it from several goroutines once
// nothing is added any more.
type Outline struct {
	// SampleRateHz and Channels are those of the signal.
	SampleRateHz, Channels int
	// Frames is how long it is so far.
	Frames uint64

	span     uint64 // frames of a stretch; the last one may have fewer
	most     int    // stretches
	extremes [][]int16
}

// New returns the outline of a signal that has not begun.
func New(sampleRateHz, channels int) *Outline {
	most := mostStretches
	for most > leastStretches && most*channels > forAllChannels {
		most /= 2
	}
	return &Outline{SampleRateHz: sampleRateHz, Channels: channels, span: 1, most: most, extremes: make([][]int16, channels)}
}

// Add continues the signal.
//
//	samples  whole frames, from -1 to 1, channels interleaved; what is beyond is cut off
func (o *Outline) Add(samples []float32) {
	for ; len(samples) >= o.Channels; samples = samples[o.Channels:] {
		begins := o.Frames%o.span == 0
		if begins && len(o.extremes[0]) == o.most {
			o.halve()
			begins = o.Frames%o.span == 0
		}
		for c := range o.extremes {
			v := int16(min(max(samples[c], -1), 1) * scale)
			if begins {
				o.extremes[c] = append(o.extremes[c], v)
				continue
			}
			last := &o.extremes[c][len(o.extremes[c])-1]
			*last = further(*last, v)
		}
		o.Frames++
	}
}

// halve makes one stretch of two.
func (o *Outline) halve() {
	for c, all := range o.extremes {
		for i := range len(all) / 2 {
			all[i] = further(all[2*i], all[2*i+1])
		}
		o.extremes[c] = all[:len(all)/2]
	}
	o.span *= 2
}

// further is the one of two values that has the greater magnitude.
func further(a, b int16) int16 {
	if max(b, -b) > max(a, -a) {
		return b
	}
	return a
}

// Peaks returns the extremes of at most that many stretches, from -1 to 1, for each channel: fewer where the signal has fewer frames.
func (o *Outline) Peaks(points int) [][]float64 {
	n := len(o.extremes[0])
	points = min(points, n)
	out := make([][]float64, o.Channels)
	for c, all := range o.extremes {
		out[c] = make([]float64, points)
		coarse := make([]int16, points)
		for i, v := range all {
			at := int(uint64(i) * o.span * uint64(points) / o.Frames) //nolint:gosec // less than points
			coarse[at] = further(coarse[at], v)
		}
		for i, v := range coarse {
			out[c][i] = float64(v) / scale
		}
	}
	return out
}

// The stored form, all numbers little-endian: magic, the checksum of the audio (bytes with their length before them), sample rate, channels,
// frames, frames of a stretch, then the extremes of each channel, and the CRC-32C of everything before it.
const magic = "scoutpk1"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode returns the stored form of an outline.
//
//	of  the checksum of the audio, at most 255 bytes
func (o *Outline) Encode(of string) []byte {
	b := append(make([]byte, 0, len(magic)+len(of)+32+2*o.Channels*len(o.extremes[0])), magic...)
	b = append(b, byte(len(of))) //nolint:gosec // a checksum
	b = append(b, of...)
	b = binary.LittleEndian.AppendUint32(b, uint32(o.SampleRateHz)) //nolint:gosec // at most some millions
	b = binary.LittleEndian.AppendUint32(b, uint32(o.Channels))     //nolint:gosec // at most 64
	b = binary.LittleEndian.AppendUint64(b, o.Frames)
	b = binary.LittleEndian.AppendUint64(b, o.span)
	for _, all := range o.extremes {
		for _, v := range all {
			b = binary.LittleEndian.AppendUint16(b, uint16(v)) //nolint:gosec // the bits of it
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// Decode returns the outline with that stored form. One that is damaged, or of other audio, gives scout.CodeReadFailed: make it again.
func Decode(b []byte, of string) (*Outline, error) {
	const fixed = 4 + 4 + 8 + 8
	head := len(magic) + 1 + len(of)
	broken := scout.Errorf(scout.CodeReadFailed, "the outline is damaged, or of other audio")
	if len(b) < head+fixed+4 || string(b[:len(magic)]) != magic || int(b[len(magic)]) != len(of) || string(b[len(magic)+1:head]) != of {
		return nil, broken
	}
	whole, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(whole, castagnoli) != sum {
		return nil, broken
	}
	fields, values := whole[head:head+fixed], whole[head+fixed:]
	channels := int(binary.LittleEndian.Uint32(fields[4:]))
	o := &Outline{SampleRateHz: int(binary.LittleEndian.Uint32(fields)), Channels: channels, Frames: binary.LittleEndian.Uint64(fields[8:]), span: binary.LittleEndian.Uint64(fields[16:])}
	if channels < 1 || channels > scout.MaxChannels || o.span == 0 {
		return nil, broken
	}
	n := int((o.Frames + o.span - 1) / o.span) //nolint:gosec // compared with the length below
	if len(values) != 2*n*channels {
		return nil, broken
	}
	o.extremes = make([][]int16, channels)
	for c := range o.extremes {
		o.extremes[c] = make([]int16, n)
		for i := range n {
			o.extremes[c][i] = int16(binary.LittleEndian.Uint16(values[2*(c*n+i):])) //nolint:gosec // the bits of it
		}
	}
	return o, nil
}
