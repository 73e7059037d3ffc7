package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"github.com/scout-speech/scout"
)

// Ogg pages. Source: RFC 3533, section 6.
const (
	oggHeaderBytes = 27
	oggContinued   = 1 // flag: the first packet began on an earlier page
	oggFirst       = 2 // flag: first page of a logical stream
	oggLast        = 4 // flag: last page of a logical stream
	// maxOggPacket limits a packet that continues over many pages. The largest in real files, a Vorbis setup header,
	// has about 10 KiB.
	maxOggPacket = 1 << 20
)

// oggPage is one page; its bytes are valid until the next is read.
type oggPage struct {
	flags    byte
	granule  int64 // position after the last packet that ends on the page, -1 if none does
	serial   uint32
	sequence uint32
	lacing   []byte
	body     []byte
}

// oggReader reads the pages of a file and skips damage.
type oggReader struct {
	buf     *bufio.Reader
	raw     []byte // memory of a page
	inData  bool   // pages with data were read: a first page now begins another chain, and another file ends this one
	skipped int64  // bytes that were not a page
	cut     bool   // the file ended in a page
}

// next returns the next whole page. It returns io.EOF at the end of the file, or where the next link of a chain or
// another file begins.
func (o *oggReader) next() (oggPage, error) {
	for {
		head, err := o.buf.Peek(oggHeaderBytes)
		if err != nil {
			return oggPage{}, o.end(err, len(head))
		}
		if o.inData && startsFile(head) {
			return oggPage{}, io.EOF
		}
		if string(head[:4]) != "OggS" || head[4] != 0 {
			if err := o.skip(); err != nil {
				return oggPage{}, err
			}
			continue
		}
		size := oggHeaderBytes + int(head[26])
		if head, err = o.buf.Peek(size); err != nil {
			return oggPage{}, o.end(err, len(head))
		}
		for _, n := range head[oggHeaderBytes:size] {
			size += int(n)
		}
		if head, err = o.buf.Peek(size); err != nil {
			if o.torn(head) {
				return oggPage{}, io.EOF
			}
			return oggPage{}, o.end(err, len(head))
		}
		page, ok := o.parse(head)
		if !ok && o.torn(head) {
			return oggPage{}, io.EOF
		}
		if !ok {
			if err := o.skip(); err != nil {
				return oggPage{}, err
			}
			continue
		}
		o.inData = o.inData || page.flags&oggFirst == 0
		_, err = o.buf.Discard(size)
		return page, err
	}
}

// torn reports whether another file begins within an incomplete page, and moves there: this file was cut off.
func (o *oggReader) torn(page []byte) bool {
	at := nextCandidate(page)
	if !o.inData || at >= len(page) {
		return false
	}
	o.cut = true
	_, err := o.buf.Discard(at)
	return err == nil
}

// parse copies a page and checks its checksum.
func (o *oggReader) parse(raw []byte) (oggPage, bool) {
	o.raw = append(o.raw[:0], raw...)
	sum := binary.LittleEndian.Uint32(o.raw[22:])
	clear(o.raw[22:26])
	if oggSum(o.raw) != sum {
		return oggPage{}, false
	}
	segments := oggHeaderBytes + int(o.raw[26])
	return oggPage{
		flags:    o.raw[5],
		granule:  int64(binary.LittleEndian.Uint64(o.raw[6:])),
		serial:   binary.LittleEndian.Uint32(o.raw[14:]),
		sequence: binary.LittleEndian.Uint32(o.raw[18:]),
		lacing:   o.raw[oggHeaderBytes:segments],
		body:     o.raw[segments:],
	}, true
}

func (o *oggReader) skip() error {
	n, err := o.buf.Discard(1)
	o.skipped += int64(n)
	return err
}

func (o *oggReader) end(err error, rest int) error {
	if errors.Is(err, io.EOF) && rest > 0 {
		o.cut = true
		if _, discardErr := o.buf.Discard(rest); discardErr != nil {
			return discardErr
		}
	}
	return err
}

