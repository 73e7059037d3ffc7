package file

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"time"

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

// vorbisDecoder reads Vorbis in Ogg: the first Vorbis stream of one link of a chain. Damaged pages become silence.
type vorbisDecoder struct {
	src     *source
	pages   oggReader
	packets oggPackets
	format  stream

	dec      *vorbis.Decoder
	serial   uint32
	headers  int // read so far
	sequence uint32
	ended    bool // the last page was seen

	base    int64 // granule position of the first frame
	started bool  // base is known
	pos     int64 // frames since base
	gap     bool  // pages are missing before this one

	held
	decoded []float32 // memory of pending
	scratch []float32 // one packet, as the library wants it

	lost  int64
	notes []scout.Warning
}

func newVorbis(src *source) (decoder, error) {
	d := &vorbisDecoder{src: src, pages: oggReader{buf: src.buf}}
	for d.headers < vorbisHeaders {
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
	d.format = stream{
		container: "ogg", codec: "vorbis",
		sampleRateHz: d.dec.SampleRate(), channels: d.dec.Channels(),
		float: true,
	}
	if src.path != "" {
		if end, ok := oggTail(src.path, src.size); ok {
			d.format.duration = framesToTime(end.length, d.dec.SampleRate())
		}
	}
	return d, nil
}

func (d *vorbisDecoder) stream() stream { return d.format }

func (d *vorbisDecoder) close() error { return nil }

// length is that of the audio so far.
func (d *vorbisDecoder) length() time.Duration { return framesToTime(d.pos, d.format.sampleRateHz) }

func (d *vorbisDecoder) warnings() []scout.Warning {
	w := append(d.pages.warnings(d.length()), d.notes...)
	if d.lost > 0 {
		w = append(w, scout.Warnf(scout.WarningDamaged, "%v of silence put in the place of what is damaged", framesToTime(d.lost, d.format.sampleRateHz)))
	}
	return w
}

func (d *vorbisDecoder) decode(dst []float32) (int, error) {
	channels := d.format.channels
	dst = dst[:len(dst)/channels*channels]
	for d.empty() {
		page, err := d.pages.next()
		if errors.Is(err, io.EOF) && !d.ended && !d.pages.cut {
			d.notes = append(d.notes, scout.Warnf(scout.WarningCutOff, "cut off after %v: the end mark is missing", d.length().Round(time.Millisecond)).From(d.length()))
			d.ended = true
		}
		if err == nil {
			err = d.page(page)
		}
		if err != nil {
			return 0, err
		}
	}
	return d.give(dst, channels), nil
}

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
		if d.dec != nil && d.headers < vorbisHeaders {
			return nil // a second Vorbis stream beside ours
		}
		d.begin(page)
	}
	if d.dec == nil || page.serial != d.serial || d.ended {
		return nil
	}
	if page.sequence != d.sequence {
		d.gap = true
		if d.headers == vorbisHeaders {
			d.dec.Clear()
			d.packets = oggPackets{}
		}
	}
	d.sequence = page.sequence + 1
	d.decoded = d.decoded[:0]
	inHeaders := d.headers < vorbisHeaders
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
	d.dec, d.packets = new(vorbis.Decoder), oggPackets{}
	d.serial, d.sequence = page.serial, page.sequence
	d.headers, d.ended, d.started, d.gap = 0, false, false, false
	d.base, d.pos = 0, 0
}

// packet takes one packet of our stream.
func (d *vorbisDecoder) packet(packet []byte) error {
	if d.headers < vorbisHeaders {
		return d.header(packet)
	}
	if len(packet) == 0 || packet[0]&1 != 0 {
		return nil // no audio (Vorbis I, 4.3.1)
	}
	samples, err := d.dec.DecodeInto(packet, d.scratch)
	if err != nil {
		d.gap = true // its frames are missing: place fills them
		return nil   //nolint:nilerr // damage of one packet; those after it are whole
	}
	if len(d.decoded)+len(samples) > maxVorbisPage {
		return damagef("an ogg page of more than %d samples", maxVorbisPage)
	}
	d.decoded = append(d.decoded, samples...)
	return nil
}

// header takes one of the three header packets.
func (d *vorbisDecoder) header(packet []byte) error {
	d.headers++
	if d.headers == 2 {
		return nil // comments; the library would believe their number
	}
	if d.headers == vorbisHeaders {
		if err := checkVorbisBooks(packet); err != nil {
			return err
		}
	}
	if err := d.dec.ReadHeader(packet); err != nil {
		return err
	}
	if d.headers == 1 && (d.dec.Channels() < 1 || d.dec.SampleRate() < 1) {
		return damagef("vorbis of %d channels at %d Hz", d.dec.Channels(), d.dec.SampleRate())
	}
	if d.headers < vorbisHeaders {
		return nil
	}
	if d.dec.BufferSize() > maxVorbisPage {
		return damagef("vorbis blocks of %d samples", d.dec.BufferSize())
	}
	d.scratch = slices.Grow(d.scratch[:0], d.dec.BufferSize())[:d.dec.BufferSize()]
	return nil
}

// place puts the frames of a page where its granule position wants them (Vorbis I, A.2).
func (d *vorbisDecoder) place(page oggPage) {
	channels := int64(d.dec.Channels())
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
			if missing := page.granule - end; missing <= maxVorbisGap*int64(d.dec.SampleRate()) {
				d.silence, d.lost, d.pos = missing, d.lost+missing, d.pos+missing
			}
		}
		d.started, d.gap = true, false
	}
	d.pos += n
	d.ended = d.ended || last
}
