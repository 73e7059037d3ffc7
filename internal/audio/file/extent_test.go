package file

import (
	"bytes"
	"testing"
)

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
			"wav", "aiff", "w64", "au", "caf", "mp4", "webm", "ogg", "asf", "flv", "mp3", "mpegts", "wv", "amr", "aac", "flac", "other",
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
