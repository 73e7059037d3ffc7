package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"

	"github.com/scout-speech/scout"
)

// maxFLACGap bounds the silence that stands for damaged frames in a stream without a declared length.
const maxFLACGap = 600 // seconds

// flacDecoder reads native FLAC. A damaged frame becomes silence of its length, so that time stays
// true, and reading goes on with the next whole frame.
type flacDecoder struct {
	buf    *bufio.Reader // also read by the library
	info   *meta.StreamInfo
	format stream

	pos   uint64    // frames (samples per channel) given to pending so far
	held            // the rest of the current FLAC frame
	frame []float32 // memory of pending

	lost    uint64 // frames replaced by silence
	damages int
	damaged uint64 // where the first is
	notes   []scout.Warning
}

// flacRate peeks the sample rate, 0 when it is not to be seen. Source: RFC 9639, 8.2: 20 bits at bit
// 80 of the STREAMINFO body, which follows four bytes of magic and four of block header.
func flacRate(src *source) int {
	head, _ := src.buf.Peek(24) // short input has no rate
	if len(head) < 24 || string(head[:4]) != "fLaC" {
		return 0
	}
	return int(binary.BigEndian.Uint32(head[18:]) >> 12)
}

func newFLAC(src *source) (decoder, error) {
	// The library takes src.buf itself as its buffer (bufio.NewReader), so that it and resync read
	// from the same place.
	s, err := flac.New(src.buf)
	if err != nil {
		if failure := src.failure(); failure != nil {
			return nil, failure
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, scout.Errorf(scout.CodeAudioCorrupt, "the file ends inside its header")
		}
		return nil, scout.Errorf(scout.CodeAudioCorrupt, "flac header: %w", err)
	}
	d := &flacDecoder{buf: src.buf, info: s.Info}
	d.format = stream{
		container: "flac", codec: "flac",
		sampleRateHz: int(s.Info.SampleRate), channels: int(s.Info.NChannels),
		duration: framesToTime(int64(s.Info.NSamples), int(s.Info.SampleRate)),
	}
	return d, nil
}

func (d *flacDecoder) stream() stream { return d.format }

func (d *flacDecoder) close() error { return nil }

func (d *flacDecoder) warnings() []scout.Warning {
	if d.damages == 0 {
		return d.notes
	}
	at := framesToTime(int64(d.damaged), d.format.sampleRateHz)
	text := fmt.Sprintf("damaged at %v", at.Round(time.Millisecond))
	if d.damages > 1 {
		text = fmt.Sprintf("damaged in %d places, the first at %v", d.damages, at.Round(time.Millisecond))
	}
	silence := framesToTime(int64(d.lost), d.format.sampleRateHz).Round(time.Millisecond)
	return append(slices.Clip(d.notes), scout.Warnf(scout.WarningDamaged, "%s: %v of silence put in its place", text, silence).From(at))
}

func (d *flacDecoder) decode(dst []float32) (int, error) {
	channels := d.format.channels
	dst = dst[:len(dst)/channels*channels]
	for d.empty() {
		if err := d.next(); err != nil {
			return 0, err
		}
	}
	return d.give(dst, channels), nil
}

// next decodes one FLAC frame to pending.
func (d *flacDecoder) next() error {
	total := d.info.NSamples
	if total > 0 && d.pos >= total {
		if !d.frameFollows() {
			return io.EOF // tags may follow
		}
		d.notes = append(d.notes, scout.Warnf(scout.WarningFormat, "the header promises %v of audio, the file holds more: read to its end", d.format.duration))
		d.info.NSamples, total = 0, 0
	}
	for damaged := false; ; damaged = true {
		if d.atJoint() {
			return d.endHere()
		}
		f, torn, err := d.parse()
		switch {
		case torn:
			return d.endHere()
		case err == nil && d.accept(f, damaged):
			return nil
		case errors.Is(err, io.EOF):
			return d.endHere()
		}
		if d.pos == 0 && d.damages > 1000 {
			return damagef("no whole frame found") // of a long file that is something else
		}
		if d.damages++; d.damages == 1 {
			d.damaged = d.pos
		}
		if err := d.resync(); err != nil {
			if d.pos > 0 {
				d.damages--
				if total == 0 {
					at := framesToTime(int64(d.pos), d.format.sampleRateHz)
					d.notes = append(d.notes, scout.Warnf(scout.WarningCutOff, "damaged or cut off after %v", at.Round(time.Millisecond)).From(at))
					return io.EOF
				}
				return d.endHere()
			}
			return damagef("no whole frame in it")
		}
	}
}

// atJoint tells whether another file or a tag begins here, behind the frames so far.
func (d *flacDecoder) atJoint() bool {
	head, _ := d.buf.Peek(signatureBytes) // an error is an end, or comes back with the next read
	return d.pos > 0 && (startsFile(head) || tagSize(head) > 0)
}

