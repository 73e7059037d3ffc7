package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/scout-speech/scout"
)

const (
	// headBytes is how much of what follows is looked at to tell what it is.
	headBytes = 4 << 10
	// scanBytes bounds how much is looked through for another file before it is given out.
	scanBytes = 32 << 10
	// startBytes is how much is looked at to tell whether a file begins: some frames of a bare stream.
	startBytes = 16 << 10
)

// riffStart tells whether bytes begin a WAV file.
func riffStart(b []byte) bool {
	if len(b) < 12 || string(b[8:12]) != "WAVE" {
		return false
	}
	id := string(b[:4])
	return id == "RIFF" || id == "RF64" || id == "BW64"
}

// beforeJoint shortens dst so that it ends where another WAV file begins, and returns io.EOF when that is here.
func (r *Reader) beforeJoint(dst []byte) ([]byte, error) {
	dst = dst[:min(len(dst), max(scanBytes/r.header.format.frameBytes(), 1)*r.header.format.frameBytes())]
	const begin = 12
	// An error is an end, or comes back with the next read.
	ahead, _ := r.src.Peek(len(dst) + startBytes)
	if r.left < 0 {
		// Nobody knows where the samples end: any file may follow.
		for at := range min(len(dst), len(ahead)) {
			if r.startsFile(ahead[at:]) {
				return r.stopAt(dst, at)
			}
		}
	}
	ahead = ahead[:min(len(ahead), len(dst)+begin)]
	for at := 0; at+begin <= len(ahead); {
		next := bytes.Index(ahead[at:], []byte("WAVE"))
		if next < 0 {
			break
		}
		at += next
		if at >= 8 && riffStart(ahead[at-8:]) {
			return r.stopAt(dst, at-8)
		}
		at += 4
	}
	return dst, nil
}

// stopAt is beforeJoint with the other file at that many bytes from here.
func (r *Reader) stopAt(dst []byte, at int) ([]byte, error) {
	size := r.header.format.frameBytes()
	if at >= len(dst) {
		return dst, nil // the next read meets it
	}
	if at >= size {
		return dst[:at/size*size], nil
	}
	if err := r.skip(int64(at)); err != nil {
		return nil, r.finish(scout.FileError(scout.CodeReadFailed, "read samples", err))
	}
	return nil, r.readError(io.EOF, 0)
}

// endOfData goes on behind the declared end of the samples: to the next data chunk, or to the end of what
// is there. Anything that is no chunk and no other file is audio of a recorder that did not live to correct
// its header, and is read to the end of the file. It returns io.EOF when no samples follow.
func (r *Reader) endOfData() error {
	rest, padding := int(r.left), int(r.declared%2)
	next, _ := r.src.Peek(rest + padding + headBytes) // an error is an end, or comes back with the next read
	for skip := rest; skip <= rest+padding; skip++ {
		// An odd length may be padded or not.
		if len(next) > skip && !r.chunkFollows(next[skip:], r.pos+int64(skip)) && !r.fileFollows(next[skip:]) && len(next) >= skip+8 {
			continue
		}
		if err := r.skip(int64(min(skip, len(next)))); err != nil {
			return r.sourceError(err)
		}
		return r.nextData()
	}
	r.warn(scout.Warnf(scout.WarningFormat, "the header promises %v of audio, the file holds more: read to its end", r.time(r.frames)))
	r.left = unknownLength
	return nil
}

// nextData skips chunks up to the next one with samples of the same format. It returns io.EOF where the file ends, another
// begins, or samples of another format follow, see Next.
func (r *Reader) nextData() error {
	var other *Format // of the samples to come, nil for the same
	var refused error // why their format is not read
	for range maxHeaderChunks {
		next, _ := r.src.Peek(headBytes) // an error is an end, or comes back with the next read
		if len(next) < 8 || r.fileFollows(next) || !r.chunkFollows(next, r.pos) {
			return r.ended()
		}
		id, size := string(next[:4]), binary.LittleEndian.Uint32(next[4:])
		switch {
		case id == "fmt ":
			body := next[8:min(8+int64(size), 8+extensibleBytes, int64(len(next)))]
			other, refused = r.nextFormat(body)
		case id == "LIST" && len(next) >= 12 && string(next[8:12]) == "wavl":
			r.refuse(size, errWaveList())
		case id == "data" && size > 0 && refused != nil:
			r.refuse(size, refused)
		case id == "data" && size > 0:
			if err := r.skip(8); err != nil {
				return r.sourceError(err)
			}
			return r.beginData(size, other)
		}
		if err := r.skip(8 + int64(size)); err != nil {
			return r.sourceError(err)
		}
		if err := r.skipPadding(int64(size)); err != nil {
			return err
		}
	}
	return io.EOF
}

// nextFormat reads a format chunk behind samples: nil for the same format, or why it is not read.
func (r *Reader) nextFormat(body []byte) (*Format, error) {
	format, warnings, err := parseFormat(body)
	if err != nil {
		return nil, err
	}
	format.Container = r.header.format.Container
	if format == r.header.format {
		return nil, nil
	}
	r.nextWarnings = warnings
	return &format, nil
}

// refuse tells of samples that are not read.
func (r *Reader) refuse(size uint32, why error) {
	r.warn(scout.Warnf(scout.WarningUnread, "%d bytes of samples behind %v were not read: %v", size, r.time(r.frames), why).From(r.time(r.frames)))
}

// beginData goes on with the data chunk that begins here, of which format is another one, or nil.
func (r *Reader) beginData(size uint32, format *Format) error {
	left := int64(size)
	if Placeholder(size) {
		left = unknownLength
	}
	if format == nil {
		r.left, r.declared = left, left
		return nil
	}
	head := r.header
	head.format, head.dataBytes, head.warnings = *format, left, nil
	r.next = &Reader{
		src: r.src, pos: r.pos, header: head, left: left, declared: left, scratch: r.scratch,
		warnings: r.nextWarnings, startsFile: r.startsFile,
	}
	return io.EOF
}

// ended is the end of the samples: io.EOF, or why the source ended before.
func (r *Reader) ended() error {
	if _, err := r.src.Peek(1); err != nil {
		return r.sourceError(err)
	}
	return io.EOF
}

func (r *Reader) sourceError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return scout.FileError(scout.CodeReadFailed, "read behind the samples", err)
}

// fileFollows tells whether another file begins here, or a tag that belongs to none.
func (r *Reader) fileFollows(next []byte) bool {
	if riffStart(next) || bytes.HasPrefix(next, []byte("TAG")) || bytes.HasPrefix(next, []byte("APETAGEX")) {
		return true
	}
	return r.startsFile != nil && r.startsFile(next)
}

// chunkFollows tells whether a chunk begins at pos. A name that is written down nowhere counts inside the file's
// declared length, or where the end of the source or another chunk follows it.
func (r *Reader) chunkFollows(next []byte, pos int64) bool {
	if len(next) < 8 || !chunkHeader(next) {
		return false
	}
	if knownChunk(next) {
		return true
	}
	size := int64(binary.LittleEndian.Uint32(next[4:]))
	if r.header.riffEnd > 0 && pos+8+size <= r.header.riffEnd+1 {
		return true
	}
	for end := 8 + size; end <= 8+size+size%2 && end <= int64(len(next)); end++ {
		if after := next[end:]; len(after) < 8 && len(next) < headBytes || len(after) >= 8 && chunkHeader(after) {
			return true
		}
	}
	return false
}
