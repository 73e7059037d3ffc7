package file

import (
	"errors"
	"io"
	"time"

	"github.com/scout-speech/scout"
)

// packetDecoder decodes the packets of one stream.
type packetDecoder interface {
	// decode returns interleaved samples, valid until the next call. Its error says that the packet is damaged.
	decode(packet []byte) ([]float32, error)
	// restart forgets what was heard before a gap.
	restart() error
}

// oggSound is what the decoders of Ogg have in common: the pages of one stream, and where their frames belong. Damaged pages become silence.
type oggSound struct {
	src     *source
	pages   oggReader
	packets oggPackets
	format  stream

	serial   uint32
	sequence uint32
	ended    bool  // the last page was seen
	skip     int64 // frames at the beginning that are not heard

	base    int64 // granule position of the first frame
	started bool  // base is known
	pos     int64 // frames since base
	gap     bool  // pages are missing before this one, or packets of it

	held
	decoded []float32 // memory of pending

	lost  int64
	notes []scout.Warning
}

func (d *oggSound) stream() stream { return d.format }

func (d *oggSound) close() error { return nil }

// length is that of the audio so far.
func (d *oggSound) length() time.Duration {
	return framesToTime(max(0, d.pos-d.skip), d.format.sampleRateHz)
}

func (d *oggSound) warnings() []scout.Warning {
	w := append(d.pages.warnings(d.length()), d.notes...)
	if d.lost > 0 {
		w = append(w, scout.Warnf(scout.WarningDamaged, "%v of silence put in the place of what is damaged", framesToTime(d.lost, d.format.sampleRateHz)))
	}
	return w
}

// give decodes pages, each by page, until there are samples for dst.
func (d *oggSound) give(dst []float32, page func(oggPage) error) (int, error) {
	channels := d.format.channels
	dst = dst[:len(dst)/channels*channels]
	for d.empty() {
		next, err := d.pages.next()
		if errors.Is(err, io.EOF) && !d.ended && !d.pages.cut {
			d.notes = append(d.notes, scout.Warnf(scout.WarningCutOff, "cut off after %v: the end mark is missing", d.length().Round(time.Millisecond)).From(d.length()))
			d.ended = true
		}
		if err == nil {
			err = page(next)
		}
		if err != nil {
			return 0, err
		}
	}
	return d.held.give(dst, channels), nil
}

// sound appends the samples of one packet to those of its page.
//
//	most  bounds what one page can become, samples of all channels
func (d *oggSound) sound(codec packetDecoder, packet []byte, most int) error {
	samples, err := codec.decode(packet)
	if err != nil {
		d.gap = true // its frames are missing: place fills them
		return nil   //nolint:nilerr // damage of one packet; those after it are whole
	}
	if len(d.decoded)+len(samples) > most {
		return damagef("an ogg page of more than %d samples", most)
	}
	d.decoded = append(d.decoded, samples...)
	return nil
}
