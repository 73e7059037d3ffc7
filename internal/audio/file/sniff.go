package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// kind is how an input is decoded.
type kind int

const (
	kindUnknown kind = iota // nothing known; ffmpeg may try, without its guesses
	kindWAV
	kindFLAC
	kindMP3
	kindVorbis
	kindFFmpeg // known, but not decoded here
	kindText
	kindPlaylist
	kindFragment // a piece of a stream that lacks the beginning, which says what is in it
)

// sniffed is what an input looks like.
type sniffed struct {
	kind      kind
	container string // empty when unknown
}

// sniff tells what the input is by its first bytes. ID3v2 tags, which stand before several formats,
// are consumed; nothing else is.
func (s *source) sniff() (sniffed, error) {
	for {
		s.limit = s.pos() + sniffLook
		if head, _ := s.buf.Peek(signatureBytes); startsFile(head) && id3Size(head) == 0 { // an error comes back with the next look
			s.limit, s.destroyed = 0, 0
			return sniffBytesOf(head), nil // at once: the rest may still be on its way
		}
		head, err := s.buf.Peek(sniffLook)
		s.limit = 0
		if s.ctx.Err() != nil && s.err != nil {
			return sniffed{}, s.failure() // what has come by then tells nothing
		}
		if len(head) == 0 {
			if failure := s.failure(); failure != nil {
				return sniffed{}, failure
			}
			if errors.Is(err, io.EOF) {
				return sniffed{}, scout.Errorf(scout.CodeAudioEmpty, "no data")
			}
		}
		size := id3Size(head)
		if size == 0 {
			what := sniffBytesOf(head)
			at := 0
			switch {
			case what.kind == kindUnknown:
				var container string
				if at, container = behindDamage(head); container != "" {
					what = sniffed{kindFFmpeg, container}
				}
			case what.kind == kindMP3, what.container == "mp2":
				at, _, _ = findMPEG(head)
			}
			n, err := s.buf.Discard(at)
			if s.destroyed = int64(n); err != nil {
				return sniffed{}, s.failure()
			}
			return what, nil
		}
		if _, err := s.buf.Discard(size); err != nil {
			if failure := s.failure(); failure != nil {
				return sniffed{}, failure
			}
			return sniffed{}, scout.Errorf(scout.CodeAudioCorrupt, "the file ends inside its ID3 tag")
		}
	}
}

// behindDamage finds a stream whose beginning is destroyed: where it goes on, and its container, empty if there is none. Only streams of
// frames or packets can be read from any place.
func behindDamage(head []byte) (at int, container string) {
	const frames, packets = 8, 8
	for at := 1; at < len(head); at++ {
		rest := head[at:]
		switch rest[0] {
		case tsSyncByte:
			for _, step := range [...]int{tsPacket, tsPacket + tsTimeBytes, tsPacket + tsParityBytes} {
				n := 0
				for pos := 0; n < packets && pos < len(rest) && rest[pos] == tsSyncByte; pos += step {
					n++
				}
				if n == packets {
					return at, "mpegts"
				}
			}
		case 0xFF:
			if follows(rest, adtsFrame, frames) {
				return at, "aac"
			}
		case 0x0B:
			if follows(rest, ac3Frame, frames) {
				return at, "ac3"
			}
		case 0x7F:
			if follows(rest, dtsFrame, frames) {
				return at, "dts"
			}
		case 0x56:
			if follows(rest, loasFrame, frames) {
				return at, "loas"
			}
		}
	}
	return 0, ""
}

// id3Size returns the length of an ID3v2 tag at the beginning of b, 0 when there is none.
// Source: ID3v2.4.0 structure, 3.1: four bytes of 7 bits, without the header of 10 and a footer of 10.
func id3Size(b []byte) int {
	if len(b) < 10 || string(b[:3]) != "ID3" || b[3] == 0xFF || (b[6]|b[7]|b[8]|b[9])&0x80 != 0 {
		return 0
	}
	size := 10 + (int(b[6])<<21 | int(b[7])<<14 | int(b[8])<<7 | int(b[9]))
	if b[5]&0x10 != 0 {
		size += 10
	}
	return size
}

