package file

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/jfreymuth/vorbis"

	"github.com/scout-speech/scout"
)

const (
	// vorbisHeaders are the packets before the audio: identification, comments, setup.
	vorbisHeaders = 3
	// maxVorbisPage bounds what one page can become, samples of all channels: 255 packets of the
	// longest block (8192/2 frames) in stereo.
	maxVorbisPage = 255 * 4096 * 2
	// maxVorbisGap bounds the silence that stands for damaged pages, in seconds.
	maxVorbisGap = 600
)

// vorbisPackets decodes the packets of Vorbis, the headers first.
type vorbisPackets struct {
	dec     vorbis.Decoder
	headers int       // read so far
	scratch []float32 // one packet, as the library wants it
}

func (v *vorbisPackets) restart() error {
	v.dec.Clear()
	return nil
}

func (v *vorbisPackets) decode(packet []byte) ([]float32, error) {
	if len(packet) == 0 || packet[0]&1 != 0 {
		return nil, nil // no audio (Vorbis I, 4.3.1)
	}
	return v.dec.DecodeInto(packet, v.scratch)
}

// header takes one of the three header packets.
func (v *vorbisPackets) header(packet []byte) error {
	v.headers++
	if v.headers == 2 {
		return nil // comments; the library would believe their number
	}
	if v.headers == vorbisHeaders {
		if err := checkVorbisBooks(packet); err != nil {
			return err
		}
	}
	if err := v.dec.ReadHeader(packet); err != nil {
		return err
	}
	if v.headers == 1 && (v.dec.Channels() < 1 || v.dec.SampleRate() < 1) {
		return damagef("vorbis of %d channels at %d Hz", v.dec.Channels(), v.dec.SampleRate())
	}
	if v.headers < vorbisHeaders {
		return nil
	}
	if v.dec.BufferSize() > maxVorbisPage {
		return damagef("vorbis blocks of %d samples", v.dec.BufferSize())
	}
	v.scratch = slices.Grow(v.scratch[:0], v.dec.BufferSize())[:v.dec.BufferSize()]
	return nil
}

// stream is what the headers say.
func (v *vorbisPackets) stream(container string) stream {
	return stream{container: container, codec: "vorbis", sampleRateHz: v.dec.SampleRate(), channels: v.dec.Channels(), float: true}
}

// vorbisDecoder reads Vorbis in Ogg: the first Vorbis stream of one link of a chain. Damaged pages become silence.
type vorbisDecoder struct {
	oggSound
	codec *vorbisPackets
}

func newVorbis(src *source) (decoder, error) {
	d := &vorbisDecoder{oggSound: oggSound{src: src, pages: oggReader{buf: src.buf}}}
	for d.codec == nil || d.codec.headers < vorbisHeaders {
		page, err := d.pages.next()
		if err == nil {
			err = d.page(page)
		}
		switch {
		case err == nil:
		case src.failure() != nil:
			return nil, src.failure()
		case errors.Is(err, io.EOF):
			return nil, scout.Errorf(scout.CodeAudioCorrupt, "the file ends inside its vorbis headers")
		default:
			return nil, scout.Errorf(scout.CodeAudioCorrupt, "vorbis header: %w", err)
		}
	}
	d.format = d.codec.stream("ogg")
	if src.path != "" {
		if end, ok := oggTail(src.path, src.size); ok {
			d.format.duration = framesToTime(end.length, d.format.sampleRateHz)
		}
	}
	return d, nil
}

func (d *vorbisDecoder) decode(dst []float32) (int, error) { return d.give(dst, d.page) }

// page takes one page of the file.
func (d *vorbisDecoder) page(page oggPage) error {
	if page.flags&oggFirst != 0 {
		first, ended := page.body, false
		if len(page.lacing) > 0 {
			first, ended = page.body[:page.lacing[0]], true
		}
		if !ended || !bytes.HasPrefix(first, []byte("\x01vorbis")) {
			return nil // another kind of stream beside ours
		}
		if d.codec != nil && d.codec.headers < vorbisHeaders {
			return nil // a second Vorbis stream beside ours
		}
		d.begin(page)
	}
	if d.codec == nil || page.serial != d.serial || d.ended {
		return nil
	}
	if page.sequence != d.sequence {
		d.gap = true
		if d.codec.headers == vorbisHeaders {
			d.packets = oggPackets{}
			if err := d.codec.restart(); err != nil {
				return err
			}
		}
	}
	d.sequence = page.sequence + 1
	d.decoded = d.decoded[:0]
	inHeaders := d.codec.headers < vorbisHeaders
	if err := d.packets.page(page, d.packet); err != nil {
		return err
	}
	if !inHeaders {
		d.place(page)
	}
	return nil
}

// begin starts a logical stream.
func (d *vorbisDecoder) begin(page oggPage) {
	d.codec, d.packets = new(vorbisPackets), oggPackets{}
	d.serial, d.sequence = page.serial, page.sequence
	d.ended, d.started, d.gap = false, false, false
	d.base, d.pos = 0, 0
}

// packet takes one packet of our stream.
func (d *vorbisDecoder) packet(packet []byte) error {
	if d.codec.headers < vorbisHeaders {
		return d.codec.header(packet)
	}
	return d.sound(d.codec, packet, maxVorbisPage)
}

// place puts the frames of a page where its granule position wants them (Vorbis I, A.2).
func (d *vorbisDecoder) place(page oggPage) {
	channels := int64(d.format.channels)
	n := int64(len(d.decoded)) / channels
	last := page.flags&oggLast != 0
	d.pending = d.decoded
	if page.granule >= 0 {
		switch end := d.base + d.pos + n; {
		case !d.started && !last:
			// A stream may begin in the middle of its first page.
			if d.base = page.granule - n; d.base < 0 {
				d.pending, n = d.pending[min(-d.base, n)*channels:], max(n+d.base, 0)
				d.base = 0
			}
		case last && page.granule < end:
			n = max(n-(end-page.granule), 0)
			d.pending = d.pending[:n*channels]
		case d.gap && page.granule > end:
			if missing := page.granule - end; missing <= maxVorbisGap*int64(d.format.sampleRateHz) {
				d.silence, d.lost, d.pos = missing, d.lost+missing, d.pos+missing
			}
		}
		d.started, d.gap = true, false
	}
	d.pos += n
	d.ended = d.ended || last
}
