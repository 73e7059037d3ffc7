package file

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/scout-speech/scout/internal/audio/wav"
)

// extent is the end of one of several joined files.
type extent struct {
	end  int64 // the first byte after it, at most the size of the file
	want int64 // the end according to its header, beyond the file if it was cut off; 0 unknown
	// holes are where frames are missing, in the order of time; for streams without times of their own.
	holes []hole
	// losses are where packets of a transport stream are missing or destroyed, in bytes of the file.
	losses []int64
	// tail is the length of what was destroyed behind the last of these frames.
	tail time.Duration
	// frames is where these frames begin.
	frames frameTable
	// patches are headers in place of destroyed ones.
	patches []patch
	// torn is how many bytes of destroyed fragments stand at the end, behind the byte at whole.
	torn, whole int64
	// length is the length of the frames, for streams that state none; 0 unknown.
	length time.Duration
}

// cut reports whether the file ends before its header says it does.
func (e extent) cut() bool { return e.want > e.end }

// extent finds the end of the file with the given container that begins at the source's position. The source must be a
// regular file. It reads only structure: boxes, pages, frame headers.
func (s *source) extent(container string) extent {
	whole := extent{end: s.size}
	at, ok := s.r.(io.ReaderAt)
	start := s.pos()
	if !ok || start >= s.size {
		return whole
	}
	c := &cursor{at: at, pos: start, size: s.size}
	c.seek(start)
	tail := start // where another file may begin
	var e extent
	switch container {
	case "wav", "aiff", "avi", "iff":
		e = c.iff()
	case "w64":
		e = c.w64()
	case "au":
		e = c.au()
	case "caf":
		e = c.caf()
	case "mp4":
		e = c.mp4()
	case "matroska", "webm":
		e = c.matroska()
	case "ogg":
		e = c.ogg()
	case "asf":
		e = c.asf()
	case "wtv":
		e = c.wtv()
	case "flv":
		e = c.flv()
	case "mp3", "mp2":
		e = c.mpeg()
	case "mpegts":
		e = c.mpegTS()
	case "wv":
		e = c.wavPack()
	case "amr":
		e = c.search(func(b []byte) bool { return string(b[:5]) == "#!AMR" })
	case "aac":
		e = c.bare(adtsFrame, adtsFrame)
	case "ac3":
		e = c.bare(ac3Frame, ac3Frame)
	case "dts":
		e = c.bare(dtsFrame, dtsFrame)
	case "loas":
		e = c.bare(loasFrame, loasFrame)
	case "sbc":
		e = c.bare(sbcFrame, sbcFrame)
	case "mlp", "truehd":
		stream := &mlpStream{}
		e = c.bare(stream.frame, stream.first)
	case "flac":
		e = c.search(startsFile)
	default:
		if form, ok := blockForms(container); ok {
			var resync blockForm
			if container == "mpeg" {
				resync = startsPack
			}
			// ffmpeg's RealMedia says that its last block is ten bytes longer than it is.
			tail = max(c.blocks(form, resync)-16, start)
			c.seek(max(tail-1, start))
		}
		e = c.search(startsOther)
	}
	if e.want > 0 {
		tail = e.end
	}
	if e.end == s.size && !e.cut() && slices.Contains(endless(), container) {
		c.seek(max(tail-1, start))
		e.end = c.bareTail()
	}
	if e.end == s.size && e.want == 0 && slices.Contains([]string{"aiff", "iff", "w64", "au", "caf", "mp4"}, container) {
		// Its length is unknown: it may reach to the end, or to another file.
		c.seek(start)
		e = c.search(startsOther)
	}
	if e.end <= start || e.end > s.size {
		e.end = s.size
	}
	if !e.cut() && (e.frames.begun || e.end == s.size) || e.end < s.size && c.partAt(e.end) {
		if hidden, ok := s.hiddenFile(container, start, e); ok {
			return extent{end: hidden, want: max(e.want, hidden+1)}
		}
		return e
	}
	// The length is wrong unless something valid follows. A file that was cut off may have another file inside its
	// declared length; a length that is too short hides nothing.
	c.seek(start)
	c.skipHeader(container)
	next := c.search(startsOther)
	if next.end == s.size {
		return extent{end: s.size, want: e.want, holes: e.holes, tail: e.tail, frames: e.frames}
	}
	return extent{end: next.end, want: max(e.want, next.end+1), holes: e.holes, tail: e.tail, frames: e.frames}
}

// endless are the containers whose end is not known from their own structure: bare frames behind them have no signature either.
func endless() []string {
	return []string{
		"amr", "ape", "asf", "ast", "dsf", "dss", "flac", "ircam", "mmf", "mpc", "mpc8", "mpeg", "mxf", "nistsphere", "nut", "rm", "sox", "swf", "tak",
		"tta", "voc", "wtv", "gxf",
	}
}

