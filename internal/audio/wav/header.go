package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/scout-speech/scout"
)

const (
	unknownLength = -1
	// maxHeaderChunks bounds the time spent on a stream that never reaches its samples.
	maxHeaderChunks = 4096
	// ds64Bytes is riff size, data size and sample count of 64 bits each (EBU Tech 3306).
	ds64Bytes = 24
)

// header is what precedes the samples.
type header struct {
	format    Format
	hasFormat bool
	warnings  []scout.Warning
	// dataBytes is the declared length of the samples, unknownLength if the declaration cannot be true.
	dataBytes int64
	// ds64Data is the data size of a ds64 chunk, unknownLength without one.
	ds64Data int64
	// riffEnd is the end of the RIFF chunk as declared, unknownLength for a placeholder.
	riffEnd int64
	// proven is set if the size of the samples is true although it looks like one of Rounded.
	proven bool
}

// proves reports whether the declared end of the file proves the declared end of the samples: other chunks fit between them, so whoever
// wrote both knew them.
//
//	riff  the size in the header, as it stands there
func proves(riff uint32, samplesEnd int64) bool {
	const chunkHeader, most = 8, 64 << 20
	switch riff {
	case 0, 1<<30 - 1, 1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 1:
		return false
	}
	behind := 8 + int64(riff) - samplesEnd
	return behind >= chunkHeader && behind <= most
}

// nearLimit is how much less than a power of two a size may be that a program writes because it does not know the size: it subtracts
// the header, or rounds to a page.
const nearLimit = 1 << 16

// Placeholder reports whether a 32-bit size was written by a program that could not know it: zero, all ones (ffmpeg,
// and RF64 by its rules), or within 64 KiB of 2 GiB (sox, arecord).
func Placeholder(size uint32) bool {
	return size == 0 || size >= 1<<32-nearLimit || (size >= 1<<31-nearLimit && size <= 1<<31+nearLimit)
}

// Rounded reports whether a size may be one that a program writes because it does not know the size: one of Placeholder, 1, 2 or 4 GiB
// or up to 64 KiB less, or a multiple of a million from a billion on. Audio of that size exists as well. So such a size counts as long
// as the file is not shorter; a shorter file is not called cut off, unless something else in it proves the size.
func Rounded(size int64) bool {
	if size < 0 {
		return false
	}
	const million, headers = 1_000_000, 1 << 12
	for _, limit := range []int64{1 << 30, 1 << 31, 1 << 32} {
		if size >= limit-nearLimit && size <= limit+headers {
			return true
		}
	}
	return size == 0 || size >= 1000*million && size <= 1<<33 && size%million == 0 || size <= 1<<32-1 && Placeholder(uint32(size))
}

// readHeader reads up to the first byte of the samples.
func (r *Reader) readHeader() (header, error) {
	h := header{ds64Data: unknownLength, riffEnd: unknownLength}
	var riff [12]byte
	if err := r.readFull(riff[:]); err != nil {
		if r.pos == 0 && errors.Is(err, io.EOF) {
			return h, scout.Errorf(scout.CodeAudioEmpty, "no data")
		}
		return h, r.headerError(err)
	}
	container := map[string]string{"RIFF": "wav", "RF64": "rf64", "BW64": "bw64"}[string(riff[:4])]
	if container == "" || string(riff[8:]) != "WAVE" {
		return h, scout.Errorf(scout.CodeAudioCorrupt, "not a WAV file: it begins with %q", riff[:])
	}
	whole := binary.LittleEndian.Uint32(riff[4:])
	if !Placeholder(whole) {
		h.riffEnd = 8 + int64(whole)
	}
	for range maxHeaderChunks {
		var chunk [8]byte
		if err := r.readFull(chunk[:]); err != nil {
			return h, r.headerError(err)
		}
		id, size := string(chunk[:4]), binary.LittleEndian.Uint32(chunk[4:])
		if id == "data" {
			if !h.hasFormat {
				return h, scout.Errorf(scout.CodeAudioCorrupt, "samples without a format chunk before them")
			}
			h.format.Container = container
			h.proven = proves(whole, r.pos+int64(size))
			h.dataBytes = r.dataLength(h, size)
			return h, nil
		}
		if err := r.readChunk(&h, id, int64(size)); err != nil {
			return h, err
		}
	}
	return h, scout.Errorf(scout.CodeAudioCorrupt, "no samples in the first %d chunks", maxHeaderChunks)
}

