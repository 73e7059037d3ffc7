package file

import (
	"errors"
	"io"
	"math"
	"time"

	"github.com/scout-speech/scout"
)

// matroskaDecoder reads the only audio track of a Matroska or WebM file that is still being written: Opus in one or two channels, or Vorbis. A
// complete file is ffmpeg's; both put frames where timeline wants them. Damage becomes silence.
type matroskaDecoder struct {
	blocks matroskaReader
	codec  packetDecoder
	format stream
	line   timeline
	skip   int64         // frames that come next and are not heard
	gap    bool          // frames are missing before the next block
	next   time.Duration // the time stamp of the next block, if nothing is missing

	held
	decoded []float32 // memory of pending

	torn int   // packets that could not be decoded
	lost int64 // frames of silence in the place of what is damaged

	damaged bool
	first   time.Duration // where, valid if damaged
}

// newMatroska returns a decoder for the file that begins at the source's position. Its error is ErrUnfinished for what it does not read.
func newMatroska(src *source, container string) (decoder, error) {
	d := &matroskaDecoder{blocks: matroskaReader{src: src}}
	if err := d.blocks.open(); err != nil {
		return nil, err
	}
	switch d.blocks.sound.codec {
	case matroskaOpus:
		codec, err := newOpusPackets(d.blocks.sound.private)
		if err != nil {
			return nil, err
		}
		d.codec, d.skip = codec, codec.skip
		d.format = stream{codec: "opus", sampleRateHz: opusRateHz, channels: codec.channels, float: true}
	case matroskaVorbis:
		codec := new(vorbisPackets)
		headers := laced(d.blocks.sound.private, 1)
		if len(headers) != vorbisHeaders {
			return nil, ErrUnfinished
		}
		for _, header := range headers {
			if codec.header(header) != nil {
				return nil, ErrUnfinished
			}
		}
		d.codec, d.format = codec, codec.stream("")
	default:
		return nil, ErrUnfinished
	}
	d.format.container, d.format.duration = container, d.blocks.length
	d.line = timeline{container: container, rate: d.format.sampleRateHz, length: d.blocks.length}
	return d, nil
}

func (d *matroskaDecoder) stream() stream { return d.format }

func (d *matroskaDecoder) close() error { return nil }

func (d *matroskaDecoder) warnings() (w []scout.Warning) {
	if d.damaged {
		w = append(w, scout.Warnf(scout.WarningDamaged, "damaged at %v: %d packets could not be decoded, %d bytes were skipped, %v of silence put in their place",
			d.first.Round(time.Millisecond), d.torn, d.blocks.skipped, framesToTime(d.lost, d.line.rate).Round(time.Millisecond)).From(d.first))
	}
	if d.blocks.cut {
		w = append(w, scout.Warnf(scout.WarningCutOff, "cut off after %v: the file ends early", d.line.now().Round(time.Millisecond)).From(d.line.now()))
	}
	return w
}

func (d *matroskaDecoder) decode(dst []float32) (int, error) {
	channels := d.format.channels
	dst = dst[:len(dst)/channels*channels]
	for d.empty() {
		block, err := d.blocks.next()
		if d.blocks.skipped > 0 {
			d.hurt()
		}
		if err == nil {
			err = d.block(block)
		}
		if errors.Is(err, io.EOF) && d.line.out == 0 {
			err = ErrUnfinished // whatever it is, nothing of it was heard yet
		}
		if err != nil {
			return 0, err
		}
	}
	return d.give(dst, channels), nil
}

// hurt notes where the first damage is.
func (d *matroskaDecoder) hurt() {
	if !d.damaged {
		d.damaged, d.first = true, d.line.now()
	}
}

// block decodes one block.
func (d *matroskaDecoder) block(b matroskaBlock) error {
	if b.gap {
		d.gap = true
		if err := d.codec.restart(); err != nil {
			return err
		}
	}
	d.decoded = d.decoded[:0]
	for _, packet := range b.frames {
		samples, err := d.codec.decode(packet)
		if err != nil {
			d.hurt()
			d.torn++
			d.gap = true // its frames are missing: place fills them
			continue
		}
		d.decoded = append(d.decoded, samples...)
	}
	d.place(b)
	return nil
}

// place cuts off what is not heard of a block, and puts the rest where its time stamp wants it.
func (d *matroskaDecoder) place(b matroskaBlock) {
	channels, rate := int64(d.format.channels), d.format.sampleRateHz
	n := int64(len(d.decoded)) / channels
	d.pending = d.decoded
	padding := int64(math.Round(b.padding.Seconds() * float64(rate)))
	if padding < 0 {
		d.skip = -padding
	}
	if unheard := min(d.skip, n); unheard > 0 {
		d.skip -= unheard
		n -= unheard
		d.pending = d.pending[unheard*channels:]
		b.at += d.blocks.rounded(framesToTime(unheard, rate))
	}
	if padding > 0 && padding <= n {
		n -= padding
		d.pending = d.pending[:n*channels]
	}
	if n == 0 {
		return
	}
	note := frameNote{at: b.at, timed: true, samples: int(n), sampleRateHz: rate}
	if hole := b.at - d.next; d.gap && d.line.started && hole > 0 && d.line.believes(hole, d.line.now(), note) {
		d.silence = int64(hole.Seconds()*float64(rate) + 0.5)
		d.lost += d.silence
		d.line.out += d.silence
	}
	d.gap, d.next = false, b.at+framesToTime(n, rate)
	silence, _ := d.line.place(note, d.blocks.origin, true)
	d.silence += silence
}
