package file

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/scout-speech/scout"
)

// maxOpusPacket bounds a packet: 48 frames of 1275 bytes with their lengths.
const maxOpusPacket = 48 * (1275 + 2)

// codecOpus reads the description of the samples: Opus in one or two channels, at 48 kHz. Source: "Encapsulation of Opus in ISO Base Media File
// Format", 0.8.1, 4.3.
func (m *mp4Movie) codecOpus(stsd []byte) bool {
	const entries, entry, config = 8, 28, 11
	if be32(stsd, 4) != 1 {
		return false
	}
	found, ok := boxesOf(stsd[entries:])
	if !ok || len(found["Opus"]) != 1 || len(found["Opus"][0]) < entry {
		return false
	}
	b := inBox(found["Opus"][0][entry:], "dOps")
	if len(b) < config || b[0] != 0 || b[1] < 1 || b[1] > 2 || b[10] != 0 {
		return false // another version, or more channels
	}
	m.rate, m.channels = opusRateHz, int(b[1])
	head := append([]byte("OpusHead\x01"), b[1])
	head = binary.LittleEndian.AppendUint16(head, binary.BigEndian.Uint16(b[2:]))
	head = binary.LittleEndian.AppendUint32(head, binary.BigEndian.Uint32(b[4:]))
	head = binary.LittleEndian.AppendUint16(head, binary.BigEndian.Uint16(b[8:]))
	head = append(head, b[10])
	m.opus = head
	return true
}

// opusFrames is how many frames of 48 kHz a packet has; 0 where it is none. Source: RFC 6716, 3.
func opusFrames(packet []byte) int64 {
	if len(packet) == 0 {
		return 0
	}
	const ms = opusRateHz / 1000
	var each int64
	switch kind, config := packet[0]>>3, int64(packet[0]>>3&3); {
	case kind < 12: // SILK
		each = []int64{10 * ms, 20 * ms, 40 * ms, 60 * ms}[config]
	case kind < 16: // hybrid
		each = []int64{10 * ms, 20 * ms}[config&1]
	default: // CELT
		each = ms * 5 / 2 << config
	}
	n := int64(2)
	switch packet[0] & 3 {
	case 0:
		n = 1
	case 3:
		if len(packet) < 2 {
			return 0
		}
		n = int64(packet[1] & 0x3F)
	}
	if n*each > opusPacketFrames {
		return 0
	}
	return n * each
}

// mp4Opus decodes the Opus of an MP4 file that is still being written. A complete file is ffmpeg's; both put packets where their time stamps want
// them. Packets that cannot be decoded become silence.
type mp4Opus struct {
	frames *mp4Frames
	codec  *opusPackets
	format stream
	held
	skip   int64 // frames that come next and are not heard
	lead   int64 // frames of silence at the beginning: the time stamps of fragments count what is not heard
	left   int64 // frames that are heard after them, -1 for all
	pauses int   // that were met
	out    int64 // frames so far, silence included

	torn  int // packets that could not be decoded
	lost  int64
	first time.Duration // where the first of them was
}

// newMP4Opus returns a decoder. Its error is ErrUnfinished for what is not decoded here.
func newMP4Opus(frames *mp4Frames) (decoder, error) {
	codec, err := newOpusPackets(frames.movie.opus)
	if err != nil {
		return nil, err
	}
	d := &mp4Opus{
		frames: frames, codec: codec, skip: max(codec.skip, frames.movie.skip), left: frames.movie.heard,
		format: stream{container: "mp4", codec: "opus", sampleRateHz: opusRateHz, channels: codec.channels, duration: frames.movie.length, float: true},
	}
	if frames.movie.fragmented {
		d.lead = d.skip
	}
	return d, nil
}

func (d *mp4Opus) stream() stream { return d.format }

func (d *mp4Opus) close() error { return nil }

func (d *mp4Opus) warnings() (w []scout.Warning) {
	if d.torn > 0 {
		w = append(w, scout.Warnf(scout.WarningDamaged, "damaged at %v: %d packets could not be decoded, %v of silence put in their place",
			d.first.Round(time.Millisecond), d.torn, framesToTime(d.lost, opusRateHz).Round(time.Millisecond)).From(d.first))
	}
	if d.frames.known.cut > 0 {
		now := framesToTime(d.out, opusRateHz)
		w = append(w, scout.Warnf(scout.WarningCutOff, "cut off after %v: the file ends early", now.Round(time.Millisecond)).From(now))
	}
	return w
}

func (d *mp4Opus) decode(dst []float32) (int, error) {
	channels := d.format.channels
	dst = dst[:len(dst)/channels*channels]
	for d.empty() {
		before := d.frames.known.samples
		packet, err := d.frames.next()
		_, damaged := errors.AsType[*damagedError](err)
		if d.out == 0 && (damaged || errors.Is(err, io.EOF)) {
			err = ErrUnfinished // whatever it is, nothing of it was heard yet
		}
		if err != nil {
			return 0, err
		}
		if err := d.packet(packet, d.frames.known.samples-before); err != nil {
			return 0, err
		}
	}
	return d.give(dst, channels), nil
}

// packet decodes a packet that should have so many frames.
func (d *mp4Opus) packet(packet []byte, length int64) error {
	for pauses := d.frames.known.pauses; d.pauses < len(pauses); d.pauses++ {
		d.silence += int64(pauses[d.pauses].length.Seconds()*opusRateHz + 0.5)
	}
	d.silence += d.lead
	d.lead = 0
	channels := int64(d.format.channels)
	samples, err := d.codec.decode(packet)
	if err != nil {
		if d.torn == 0 {
			d.first = framesToTime(d.out, opusRateHz)
		}
		d.torn++
		d.lost += length
		if err := d.codec.restart(); err != nil {
			return err
		}
		samples = make([]float32, length*channels)
	}
	n := int64(len(samples)) / channels
	unheard := min(d.skip, n)
	d.skip -= unheard
	n -= unheard
	if d.left >= 0 {
		n = min(n, d.left)
		d.left -= n
	}
	d.pending = samples[unheard*channels : (unheard+n)*channels]
	d.out += d.silence + n
	return nil
}
