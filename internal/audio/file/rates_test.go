package file_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// dsd64Hz is the rate of the bits of DSD64.
const dsd64Hz = 2822400

// dsd returns the signal as bits, the first in the highest bit of a byte: a modulator of the second order.
//
//go:norace
func dsd(s signal) []byte {
	out := make([]byte, int(s.seconds*dsd64Hz/8))
	var first, second, last float64
	for i := range out {
		at := float64(i*8) / dsd64Hz // the same for eight bits
		var v float64
		if slices.ContainsFunc(s.bursts, func(b float64) bool { return at >= b && at < b+burstSeconds }) {
			v = 0.4 * math.Sin(2*math.Pi*1000*at)
		}
		var eight byte
		for bit := byte(0x80); bit > 0; bit >>= 1 {
			first += v - last
			second += first - last
			if last = -1; second >= 0 {
				last = 1
				eight |= bit
			}
		}
		out[i] = eight
	}
	return out
}

// dsf is Sony's container of DSD. Source: "DSF File Format Specification", version 1.01.
func dsf(s signal) []byte {
	const block = 4096
	data := dsd(s)
	samples := len(data) * 8
	for i := range data {
		data[i] = bits.Reverse8(data[i]) // the first bit is the lowest
	}
	data = append(data, make([]byte, (block-len(data)%block)%block)...)
	le32, le64 := binary.LittleEndian.AppendUint32, binary.LittleEndian.AppendUint64
	b := le64(le64(le64([]byte("DSD "), 28), uint64(28+52+12+len(data))), 0)
	b = le64(append(b, "fmt "...), 52)
	for _, v := range []uint32{1, 0, 1, 1, dsd64Hz, 1} { // version, raw DSD, mono, channels, rate, bits
		b = le32(b, v)
	}
	b = le32(le32(le64(b, uint64(samples)), block), 0)
	return append(le64(append(b, "data"...), uint64(12+len(data))), data...)
}

// dsdiff is Philips' container of DSD. Source: "DSDIFF File Format Specification", version 1.5.
func dsdiff(s signal) []byte {
	chunk := func(name string, body []byte) []byte {
		return append(binary.BigEndian.AppendUint64([]byte(name), uint64(len(body))), append(body, make([]byte, len(body)%2)...)...)
	}
	properties := slices.Concat([]byte("SND "),
		chunk("FS  ", binary.BigEndian.AppendUint32(nil, dsd64Hz)),
		chunk("CHNL", append([]byte{0, 1}, "SLFT"...)),
		chunk("CMPR", append([]byte("DSD "), append([]byte{14}, "not compressed"...)...)))
	return chunk("FRM8", slices.Concat([]byte("DSD "), chunk("FVER", []byte{1, 5, 0, 0}), chunk("PROP", properties), chunk("DSD ", dsd(s))))
}

// Speech is in recordings of unusual rates, too: those of old recorders and of studios.
func TestRatesBeyondThoseOfRecordings(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	made := func(args string) func(t *testing.T) []byte {
		return func(t *testing.T) []byte { return m.of(t, signalA, args) }
	}
	type recording struct {
		content func(t *testing.T) []byte
		here    bool // read without ffmpeg as well
	}
	files := map[string]recording{
		"ADTS of 7350 Hz":     {made("-c:a aac -ar 7350 aac"), false},
		"M4A of 7350 Hz":      {made("-c:a aac -ar 7350 m4a"), false},
		"WAV of 6 kHz":        {func(*testing.T) []byte { return wavOf(signalA, 6000, 1) }, true},
		"WAV of 4 kHz":        {func(*testing.T) []byte { return wavOf(signalA, 4000, 2) }, true},
		"WAV of 352.8 kHz":    {func(*testing.T) []byte { return wavOf(signalA, 352800, 2) }, true},
		"WAV of 384 kHz":      {func(*testing.T) []byte { return wavOf(signalA, 384000, 1) }, true},
		"WAV of 768 kHz":      {func(*testing.T) []byte { return wavOf(signalA, 768000, 1) }, true},
		"FLAC of 384 kHz":     {made("-c:a flac -ar 384000 flac"), true},
		"FLAC of 6 kHz":       {made("-c:a flac -ar 6000 flac"), true},
		"Vorbis of 6 kHz":     {made("-c:a libvorbis -ar 6000 ogg"), true},
		"AIFF of 6 kHz":       {made("-c:a pcm_s16be -ar 6000 aiff"), false},
		"Matroska of 384 kHz": {made("-c:a pcm_s24le -ar 384000 mka"), false},
		"WavPack of 384 kHz":  {made("-c:a wavpack -ar 384000 wv"), false},
		"ADPCM of 5.5 kHz":    {made("-c:a adpcm_ima_wav -ar 5512 wav"), false},
		"VOC of 4 kHz":        {made("-c:a pcm_u8 -ar 4000 voc"), false},
		"DSD64 in DSF":        {func(*testing.T) []byte { return dsf(signalA) }, false},
		"DSD64 in DSDIFF":     {func(*testing.T) []byte { return dsdiff(signalA) }, false},
		"DSDIFF before a WAV": {func(*testing.T) []byte {
			return join(dsdiff(signal{1, signalA.bursts[:1]}), wavOf(signal{1, []float64{0.5}}, 6000, 1))
		}, false},
		"WAV of rates far off": {func(*testing.T) []byte {
			return join(wavOf(signal{1, []float64{0.5}}, 384000, 2), wavOf(signal{1, []float64{0.5}}, 4000, 1))
		}, true},
	}
	for name, test := range testrun.SomeOf(t, files,
		"ADTS of 7350 Hz", "WAV of 6 kHz", "WAV of 4 kHz", "WAV of 352.8 kHz", "WAV of 768 kHz", "FLAC of 384 kHz", "FLAC of 6 kHz", "Vorbis of 6 kHz",
		"Matroska of 384 kHz", "ADPCM of 5.5 kHz", "DSD64 in DSF", "DSDIFF before a WAV", "WAV of rates far off") {
		for _, ffmpeg := range []string{"", file.NoFFmpeg} {
			if ffmpeg != "" && !test.here {
				continue
			}
			t.Run(fmt.Sprint(name, ffmpeg), func(t *testing.T) {
				t.Parallel()
				if !test.here {
					needFFmpeg(t)
				}
				got, info := readFile(t, write(t, "x", test.content(t)), file.Options{FFmpeg: ffmpeg})
				want := slices.Clone(signalA.bursts)
				if info.Container == "aac" {
					want = timesOf(1024.0/7350, signalA)
				}
				// Codecs fill up the last block.
				if found := burstsOf(got); !near(found, want) || math.Abs(float64(len(got))/16000-signalA.seconds) > 0.25 {
					t.Errorf("sounds at %.3f of %.3f s, want %.3f of %.3f s", found, float64(len(got))/16000, want, signalA.seconds)
				}
				if len(info.Warnings) > 0 {
					t.Errorf("warnings %q", messages(info.Warnings))
				}
			})
		}
	}
}