// frameFollows tells whether what stands here has the form of this stream's frames.
func (d *flacDecoder) frameFollows() bool {
	head, _ := d.buf.Peek(sniffBytes / 2) // an error is an end, or comes back with the next read
	if !flacSync(head) {
		return false
	}
	f, err := frame.New(bytes.NewReader(head)) // with the checksum of its header
	return err == nil && f.Channels.Count() == d.format.channels && (f.SampleRate == 0 || f.SampleRate == d.info.SampleRate)
}

// endHere is the end of the stream: as promised, or too early.
func (d *flacDecoder) endHere() error {
	if d.info.NSamples > d.pos {
		d.notes = append(d.notes, cutOff(d.format.duration, framesToTime(int64(d.pos), d.format.sampleRateHz)))
	}
	return io.EOF
}

// parse reads a frame where the buffer stands. io.EOF means a clean end. Torn is a frame within which another file begins:
// the buffer stands in front of that one.
func (d *flacDecoder) parse() (f *frame.Frame, torn bool, err error) {
	window, _ := d.buf.Peek(sniffBytes) // an error is an end, or comes back with the next read
	ahead := bytes.NewReader(window)
	f, err = d.parseFrom(ahead)
	taken := len(window) - ahead.Len()
	switch {
	case err == nil:
		_, err = d.buf.Discard(taken)
		return f, false, err
	case d.pos > 0 && d.discardTo(window, taken):
		return nil, true, err
	}
	// A frame longer than the window, damage, or the end: the source tells.
	f, err = d.parseFrom(d.buf)
	return f, false, err
}

// discardTo goes to the first file that begins among the bytes that were taken for a frame, or right behind them.
func (d *flacDecoder) discardTo(window []byte, taken int) bool {
	at := nextCandidate(window[:min(taken+signatureBytes, len(window))])
	if at > taken || at == len(window) {
		return false
	}
	_, err := d.buf.Discard(at)
	return err == nil
}

// parseFrom reads a frame and takes no more than it needs.
func (d *flacDecoder) parseFrom(r io.Reader) (f *frame.Frame, err error) {
	defer func() {
		// The library trusts some numbers of damaged frames; resync is the answer to all of it.
		if p := recover(); p != nil {
			err = damagef("flac frame: %v", p)
		}
	}()
	f, err = frame.New(r)
	if err != nil {
		return nil, err
	}
	if f.BitsPerSample == 0 {
		f.BitsPerSample = d.info.BitsPerSample // as RFC 9639, 9.1.4 has it; the library leaves it at 0
	}
	if f.Channels.Count() != d.format.channels || f.BitsPerSample != d.info.BitsPerSample {
		return nil, damagef("flac frame of %d channels, %d bits", f.Channels.Count(), f.BitsPerSample)
	}
	if err := f.Parse(); err != nil {
		return nil, err
	}
	return f, nil
}

// accept takes the frame's samples and fills what is missing before them. After damage it refuses a
// frame that does not fit, since bytes that look like a frame may be none.
func (d *flacDecoder) accept(f *frame.Frame, damaged bool) bool {
	n := len(f.Subframes[0].Samples)
	for _, sub := range f.Subframes {
		if len(sub.Samples) != n {
			return false
		}
	}
	at := f.Num
	if f.HasFixedBlockSize {
		at *= uint64(d.info.BlockSizeMax)
	}
	// Streams cut out of longer ones begin anywhere: numbers count only once there was damage.
	if damaged && at > d.pos {
		gap := at - d.pos
		limit := uint64(maxFLACGap) * uint64(d.format.sampleRateHz)
		if d.info.NSamples > 0 {
			limit = d.info.NSamples - d.pos
		}
		if gap > limit {
			return false
		}
		d.silence, d.lost, d.pos = int64(gap), d.lost+gap, d.pos+gap
	}
	d.pos += uint64(n)
	channels := d.format.channels
	d.frame = slices.Grow(d.frame[:0], n*channels)[:n*channels]
	scale := 1 / float32(int64(1)<<(d.info.BitsPerSample-1))
	for c, sub := range f.Subframes {
		for i, v := range sub.Samples {
			d.frame[i*channels+c] = float32(v) * scale
		}
	}
	d.pending = d.frame
	return true
}

// resync skips to the next bytes that can begin a frame: 15 bits of sync code and a header whose
// fixed bits are right (RFC 9639, 9.1).
func (d *flacDecoder) resync() error {
	for {
		head, err := d.buf.Peek(4)
		if err != nil {
			return err
		}
		if flacSync(head) || head[0] == 'f' && d.atJoint() {
			return nil
		}
		if _, err := d.buf.Discard(1); err != nil {
			return err
		}
	}
}

// flacSync tells whether bytes can begin a frame.
func flacSync(b []byte) bool {
	return len(b) >= 4 && b[0] == 0xFF && b[1]&0xFE == 0xF8 && b[2]&0xF0 != 0 && b[2]&0x0F != 0x0F && b[3]&0x01 == 0
}
