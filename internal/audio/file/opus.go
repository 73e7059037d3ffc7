package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"time"

	"github.com/pion/opus"

	"github.com/scout-speech/scout"
)

// Opus in Ogg. Source: RFC 7845.
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

// errNoOpus says that a stream is not one that is decoded here.
var errNoOpus = errors.New("no Opus stream of one or two channels")

// opusDecoder reads the Opus stream of an Ogg file that is still being written: one stream of one or two channels. Damaged pages become
// silence.
type opusDecoder struct {
	src     *source
	pages   oggReader
	packets oggPackets
	format  stream

	dec      opus.Decoder
	serial   uint32
	sequence uint32
	headers  int // packets before the audio that were read: identification and comments
	ended    bool
	skip     int64 // frames at the beginning that are not heard
	gain     float32

	base    int64 // granule position of the first frame
	started bool  // base is known
	pos     int64 // frames since base
	gap     bool  // pages are missing before this one, or packets of it

	held
	decoded []float32 // memory of pending
	scratch []float32 // one packet

	lost  int64
	notes []scout.Warning
}

// newOpus returns a decoder for the file that begins at the source's position. Its error is errNoOpus for what it does not read.
func newOpus(src *source) (decoder, error) {
	head, _ := src.buf.Peek(sniffBytes) // an error is an end, or comes back with the next read
	first, _ := firstPacket(head)
	if len(first) < opusHeadBytes || !bytes.HasPrefix(first, []byte("OpusHead")) || first[8]>>4 != 0 || first[9] < 1 || first[9] > 2 || first[18] != 0 || oggTracks(head) != 1 {
		return nil, errNoOpus
	}
	d := &opusDecoder{
		src: src, pages: oggReader{buf: src.buf}, serial: binary.LittleEndian.Uint32(head[14:]), sequence: binary.LittleEndian.Uint32(head[18:]),
		skip: int64(binary.LittleEndian.Uint16(first[10:])), gain: float32(math.Pow(10, float64(int16(binary.LittleEndian.Uint16(first[16:])))/256/20)),
		format: stream{container: "ogg", codec: "opus", sampleRateHz: opusRateHz, channels: int(first[9]), float: true},
	}
	d.scratch = make([]float32, opusPacketFrames*d.format.channels)
	err := d.restart()
	return d, err
}

// restart forgets what was heard before a gap.
func (d *opusDecoder) restart() (err error) {
	d.packets = oggPackets{}
	d.dec, err = opus.NewDecoderWithOutput(opusRateHz, d.format.channels)
	return err
}

func (d *opusDecoder) stream() stream { return d.format }

func (d *opusDecoder) close() error { return nil }

// length is that of the audio so far.
func (d *opusDecoder) length() time.Duration {
	return framesToTime(max(0, d.pos-d.skip), opusRateHz)
}

func (d *opusDecoder) warnings() []scout.Warning {
	w := append(d.pages.warnings(d.length()), d.notes...)
	if d.lost > 0 {
		w = append(w, scout.Warnf(scout.WarningDamaged, "%v of silence put in the place of what is damaged", framesToTime(d.lost, opusRateHz)))
	}
	return w
}

func (d *opusDecoder) decode(dst []float32) (int, error) {
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
func (d *opusDecoder) page(page oggPage) error {
	if page.serial != d.serial || d.ended {
		return nil
	}
	if page.sequence != d.sequence {
		d.gap = true
		if err := d.restart(); err != nil {
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
	n, err := d.dec.DecodeToFloat32(packet, d.scratch)
	if err != nil {
		d.gap = true // its frames are missing: place fills them
		return nil   //nolint:nilerr // damage of one packet; those after it are whole
	}
	samples := d.scratch[:n*d.format.channels]
	if len(d.decoded)+len(samples) > maxOpusPage {
		return damagef("an ogg page of more than %d samples", maxOpusPage)
	}
	for i := range samples {
		samples[i] *= d.gain
	}
	d.decoded = append(d.decoded, samples...)
	return nil
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