// startsOther reports whether bytes begin a file. A tag does not count: it may belong to the previous file.
func startsOther(b []byte) bool { return startsFile(b) && string(b[:3]) != "ID3" }

// cursor walks over the structure of a file.
type cursor struct {
	at        io.ReaderAt
	buf       *bufio.Reader
	pos, size int64
}

func (c *cursor) seek(pos int64) {
	c.pos = pos
	section := io.NewSectionReader(c.at, pos, max(c.size-pos, 0))
	if c.buf == nil {
		c.buf = bufio.NewReaderSize(section, 64<<10)
		return
	}
	c.buf.Reset(section)
}

// skip moves forward; long jumps read nothing. It returns false beyond the end.
func (c *cursor) skip(n int64) bool {
	if n < 0 || n > c.size-c.pos {
		return false
	}
	if n > int64(c.buf.Buffered())+4096 {
		c.seek(c.pos + n)
		return true
	}
	k, err := c.buf.Discard(int(n))
	c.pos += int64(k)
	return err == nil
}

// peek returns the next n bytes, or fewer at the end. If reading fails, decoding reports why.
func (c *cursor) peek(n int) []byte {
	b, err := c.buf.Peek(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return b
}

// skipTags moves over zeros and tags.
func (c *cursor) skipTags() {
	for {
		b := c.peek(64 << 10)
		if size := skippable(b); size == 0 || len(b) == 0 || !c.skip(int64(min(size, len(b)))) {
			return
		}
	}
}

// partAt reports whether another file or the end of the input is at pos, after zeros and tags.
func (c *cursor) partAt(pos int64) bool {
	head := make([]byte, 64<<10)
	for range 16 {
		n, _ := c.at.ReadAt(head, pos) // an error is an end, or comes back when it is decoded
		if n == 0 {
			return true
		}
		if size := skippable(head[:n]); size > 0 {
			pos += int64(size)
			continue
		}
		switch sniffBytesOf(head[:n]).kind {
		case kindWAV, kindFLAC, kindVorbis, kindFFmpeg, kindMP3:
			return true
		}
		return false
	}
	return false
}

// sized returns an extent whose header declares that many bytes from start on.
func (c *cursor) sized(start int64, size uint64, unknown bool) extent {
	if unknown || size > 1<<60 || wav.Rounded(int64(size)) && start+int64(size) > c.size {
		return extent{end: c.size}
	}
	want := start + int64(size)
	return extent{end: min(want, c.size), want: want}
}

// beyond reports whether a 32-bit size is no more than a placeholder: it looks like one, and the file is shorter.
func (c *cursor) beyond(from int64, size uint32) bool {
	return wav.Rounded(int64(size)) && from+int64(size) > c.size
}

// iff walks RIFF, FORM and similar files: a name, and 32 bits of length. Further RIFF chunks of a long AVI belong to
// it.
func (c *cursor) iff() extent {
	var e extent
	for {
		b := c.peek(12)
		if len(b) < 12 {
			return e
		}
		name, kind := string(b[:4]), string(b[8:12])
		if e.end > 0 && (name != "RIFF" || kind != "AVIX") {
			return e
		}
		size := binary.LittleEndian.Uint32(b[4:])
		if name == "FORM" || name == "RIFX" {
			size = binary.BigEndian.Uint32(b[4:])
		}
		padded := uint64(size) + uint64(size)%2
		e = c.sized(c.pos, 8+padded, size == 0 || c.beyond(c.pos+8, size))
		if name == "FRM8" { // DSDIFF
			e = c.sized(c.pos, 12+binary.BigEndian.Uint64(b[4:]), false)
		}
		if !c.skip(e.end - c.pos) {
			return e
		}
	}
}

// w64 reads Sony Wave64: the length of the whole follows the 16-byte GUID.
func (c *cursor) w64() extent {
	b := c.peek(24)
	if len(b) < 24 {
		return extent{}
	}
	size := binary.LittleEndian.Uint64(b[16:])
	return c.sized(c.pos, size, size < 24)
}

// au reads Sun AU: offset and length of the samples.
func (c *cursor) au() extent {
	b := c.peek(12)
	if len(b) < 12 {
		return extent{}
	}
	offset, size := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	return c.sized(c.pos, uint64(offset)+uint64(size), size == 0 || c.beyond(c.pos+int64(offset), size))
}

// caf walks the chunks of Core Audio files: a name, and 64 bits of length; -1 means to the end.
func (c *cursor) caf() extent {
	e := extent{}
	if !c.skip(8) {
		return e
	}
	for {
		b := c.peek(12)
		if len(b) < 12 || !printable(b[:4]) {
			return e
		}
		size := binary.BigEndian.Uint64(b[4:])
		if string(b[:4]) == "caff" {
			return e
		}
		e = c.sized(c.pos, 12+size, size > 1<<60)
		if e.want == 0 || !c.skip(e.end-c.pos) {
			return e
		}
	}
}

func printable(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return (c < 0x20 || c > 0x7E) && c != 0xA9 })
}

