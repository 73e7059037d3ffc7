package pulse

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The protocol puts the type before each value: a tag of one byte. This is the part of it that Scout needs, as in
// pulsecore/tagstruct.h of PulseAudio 16.1.
const (
	tagText       = 't' // bytes up to a zero
	tagNoText     = 'N' // a text that is missing; also the end of a list of properties
	tagNumber     = 'L' // uint32, as all numbers in the order of the network
	tagSample     = 'a' // format, channels: a byte each; rate: uint32
	tagBytes      = 'x' // length: uint32; bytes
	tagTrue       = '1'
	tagFalse      = '0'
	tagDuration   = 'U' // uint64, microseconds
	tagChannelMap = 'm' // count: a byte; a byte each
	tagVolumes    = 'v' // count: a byte; uint32 each
	tagProperties = 'P' // text, number and bytes for each
	tagVolume     = 'V' // uint32
)

// errMalformed is an answer with a value that the protocol does not allow there.
var errMalformed = errors.New("an answer that does not follow the protocol")

// values are the unread values of a message. The first value of another type than requested ends the reading: all later
// ones are zero, and err says why. Whatever the sender put into a message, it can do no more than that.
type values struct {
	rest []byte
	err  error
}

// take returns the next n bytes, or n zeros after an error.
func (v *values) take(n int) []byte {
	if v.err == nil && n > len(v.rest) {
		v.err = errMalformed
	}
	if v.err != nil {
		v.rest = nil
		return make([]byte, min(n, 8)) // as much as a caller uses
	}
	taken := v.rest[:n]
	v.rest = v.rest[n:]
	return taken
}

// tag reads a tag, which must be one of those wanted.
func (v *values) tag(wanted ...byte) byte {
	tag := v.take(1)[0]
	if v.err == nil && !bytes.Contains(wanted, []byte{tag}) {
		v.err = fmt.Errorf("%w: tag %q, want %q", errMalformed, tag, wanted)
	}
	return tag
}

func (v *values) number() uint32 {
	v.tag(tagNumber)
	return binary.BigEndian.Uint32(v.take(4))
}

// text returns a text of any length; "" for one that is missing.
func (v *values) text() string {
	if v.tag(tagText, tagNoText) == tagNoText || v.err != nil {
		return ""
	}
	end := bytes.IndexByte(v.rest, 0)
	if end < 0 {
		v.err = errMalformed
		return ""
	}
	return string(v.take(end + 1)[:end])
}

func (v *values) sample() (format, channels byte, rateHz uint32) {
	v.tag(tagSample)
	b := v.take(6)
	return b[0], b[1], binary.BigEndian.Uint32(b[2:])
}

// skip reads values of these types and discards them.
func (v *values) skip(tags ...byte) {
	for _, tag := range tags {
		switch tag {
		case tagText:
			v.text()
		case tagNumber, tagVolume:
			v.tag(tag)
			v.take(4)
		case tagSample:
			v.sample()
		case tagTrue:
			v.tag(tagTrue, tagFalse)
		case tagDuration:
			v.tag(tag)
			v.take(8)
		case tagChannelMap:
			v.tag(tag)
			v.take(int(v.take(1)[0]))
		case tagVolumes:
			v.tag(tag)
			v.take(4 * int(v.take(1)[0]))
		case tagProperties:
			v.tag(tag)
			v.skipProperties()
		}
	}
}

func (v *values) skipProperties() {
	for v.err == nil {
		if len(v.rest) > 0 && v.rest[0] == tagNoText {
			v.take(1)
			return
		}
		v.text()
		length := v.number()
		v.tag(tagBytes)
		if again := binary.BigEndian.Uint32(v.take(4)); v.err == nil && again != length {
			v.err = errMalformed
			return
		}
		v.take(int(length))
	}
}

// more reports whether another value follows.
func (v *values) more() bool { return v.err == nil && len(v.rest) > 0 }

// arguments are the values of a request.
type arguments []byte

func (a arguments) number(n uint32) arguments {
	return binary.BigEndian.AppendUint32(append(a, tagNumber), n)
}

func (a arguments) text(s string) arguments { return append(append(append(a, tagText), s...), 0) }

func (a arguments) bytes(b []byte) arguments {
	return append(binary.BigEndian.AppendUint32(append(a, tagBytes), uint32(len(b))), b...)
}

func (a arguments) truth(t bool) arguments {
	if t {
		return append(a, tagTrue)
	}
	return append(a, tagFalse)
}

// properties appends a list of one property.
func (a arguments) properties(key, value string) arguments {
	a = append(a, tagProperties).text(key).number(uint32(len(value) + 1)).bytes(append([]byte(value), 0))
	return append(a, tagNoText)
}
