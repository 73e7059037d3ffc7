package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hajimehoshi/go-mp3"

	"github.com/scout-speech/scout"
)

var errLayer = errors.New("only MPEG 1 and 2 layer III is decoded without it")

// mp3Decoder reads MPEG 1 and 2 layer III without ffmpeg. The library gets one whole frame at a time, so a frame that
// it refuses becomes silence of its length and the next one continues.
type mp3Decoder struct {
	frames mpegFrames
	format stream
	tag    mpegTag

	lib     *mp3.Decoder
	current frameReader
	raw     []byte // the frame as stored
	repack  repacker
	pcm     []byte // the frame decoded: int16 stereo, little-endian, as the library has it

	pending []float32
	decoded []float32 // memory of pending
	skip    int64     // frames to drop: delay of encoder and decoder
	pos     int64     // frames given to pending
	total   int64     // the expected number of frames, 0 unknown
	silence int64     // frames to come before pending
	silent  int64     // frames that became silence
	damaged int64     // where the first damage is
	notes   []scout.Warning
}

// frameReader gives the library the current frame and nothing else.
type frameReader struct{ rest []byte }

func (f *frameReader) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func newMP3(src *source) (decoder, error) {
	tag, header := peekMP3(src)
	if header.version == 25 || header.layer != 3 {
		return nil, errLayer
	}
	d := &mp3Decoder{frames: mpegFrames{buf: src.buf, lost: true}, tag: tag, total: tag.length(header)}
	if tag.delay >= 0 {
		d.skip = int64(tag.delay + mp3DecoderDelay)
	}
	d.format = stream{
		container: "mp3", codec: "mp3",
		sampleRateHz: header.sampleRateHz, channels: header.channels,
		duration: framesToTime(d.total, header.sampleRateHz),
	}
	return d, nil
}

func (d *mp3Decoder) stream() stream { return d.format }

func (d *mp3Decoder) close() error { return nil }

func (d *mp3Decoder) warnings() []scout.Warning {
	at := func(frames int64) time.Duration { return framesToTime(frames, d.format.sampleRateHz) }
	if d.silent > 0 || d.frames.skipped > 0 && len(d.notes) > 0 {
		// A length that falls short is part of the damage.
		text := fmt.Sprintf("damaged at %v", at(d.damaged).Round(time.Millisecond))
		if d.silent > 0 {
			text += fmt.Sprintf(": %v of silence put in its place", at(d.silent).Round(time.Millisecond))
		}
		return []scout.Warning{scout.Warnf(scout.WarningDamaged, "%s", text).From(at(d.damaged))}
	}
	return append(d.frames.warnings(at(d.pos), len(d.notes) > 0), d.notes...)
}

func (d *mp3Decoder) decode(dst []float32) (int, error) {
	channels := d.format.channels
	for len(d.pending) == 0 && d.silence == 0 {
		if err := d.next(); err != nil {
			return 0, err
		}
	}
	if d.silence > 0 {
		n := min(int64(len(dst)/channels), d.silence)
		d.silence -= n
		clear(dst[:n*int64(channels)])
		return int(n) * channels, nil
	}
	n := copy(dst[:len(dst)/channels*channels], d.pending)
	d.pending = d.pending[n:]
	return n, nil
}

// next decodes one frame to pending.
func (d *mp3Decoder) next() error {
	frame, header, err := d.frames.next(d.raw)
	if err != nil {
		if errors.Is(err, io.EOF) && d.total > 0 && d.pos+int64(d.frames.first.samples) < d.total {
			d.notes = append(d.notes, cutOff(d.format.duration, framesToTime(d.pos, d.format.sampleRateHz)))
		}
		return err
	}
	d.raw = frame
	if d.pos == 0 && d.lib == nil && parseTag(frame, header).found {
		return nil // no sound
	}
	if d.frames.gap > 0 && d.damaged == 0 {
		d.damaged = d.pos
	}
	if d.pos > 0 && d.frames.gap > 0 {
		d.bridge(d.frames.gap, header)
	}
	if err := d.frame(frame, header); err != nil {
		clear(d.pcm)
		if d.silent == 0 && d.damaged == 0 {
			d.damaged = d.pos
		}
		d.silent += int64(header.samples)
		d.lib = nil
	}
	d.convert(header.samples)
	return nil
}

// bridge puts silence in place of bytes that were not frames: as long as frames of the present size would have been.
func (d *mp3Decoder) bridge(bytes int64, header mpegHeader) {
	frames := (bytes + int64(header.bytes)/2) / int64(header.bytes) * int64(header.samples)
	if d.total > 0 {
		frames = min(frames, max(d.total-d.pos, 0))
	}
	d.silence += frames
	d.silent += frames
	d.pos += frames
	d.lib = nil
}

// frame decodes a frame to pcm. A panic in the library damages only this frame.
func (d *mp3Decoder) frame(frame []byte, header mpegHeader) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damagef("mp3 frame: %v", p)
		}
	}()
	const stereo16 = 4
	if n := header.samples * stereo16; cap(d.pcm) < n {
		d.pcm = make([]byte, n)
	}
	d.pcm = d.pcm[:header.samples*stereo16]
	if header.version != 1 {
		var ok bool
		if frame, ok = d.repack.repack(frame, header); !ok {
			return damagef("mp3 frame without the bytes it needs")
		}
	}
	d.current.rest = frame
	if d.lib == nil {
		if d.lib, err = mp3.NewDecoder(&d.current); err != nil {
			d.lib = nil
			return err
		}
	}
	_, err = io.ReadFull(d.lib, d.pcm)
	return err
}

// convert moves pcm to pending, without what the encoder added around the recording.
func (d *mp3Decoder) convert(frames int) {
	channels := d.format.channels
	d.decoded = d.decoded[:0]
	for i := range frames {
		for c := range channels {
			d.decoded = append(d.decoded, float32(int16(binary.LittleEndian.Uint16(d.pcm[4*i+2*c:])))/32768)
		}
	}
	n := int64(frames)
	drop := min(d.skip, n)
	d.skip -= drop
	n -= drop
	d.pending = d.decoded[drop*int64(channels):]
	if d.total > 0 && d.tag.padding >= 0 && d.pos+n > d.total {
		n = max(d.total-d.pos, 0)
		d.pending = d.pending[:n*int64(channels)]
	}
	d.pos += n
}