// mp4 walks the boxes of ISO/IEC 14496-12, 4.2. A second ftyp after the movie begins another file.
func (c *cursor) mp4() extent {
	e := extent{}
	seen := false
	var parts *fragments
	for {
		b := c.peek(16)
		if parts != nil && len(b) > 0 && (len(b) < 8 || string(b[4:8]) != "ftyp") {
			if !c.fragment(parts, &e) {
				return e
			}
			continue
		}
		if len(b) < 8 || !printable(b[4:8]) {
			return e
		}
		size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
		name := string(b[4:8])
		if size == 1 && len(b) == 16 {
			size, head = binary.BigEndian.Uint64(b[8:]), 16
		}
		switch {
		case name == "ftyp" && seen:
			return e
		case size == 0:
			return extent{end: c.size} // the last box, to the end of the file
		case size < head:
			return e
		}
		seen = seen || name == "moov" || name == "mdat"
		if name == "moov" && size < maxMovie && c.fragmented(c.pos, int64(size)) {
			at := c.pos
			c.seek(at)
			parts = &fragments{c: &cursor{at: c.at, size: c.size}}
		}
		if e = c.sized(c.pos, size, false); e.cut() || !c.skip(e.end-c.pos) {
			return e
		}
	}
}

// wtv reads the length of a recording of Windows Media Center, in sectors of 4096 bytes, from where ffmpeg's wtvenc.c writes it. A
// number that does not fit the file does not count.
func (c *cursor) wtv() extent {
	const sectors, sectorBytes, header = 0x5c, 4096, 0x60
	b := c.peek(header)
	if len(b) < header {
		return extent{end: c.size}
	}
	end := c.pos + int64(binary.LittleEndian.Uint32(b[sectors:]))*sectorBytes
	if end == c.pos || end > c.size {
		return c.search(startsOther)
	}
	return extent{end: end}
}

// wavPack walks blocks. The header has their length and the index of their first sample, which is 0 where another file
// begins.
func (c *cursor) wavPack() extent {
	const header = 32
	e := extent{}
	sound := false
	for {
		b := c.peek(header)
		if len(b) < header || string(b[:4]) != "wvpk" {
			return e
		}
		first := binary.LittleEndian.Uint32(b[16:]) == 0 && binary.LittleEndian.Uint32(b[24:])&0x800 != 0
		if first && sound {
			return e
		}
		sound = sound || binary.LittleEndian.Uint32(b[20:]) > 0
		if e = c.sized(c.pos, 8+uint64(binary.LittleEndian.Uint32(b[4:])), false); e.cut() || !c.skip(e.end-c.pos) {
			return e
		}
	}
}

// ogg walks pages. The first page of a stream after pages with data begins the next link of a chain.
func (c *cursor) ogg() extent {
	inData := false
	for {
		b := c.peek(oggHeaderBytes + 255)
		switch {
		case len(b) < oggHeaderBytes:
			return extent{end: c.size}
		case string(b[:4]) != "OggS":
			if inData && startsFile(b) || !c.skip(1) {
				return extent{end: c.pos}
			}
			continue
		}
		if first := b[5]&oggFirst != 0; first && inData {
			return extent{end: c.pos}
		} else if !first {
			inData = true
		}
		page, size := c.pos, oggPageSize(b)
		if !c.skip(size) {
			return extent{end: c.size, want: c.pos + size}
		}
		if next := c.peek(signatureBytes); inData && len(next) > 0 && string(next[:min(4, len(next))]) != "OggS" && !startsPart(next) {
			// The page is torn, and another file may begin in it; or its size is damaged.
			if at, torn := c.tornPage(page, size); torn {
				return extent{end: at, want: page + size}
			}
		}
	}
}

// search looks for the beginning of another file anywhere.
func (c *cursor) search(starts func([]byte) bool) extent {
	for first := true; ; first = false {
		b := c.peek(64 << 10)
		at := 0
		if first {
			at = 1
		}
		for ; at+signatureBytes <= len(b); at++ {
			if starts(b[at:]) {
				return extent{end: c.pos + int64(at)}
			}
		}
		if at >= len(b) || len(b) < 64<<10 || !c.skip(int64(at)) {
			return extent{end: c.size}
		}
	}
}