// oggSum is the page checksum: CRC-32 with polynomial 0x04C11DB7, unreflected, from 0.
func oggSum(b []byte) uint32 {
	var sum uint32
	for _, c := range b {
		sum ^= uint32(c) << 24
		for range 8 {
			// All ones if the top bit is set: no branch, because the bit is random.
			sum = sum<<1 ^ 0x04C11DB7&uint32(int32(sum)>>31)
		}
	}
	return sum
}

// firstPacket returns the packet of the first page in head, as far as it is there.
func firstPacket(head []byte) ([]byte, bool) {
	if len(head) < oggHeaderBytes || len(head) < oggHeaderBytes+int(head[26]) {
		return nil, false
	}
	lacing := head[oggHeaderBytes : oggHeaderBytes+int(head[26])]
	size := 0
	for _, n := range lacing {
		size += int(n)
		if n < 255 {
			break
		}
	}
	body := head[oggHeaderBytes+len(lacing):]
	return body[:min(size, len(body))], true
}

// oggPackets assembles the packets of one logical stream.
type oggPackets struct {
	partial []byte
	holding bool // partial is the beginning of a packet
}

// page calls each for every packet that ends on the page. The packet is valid during the call.
func (p *oggPackets) page(page oggPage, each func(packet []byte) error) error {
	if page.flags&oggContinued == 0 || !p.holding {
		p.partial, p.holding = p.partial[:0], false
	}
	// A continuation without its lost beginning cannot be used.
	orphan := page.flags&oggContinued != 0 && !p.holding
	at := 0
	for i := 0; i < len(page.lacing); {
		size, ended := 0, false
		for i < len(page.lacing) && !ended {
			size += int(page.lacing[i])
			ended = page.lacing[i] < 255
			i++
		}
		part := page.body[at : at+size]
		at += size
		if orphan {
			orphan = !ended
			continue
		}
		if len(p.partial)+len(part) > maxOggPacket {
			return damagef("ogg packet of more than %d bytes", maxOggPacket)
		}
		if !ended {
			p.partial, p.holding = append(p.partial, part...), true
			return nil
		}
		packet := part
		if p.holding {
			p.partial = append(p.partial, part...)
			packet = p.partial
		}
		if err := each(packet); err != nil {
			return err
		}
		p.partial, p.holding = p.partial[:0], false
	}
	return nil
}

// oggEnd describes the last page of a file.
type oggEnd struct {
	length int64 // its granule position, 0 unknown
	cut    bool  // the page is incomplete
	ended  bool  // the last of its stream
}

// oggTail examines the end of a regular file. An unreadable end counts as unknown: reading the file reports what is
// wrong.
func oggTail(path string, size int64) (end oggEnd, ok bool) {
	const window = 2 * 65307 // the longest page is completely in it
	f, err := os.Open(path)
	if err != nil {
		return end, false
	}
	defer f.Close() //nolint:errcheck // read only
	tail := make([]byte, min(size, window))
	n, err := f.ReadAt(tail, size-int64(len(tail)))
	if err != nil && !errors.Is(err, io.EOF) {
		return end, false
	}
	tail = tail[:n]
	at := bytes.LastIndex(tail, []byte("OggS"))
	if at < 0 || len(tail)-at < oggHeaderBytes {
		return oggEnd{cut: true}, true
	}
	page := tail[at:]
	whole := oggHeaderBytes + int(page[26])
	for _, n := range page[oggHeaderBytes:min(whole, len(page))] {
		whole += int(n)
	}
	end.length = max(int64(binary.LittleEndian.Uint64(page[6:])), 0)
	end.ended = page[5]&oggLast != 0
	end.cut = len(page) < whole
	return end, true
}

// warnings returns those of the pages; at is the length of the audio.
func (o *oggReader) warnings(at time.Duration) []scout.Warning {
	var w []scout.Warning
	if o.skipped > 0 {
		w = append(w, scout.Warnf(scout.WarningDamaged, "%d bytes in the middle are damaged and were skipped", o.skipped))
	}
	if o.cut {
		w = append(w, scout.Warnf(scout.WarningCutOff, "cut off after %v, in the middle of a page", at.Round(time.Millisecond)).From(at))
	}
	return slices.Clip(w)
}
