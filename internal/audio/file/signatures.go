package file

import (
	"bytes"
	"encoding/binary"
	"math"
)

// signature is a byte pattern at the beginning of a file.
type signature struct {
	offset    int
	magic     string
	container string // the name of ffmpeg's demuxer
}

// wtvGUID begins a recording of Windows Media Center.
const wtvGUID = "\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07\xe9\x5e\xad\x8d"

// signatures of what ffmpeg decodes. Source: the probe functions of libavformat 5.1 and the formats'
// own specifications.
func signatures() []signature {
	return []signature{
		{4, "ftyp", "mp4"},
		{4, "moov", "mp4"},
		{4, "mdat", "mp4"},
		{4, "wide", "mp4"},
		{4, "free", "mp4"},
		{4, "skip", "mp4"},
		{4, "styp", "mp4"},
		{4, "sidx", "mp4"},
		{0, "\x1aE\xdf\xa3", "matroska"},
		{8, "AIFF", "aiff"},
		{8, "AIFC", "aiff"},
		{8, "8SVX", "iff"},
		{8, "16SV", "iff"},
		{8, "MAUD", "iff"},
		{0, "FRM8", "iff"},
		{0, "caff\x00\x01", "caf"},
		{0, "#!AMR", "amr"},
		{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"},
		{0, "FLV\x01", "flv"},
		{0, ".snd", "au"},
		{0, "riff\x2e\x91\xcf\x11", "w64"},
		{8, "AVI ", "avi"},
		{0, "RIFX", "wav"},
		{0, "wvpk", "wv"},
		{0, "MAC ", "ape"},
		{0, "TTA1", "tta"},
		{0, "MPCK", "mpc8"},
		{0, "MP+", "mpc"},
		{0, "tBaK", "tak"},
		{0, "DSD ", "dsf"},
		{0, ".RMF", "rm"},
		{0, "Creative Voice File\x1a", "voc"},
		{0, "\x00\x00\x01\xba", "mpeg"},
		{0, "\x0b\x77", "ac3"},
		{0, "\x77\x0b", "ac3"}, // with the bytes of each pair swapped
		{0, "\x7f\xfe\x80\x01", "dts"},
		{0, "\xfe\x7f\x01\x80", "dts"},
		{0, "\x1f\xff\xe8\x00", "dts"},
		{0, "\xff\x1f\x00\xe8", "dts"},
		{0, "DTSHDHDR", "dtshd"},
		{0, "\x06\x0e\x2b\x34", "mxf"},
		{0, "nut/multimedia container\x00", "nut"},
		{0, ".SoX", "sox"},
		{0, "XoS.", "sox"},
		{0, wtvGUID, "wtv"},
		{4, "\xf8\x72\x6f\xbb", "mlp"},
		{4, "\xf8\x72\x6f\xba", "truehd"},
		{0, "NIST_1A\n", "nistsphere"},
		{0, "\x02dss", "dss"},
		{0, "\x03dss", "dss"},
		{4, "\x57\x90\x75\x36", "aa"},
		{0, "ajkg\x02", "shn"},
		{8, "QLCM", "qcp"},
		{8, "XWMA", "xwma"},
		{0, "ALawSoundFile**\x00", "wve"},
		{0, "TWIN97012000", "vqf"},
		{0, "TWIN00052000", "vqf"},
		{0, "2BIT\x00", "avr"},
		{0, "fap \x00\x00\x00", "epaf"},
		{0, " paf\x00\x00\x00", "epaf"},
		{0, "PVF1\n", "pvf"},
		{0, "EA3\x01", "oma"},
		{0, "ea3\x03", "oma"},
		{0, "MMMD", "mmf"},
		{0, "NSVf", "nsv"},
		{0, "NSVs", "nsv"},
		{0, "DHAV", "dhav"},
		{0, "LEITCH\x00\x00", "lxf"},
		{0, "\x00\x0aSMJPEG", "smjpeg"},
		{0, "KVAG", "kvag"},
		{0, "\xc0\xde\xc2", "codec2"},
		{0, "ASF\x00\x02\x00\x01\x00", "argo_asf"},
		{0, "\x72\xf8\x1f\x4e", "spdif"},
		{0, "\x1f\x07\x00\x3f", "dv"},
		{0, "\x1f\x07\x00\xbf", "dv"},
	}
}

// pairs are signatures at two places; one of them alone occurs by chance.
func pairs() [][2]signature {
	return [][2]signature{
		{{0, "\x00\x00\x00\x00\x01\xbc", "gxf"}, {14, "\xe1\xe2", "gxf"}},
		{{0, "\x00\x20", "apm"}, {20, "vs12", "apm"}},
		{{0, "STRM", "ast"}, {64, "BLCK", "ast"}},
		{{65, "FSSD", "hcom"}, {128, "HCOM", "hcom"}},
		{{0, "ALP ", "alp"}, {8, "ADPCM", "alp"}},
	}
}

// bySignature names the container that bytes begin, empty if none is known.
func bySignature(head []byte) string {
	at := func(offset int, magic string) bool {
		return len(head) >= offset+len(magic) && string(head[offset:offset+len(magic)]) == magic
	}
	for _, s := range signatures() {
		if at(s.offset, s.magic) {
			if s.container == "matroska" && bytes.Contains(head[:min(len(head), 64)], []byte("webm")) {
				return "webm"
			}
			return s.container
		}
	}
	for _, both := range pairs() {
		if at(both[0].offset, both[0].magic) && at(both[1].offset, both[1].magic) {
			return both[0].container
		}
	}
	switch {
	case (at(0, "FWS") || at(0, "CWS")) && len(head) > 8 && head[3] < ' ':
		return "swf"
	case at(0, "\x80\x00") && len(head) > 4:
		// The samples begin after a notice of the makers.
		if samples := 4 + int(binary.BigEndian.Uint16(head[2:])); samples > 6 && at(samples-6, "(c)CRI") {
			return "adx"
		}
	case isIRCAM(head):
		return "ircam"
	}
	return ""
}

// soxHeader is the shortest header of SoX's own format: magic, its size, frames, rate, channels, size of the comment.
const soxHeader = 28

// isSoX reports whether the header after the magic is plausible. Source: soxformat(7).
func isSoX(b []byte) bool {
	size := binary.LittleEndian.Uint32(b[4:])
	if b[0] == 'X' {
		size = binary.BigEndian.Uint32(b[4:])
	}
	return size >= soxHeader && size < 1<<16
}

// isIRCAM reports whether bytes begin a sound file of IRCAM, Berkeley or CARL: a magic that names the machine, the rate
// as a float, the channels.
func isIRCAM(b []byte) bool {
	const header = 16
	if len(b) < header {
		return false
	}
	var order binary.ByteOrder
	switch {
	case b[0] == 0x64 && b[1] == 0xA3 && b[2] < 5 && b[3] == 0:
		order = binary.LittleEndian
	case b[0] == 0 && b[1] < 5 && b[2] == 0xA3 && b[3] == 0x64:
		order = binary.BigEndian
	default:
		return false
	}
	rate, channels := math.Float32frombits(order.Uint32(b[4:])), order.Uint32(b[8:])
	return rate >= 1000 && rate <= 1e6 && channels >= 1 && channels <= 256
}

// byFrames names a bare stream whose frames follow each other, empty if there is none.
func byFrames(head []byte) string {
	switch {
	case follows(head, sbcFrame, 5):
		return "sbc"
	case isGSM(head):
		return "gsm"
	}
	return ""
}

// isGSM reports whether frames of GSM 06.10 follow each other: 33 bytes that begin with four constant bits. In silence
// of A-law such bits occur everywhere.
func isGSM(b []byte) bool {
	const frame, frames, sign = 33, 20, 0xD
	if len(b) < frame*frames {
		return false
	}
	other := 0
	for at := range frame * frames {
		high := b[at] >> 4
		if at%frame == 0 && high != sign {
			return false
		}
		if high != sign && high != 5 {
			other++
		}
	}
	return other > frame*frames/2
}
