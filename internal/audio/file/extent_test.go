package file

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// ac3Frames are bare frames of AC-3: three of them in a row count as the beginning of a file.
func ac3Frames(n int) []byte {
	frame := make([]byte, 256)
	copy(frame, "\x0b\x77\x12\x34\x08\x40")
	return bytes.Repeat(frame, n)
}

// Frames inside of a structure that declares its length belong to it, also if they are the last bytes of the file. Frames behind it are
// another file.
func TestFramesInsideOfAContainer(t *testing.T) {
	t.Parallel()
	frames := ac3Frames(20)
	size := len(frames)
	be32 := func(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	le32 := func(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
	le64 := func(n int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	text := func(s string) []byte { return []byte(s) }
	const guid = "\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"
	const asfData = "\x36\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"
	mxf := "\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\x00"
	for container, content := range map[string][]byte{
		"voc": cat(text("Creative Voice File\x1a\x1a\x00\x0a\x01\x29\x11\x09"), le32(size)[:3], frames),
		"rm":  cat(text(".RMF\x00\x00\x00\x12\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02DATA"), be32(size+18), make([]byte, 10), frames),
		"mxf": cat(text(mxf+"\x83\x00\x00\x04abcd\x06\x0e\x2b\x34\x01\x02\x01\x01\x0d\x01\x03\x01\x16\x01\x01\x00\x84"), be32(size), frames),
		"gxf": cat(text("\x00\x00\x00\x00\x01\xbc"), be32(20), make([]byte, 4), text("\xe1\xe2abcd\x00\x00\x00\x00\x01\xbf"), be32(16+size), make([]byte, 4),
			text("\xe1\xe2"), frames),
		"swf":  cat(text("FWS\x05\x00\x00\x40\x06\x20\x00\x00\x00\x0c\x01\x00\xbf\x03"), le32(size), frames), // a placeholder, then the tag of a sound
		"asf":  cat(text(guid), le64(30), make([]byte, 6), text(asfData), le64(24+size), frames),
		"flv":  cat(text("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00\x08"), be32(size)[1:], make([]byte, 7), frames, be32(size+11)),
		"wav":  cat(text("RIFF"), le32(36+size), text("WAVEfmt \x10\x00\x00\x00\x00\x20\x01\x00\x80\xbb\x00\x00\x40\x1f\x00\x00\x00\x01\x00\x00data"), le32(size), frames),
		"avi":  cat(text("RIFF"), le32(4+8+size), text("AVI movi"), le32(size), frames),
		"mp4":  cat(text("\x00\x00\x00\x10ftypqt  \x00\x00\x00\x00\x00\x00\x00\x08moov"), be32(8+size), text("mdat"), frames),
		"webm": cat(text("\x1aE\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67"), be32(1<<28|5+size), text("\xec"), be32(1<<28|size), frames),
		"caf":  cat(text("caff\x00\x01\x00\x00data\x00\x00\x00\x00"), be32(size), frames),
		"au":   cat(text(".snd"), be32(24), be32(size), make([]byte, 12), frames),
		"aiff": cat(text("FORM"), be32(4+8+size), text("AIFFSSND"), be32(size), frames),
	} {
		for behind, tail := range map[string][]byte{"nothing behind it": nil, "frames behind it": ac3Frames(9)} {
			t.Run(fmt.Sprint(container, ", ", behind), func(t *testing.T) {
				t.Parallel()
				both := cat(content, tail)
				src := &source{path: "made", size: int64(len(both)), r: bytes.NewReader(both)}
				src.begin(t.Context())
				if e := src.extent(container); e.end != int64(len(content)) || e.cut() {
					t.Errorf("it ends at %d of %d, as declared at %d", e.end, len(content), e.want)
				}
			})
		}
	}
}

// FuzzExtent feeds any bytes to the walkers: each comes to an end within the file.
func FuzzExtent(f *testing.F) {
	f.Add([]byte("RIFF\x04\x00\x00\x00AVI RIFF\x04\x00\x00\x00AVIXfLaC\x00\x00\x00\x22"))
	f.Add([]byte("\x00\x00\x00\x10ftypisom\x00\x00\x00\x00\x00\x00\x00\x08moov\x00\x00\x00\x00mdat\x00\x00\x00\x10ftypisom"))
	f.Add([]byte("\x1aE\xdf\xa3\x88\x42\x82\x85webm\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\x1f\x43\xb6\x75\xff\xa3\x81x"))
	f.Add([]byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01x"))
	f.Add([]byte("caff\x00\x01\x00\x00desc\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00\x08\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00x\x00\x00\x00\x0c"))
	f.Add([]byte("wvpk\x20\x00\x00\x00\x10\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00"))
	f.Add(append([]byte("\x47\x40\x00\x30\x07\x10\xff\xff\xff\xff\x00\x00\x00\x00\xb0\x0d\x00\x01\xc1\x00\x00\x00\x01\xf0\x00"), make([]byte, 163)...))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, container := range []string{
			"wav", "aiff", "w64", "au", "caf", "mp4", "webm", "ogg", "asf", "flv", "mp3", "mpegts", "wv", "amr", "aac", "flac", "mlp", "voc", "rm", "mxf", "gxf", "swf", "other",
		} {
			for _, start := range []int64{0, int64(len(content)) / 2} {
				src := &source{path: "fuzz", size: int64(len(content)), r: bytes.NewReader(content)}
				src.begin(t.Context())
				if err := src.seek(start); err != nil {
					t.Fatal(err)
				}
				e := src.extent(container)
				if e.end > src.size || e.end <= start && start < src.size {
					t.Fatalf("%s: from %d to %d of %d", container, start, e.end, src.size)
				}
				if src.pos() != start {
					t.Fatalf("%s: moved the source from %d to %d", container, start, src.pos())
				}
			}
		}
	})
}