// tagSize returns the length of a tag at the beginning of b that is no audio, 0 when there is none: ID3v2,
// ID3v1 (128 bytes, and 227 of its extension), APE.
// Source: id3.org, and the APEv2 specification: 32 bytes of header, the length without it at byte 12.
func tagSize(b []byte) int {
	const id3v1, id3v1Extension, apeHeader = 128, 227, 32
	switch {
	case bytes.HasPrefix(b, []byte("TAG+")):
		return id3v1Extension
	case bytes.HasPrefix(b, []byte("TAG")):
		return id3v1
	case bytes.HasPrefix(b, []byte("APETAGEX")) && len(b) >= apeHeader:
		size := int(binary.LittleEndian.Uint32(b[12:]) & (1<<28 - 1))
		if binary.LittleEndian.Uint32(b[20:])&(1<<29) == 0 {
			return apeHeader // a footer, of which the rest stands before
		}
		return apeHeader + size
	}
	return id3Size(b)
}

// startsPart tells whether bytes begin a file, bare frames of MPEG audio or AAC included.
func startsPart(b []byte) bool {
	if startsFile(b) || startsBare(b) {
		return true
	}
	first, ok := parseMPEG(b)
	for at, n := first.bytes, 0; ok && n < 2; n++ {
		var next mpegHeader
		next, ok = parseMPEG(b[min(at, len(b)):])
		ok = ok && next.same(first)
		at += next.bytes
	}
	return ok
}

