package file

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/pion/opus"
)

// Opus. Source: RFC 7845.
const (
	opusRateHz = 48000
	// opusPacketFrames is the longest packet, 120 ms.
	opusPacketFrames = 5760
	opusHeadBytes    = 19
	// maxOpusPage bounds what one page can become, samples of all channels.
	maxOpusPage = 255 * opusPacketFrames * 2
	// maxOpusGap bounds the silence that stands for damaged pages, in frames.
	maxOpusGap = 600 * opusRateHz
)

// opusPackets decodes the packets of Opus in one or two channels.
type opusPackets struct {
	dec      opus.Decoder
	channels int
	skip     int64 // frames at the beginning that are not heard
	gain     float32
	scratch  []float32 // one packet
}

// newOpusPackets takes the identification header (RFC 7845, 5.1). Its error is ErrUnfinished for what is not decoded here.
func newOpusPackets(head []byte) (*opusPackets, error) {
	if len(head) < opusHeadBytes || !bytes.HasPrefix(head, []byte("OpusHead")) || head[8]>>4 != 0 || head[9] < 1 || head[9] > 2 || head[18] != 0 {
		return nil, ErrUnfinished
	}
	o := &opusPackets{
		channels: int(head[9]), skip: int64(binary.LittleEndian.Uint16(head[10:])),
		gain: float32(math.Pow(10, float64(int16(binary.LittleEndian.Uint16(head[16:])))/256/20)),
	}
	o.scratch = make([]float32, opusPacketFrames*o.channels)
	err := o.restart()
	return o, err
}

func (o *opusPackets) restart() (err error) {
	o.dec, err = opus.NewDecoderWithOutput(opusRateHz, o.channels)
	return err
}

func (o *opusPackets) decode(packet []byte) ([]float32, error) {
	n, err := o.dec.DecodeToFloat32(packet, o.scratch)
	if err != nil {
		return nil, err
	}
	samples := o.scratch[:n*o.channels]
	for i := range samples {
		samples[i] *= o.gain
	}
	return samples, nil
}

// opusDecoder reads the Opus stream of an Ogg file that is still being written: one stream of one or two channels. Damaged pages become
// silence.
type opusDecoder struct {
	oggSound
	codec   *opusPackets
	headers int // packets before the audio that were read: identification and comments
}

// newOpus returns a decoder for the file that begins at the source's position. Its error is ErrUnfinished for what it does not read.
func newOpus(src *source) (decoder, error) {
	head := oggHead(src)
	first, _ := firstPacket(head)
	codec, err := newOpusPackets(first)
	if err != nil || oggTracks(head) != 1 {
		return nil, ErrUnfinished
	}
	d := &opusDecoder{codec: codec, oggSound: oggSound{
		src: src, pages: oggReader{buf: src.buf}, serial: binary.LittleEndian.Uint32(head[14:]), sequence: binary.LittleEndian.Uint32(head[18:]), skip: codec.skip,
		format: stream{container: "ogg", codec: "opus", sampleRateHz: opusRateHz, channels: codec.channels, float: true},
	}}
	return d, nil
}

func (d *opusDecoder) decode(dst []float32) (int, error) { return d.give(dst, d.page) }

// page takes one page of the file.
func (d *opusDecoder) page(page oggPage) error {
	if page.serial != d.serial || d.ended {
		return nil
	}
	if page.sequence != d.sequence {
		d.gap, d.packets = true, oggPackets{}
		if err := d.codec.restart(); err != nil {
			return err
		}
	}
	d.sequence = page.sequence + 1
	d.decoded = d.decoded[:0]
	if err := d.packets.page(page, d.packet); err != nil {
		return err
	}
	d.place(page)
	return nil
}

// packet takes one packet.
func (d *opusDecoder) packet(packet []byte) error {
	if d.headers < 2 {
		d.headers++
		return nil
	}
	if len(packet) == 0 {
		return nil
	}
	return d.sound(d.codec, packet, maxOpusPage)
}

// place puts the frames of a page where its granule position wants them (RFC 7845, 4).
func (d *opusDecoder) place(page oggPage) {
	channels := int64(d.format.channels)
	n := int64(len(d.decoded)) / channels
	last := page.flags&oggLast != 0
	d.pending = d.decoded
	if page.granule >= 0 && d.headers == 2 && (n > 0 || d.gap) {
		switch end := d.base + d.pos + n; {
		case !d.started && !last:
			d.base = max(0, page.granule-n) // a stream may begin in the middle of a broadcast
		case last && page.granule < end:
			n = max(n-(end-page.granule), 0)
			d.pending = d.pending[:n*channels]
		case d.started && d.gap && page.granule > end:
			if missing := page.granule - end; missing <= maxOpusGap {
				d.silence, d.lost, d.pos = missing, d.lost+missing, d.pos+missing
			}
		}
		d.started, d.gap = true, false
	}
	if unheard := min(max(0, d.skip-d.pos), n); unheard > 0 {
		d.pending = d.pending[unheard*channels:]
	}
	d.pos += n
	d.ended = d.ended || last
}