// readChunk reads what is needed from a chunk before the samples and skips the rest.
func (r *Reader) readChunk(h *header, id string, size int64) error {
	var body [extensibleBytes]byte
	known := body[:0]
	switch id {
	case "LIST":
		if next, err := r.src.Peek(4); err == nil && string(next) == "wavl" {
			return errWaveList()
		}
	case "fmt ":
		known = body[:min(size, extensibleBytes)]
	case "ds64":
		known = body[:min(size, ds64Bytes)]
	}
	if err := r.readFull(known); err != nil {
		return r.headerError(err)
	}
	switch {
	case id == "fmt " && h.hasFormat:
		if other, _, err := parseFormat(known); err != nil || other != h.format {
			h.warnings = append(h.warnings, scout.Warnf(scout.WarningFormat, "header: two formats contradict each other, the first is used"))
		}
	case id == "fmt ":
		format, warnings, err := parseFormat(known)
		if err != nil {
			return err
		}
		h.format, h.warnings, h.hasFormat = format, append(h.warnings, warnings...), true
	case id == "ds64" && len(known) == ds64Bytes:
		if riff := binary.LittleEndian.Uint64(known); riff > 0 && riff < 1<<62 && h.riffEnd == unknownLength {
			h.riffEnd = 8 + int64(riff)
		}
		if data := binary.LittleEndian.Uint64(known[8:]); data > 0 && data < 1<<62 {
			h.ds64Data = int64(data)
		}
	}
	if err := r.skip(size - int64(len(known))); err != nil {
		return r.headerError(err)
	}
	return r.skipPadding(size)
}

// errWaveList refuses samples that are not in one data chunk: Multimedia Programming Interface and Data Specifications
// 1.0 (1991) allows a list of them with stretches of silence.
func errWaveList() error {
	return scout.Errorf(scout.CodeAudioUnsupported, "its samples are in a list of pieces and silence (LIST wavl), a form of WAV that is not read").
		WithHint("open it in the program that wrote it and save it as an ordinary WAV file")
}

// skipPadding skips the byte after a chunk of odd length, unless the writer forgot it, which shows in
// the name of a chunk standing in its place.
func (r *Reader) skipPadding(size int64) error {
	if size%2 == 0 {
		return nil
	}
	if next, err := r.src.Peek(4); err == nil && next[0] != 0 && chunkID(next) {
		return nil
	}
	if err := r.skip(1); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return r.headerError(err)
	}
	return nil
}

// dataLength decides how many bytes of what follows are samples, unknownLength for all.
func (r *Reader) dataLength(h header, size uint32) int64 {
	switch {
	case !Placeholder(size), size > 0 && h.proven:
		return int64(size)
	case size == 0:
		// A recording that was never closed, or really no samples and further chunks.
		if next, err := r.src.Peek(8); err == nil && chunkHeader(next) && h.riffEnd > r.pos {
			return 0
		}
	case h.ds64Data != unknownLength:
		return h.ds64Data
	}
	return unknownLength
}

// chunkID tells whether four bytes can be the name of a chunk: printable ASCII, as RIFF demands. Of
// random bytes 2 % are.
func chunkID(b []byte) bool {
	for _, c := range b[:4] {
		if c < 0x20 || c > 0x7E {
			return false
		}
	}
	return true
}

// chunkHeader tells whether eight bytes begin a chunk: a name that is written down somewhere, or one
// made of printable characters with a length below 16 MiB. ID3v1 and APE tags count.
func chunkHeader(b []byte) bool {
	if knownChunk(b) || bytes.HasPrefix(b, []byte("TAG")) || bytes.HasPrefix(b, []byte("APETAGEX")) {
		return true
	}
	return chunkID(b) && binary.LittleEndian.Uint32(b[4:]) < 1<<24
}

// knownChunk tells whether the name of a chunk is one that is written down somewhere.
func knownChunk(b []byte) bool {
	for _, id := range []string{"data", "fmt ", "LIST", "id3 ", "ID3 ", "bext", "iXML", "cue ", "smpl", "inst", "JUNK", "junk", "PEAK", "afsp", "fact", "axml", "chna", "_PMX"} {
		if string(b[:4]) == id {
			return true
		}
	}
	return false
}

// headerError gives an error inside the header its code: a header that ends early is damage, anything
// else the failure of the source.
func (r *Reader) headerError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return scout.Errorf(scout.CodeAudioCorrupt, "the file ends inside its header, after %d bytes", r.pos)
	}
	return scout.FileError(scout.CodeReadFailed, "read header", err)
}