// startsFile tells whether bytes begin a file of a format with a signature that does not turn up by chance.
func startsFile(b []byte) bool {
	if len(b) < 3 {
		return false
	}
	switch b[0] {
	case 0: // silence is full of these
		return b[1] < 5 && (b[2] < 4 || b[2] == 0xA3) && (isMP4(b) || isIRCAM(b))
	case 'R', 'F', 'f', 'O', 0x1A, 'r', 'c', '#', 0x30, 'C', '.', 'I', 'X', 'N', 'T', 'n', 'M', 't', 'D', 0x06, 0x64, 0xB7:
	default:
		return false // most bytes, at once
	}
	at := func(offset int, magic string) bool {
		return len(b) >= offset+len(magic) && string(b[offset:offset+len(magic)]) == magic
	}
	switch {
	case at(8, "WAVE"):
		return at(0, "RIFF") || at(0, "RF64") || at(0, "BW64") || at(0, "RIFX")
	case at(8, "AVI "):
		return at(0, "RIFF")
	case at(8, "AIFF"), at(8, "AIFC"):
		return at(0, "FORM")
	case at(0, "fLaC"):
		return at(5, "\x00\x00\x22") // a stream info block of 34 bytes comes first
	case at(0, "OggS\x00"):
		return len(b) > 5 && b[5]&oggFirst != 0 && b[5]&^(oggFirst|oggLast) == 0
	case at(0, "\x1aE\xdf\xa3"):
		head := b[:min(len(b), 64)]
		return bytes.Contains(head, []byte("webm")) || bytes.Contains(head, []byte("matroska"))
	case at(0, "riff\x2e\x91\xcf\x11"), at(0, "caff\x00\x01"), at(0, "#!AMR\n"), at(0, "#!AMR-WB"), at(0, "#!AMR_MC"), at(0, "FLV\x01") && at(5, "\x00\x00\x00\x09"),
		at(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"), at(0, "Creative Voice File\x1a"):
		return true
	case at(0, wtvGUID), at(0, "NIST_1A\n"), at(0, "nut/multimedia container\x00"), at(0, "MPCKSH"), at(0, ".RMF\x00\x00\x00"),
		at(0, "DSD \x1c\x00\x00\x00"), at(0, "tBaK\x01"), at(0, "\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02"):
		return true
	case at(0, "TTA1"):
		return len(b) > 5 && b[4] >= 1 && b[4] <= 3 && b[5] == 0
	case at(0, "MAC "):
		return len(b) > 5 && b[5] >= 0x0E && b[5] <= 0x10 // version 3.58 to 4.35 in thousandths
	case at(0, ".SoX"), at(0, "XoS."):
		return len(b) >= soxHeader && isSoX(b)
	case isIRCAM(b):
		return true
	case at(0, ".snd"):
		return len(b) >= 24 && binary.BigEndian.Uint32(b[4:]) < 1<<20 && binary.BigEndian.Uint32(b[12:]) < 28
	case at(0, "ID3"):
		return len(b) >= 10 && b[3] >= 2 && b[3] <= 4 && b[4] == 0 && id3Size(b) > 0
	}
	return false
}

// isMP4 tells whether b begins with the first box of an MP4 file.
func isMP4(b []byte) bool {
	return len(b) >= 8 && b[0] == 0 && b[1] == 0 && b[2] < 4 && b[4] == 'f' && b[5] == 't' && b[6] == 'y' && b[7] == 'p'
}

func sniffBytesOf(head []byte) sniffed {
	at := func(offset int, magic string) bool {
		return len(head) >= offset+len(magic) && string(head[offset:offset+len(magic)]) == magic
	}
	switch {
	case at(8, "WAVE") && (at(0, "RIFF") || at(0, "RF64") || at(0, "BW64")):
		return sniffed{kindWAV, "wav"}
	case at(0, "fLaC"):
		return sniffed{kindFLAC, "flac"}
	case at(0, "OggS"):
		if len(head) > 5 && head[5]&oggFirst == 0 {
			return sniffed{kindFragment, "Ogg"}
		}
		if first, ok := firstPacket(head); ok && bytes.HasPrefix(first, []byte("\x01vorbis")) {
			return sniffed{kindVorbis, "ogg"}
		}
		return sniffed{kindFFmpeg, "ogg"}
	case at(0, "\x1fC\xb6u"): // a cluster
		return sniffed{kindFragment, "WebM"}
	case (at(4, "styp") || at(4, "sidx") || at(4, "moof")) && !bytes.Contains(head, []byte("moov")):
		return sniffed{kindFragment, "MP4"}
	}
	if container := bySignature(head); container != "" {
		return sniffed{kindFFmpeg, container}
	}
	if at, _ := tsSync(head); at >= 0 {
		return sniffed{kindFFmpeg, "mpegts"}
	}
	if text, playlist := textual(head); text {
		if playlist {
			return sniffed{kindPlaylist, ""}
		}
		return sniffed{kindText, ""}
	}
	if follows(head, adtsFrame, 3) {
		return sniffed{kindFFmpeg, "aac"}
	}
	if follows(head, loasFrame, 3) {
		return sniffed{kindFFmpeg, "loas"}
	}
	if container := byFrames(head); container != "" {
		return sniffed{kindFFmpeg, container}
	}
	if _, header, ok := findMPEG(head); ok {
		if header.layer == 3 {
			return sniffed{kindMP3, "mp3"}
		}
		return sniffed{kindFFmpeg, "mp2"}
	}
	return sniffed{}
}

// tsSync returns where the first packet of an MPEG transport stream begins, -1 where b is none, and how far it is from packet to
// packet. Of a stream that was cut at any byte, as those of recorders and ring buffers are, that is within its first packet.
func tsSync(b []byte) (at, step int) {
	const confirmed = 5 // by chance once in 10^10 bytes
	for _, step := range [...]int{tsPacket, tsPacket + tsTimeBytes, tsPacket + tsParityBytes} {
		whole := 0 // where the sync byte stands if b begins with a packet
		if step == tsPacket+tsTimeBytes {
			whole = tsTimeBytes
		}
		for at := range min(len(b), step) {
			packets := 0
			for pos := at; pos < len(b) && b[pos] == tsSyncByte && packets < confirmed; pos += step {
				packets++
			}
			if packets == confirmed || at == whole && packets >= 3 {
				return at, step
			}
		}
	}
	return -1, 0
}

// textual tells whether the beginning of a file is text, and whether it is a list of other files.
func textual(head []byte) (text, playlist bool) {
	const enough = 2048
	cut := len(head) > enough
	b := bytes.TrimPrefix(head[:min(len(head), enough)], []byte("\xEF\xBB\xBF"))
	if bytes.HasPrefix(b, []byte("\xFF\xFE")) || bytes.HasPrefix(b, []byte("\xFE\xFF")) {
		// UTF-16: every other byte of Latin text is zero.
		return bytes.Count(b, []byte{0}) > len(b)/3, false
	}
	for i := 0; i < len(b); {
		c, size := utf8.DecodeRune(b[i:])
		if c == utf8.RuneError && size <= 1 && (!cut || len(b)-i >= utf8.UTFMax) {
			return false, false
		}
		if c < ' ' && !strings.ContainsRune("\t\n\r\f\x1b", c) {
			return false, false
		}
		i += size
	}
	start := strings.ToLower(strings.TrimSpace(string(b)))
	for _, prefix := range []string{"#extm3u", "ffconcat", "[playlist]", "<asx", "<smil", "<mpd"} {
		if strings.HasPrefix(start, prefix) {
			return true, true
		}
	}
	return true, strings.HasPrefix(start, "<?xml") && (strings.Contains(start, "<mpd") || strings.Contains(start, "<smil"))
}
