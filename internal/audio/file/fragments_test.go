package file_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// boxesOf returns where the boxes of a name begin in an MP4 file, and their lengths.
func boxesOf(b []byte, name string) (at, size []int) {
	for pos := 0; pos+8 <= len(b); {
		n := int(binary.BigEndian.Uint32(b[pos:]))
		if n < 8 {
			break
		}
		if string(b[pos+4:pos+8]) == name {
			at, size = append(at, pos), append(size, n)
		}
		pos += n
	}
	return at, size
}

// noise fills b with bytes that mean nothing.
func noise(b []byte) {
	for i := range b {
		b[i] = byte(i*37+i*i>>5) | 1
	}
}

// A destroyed header of a fragment costs that fragment, which is told with its time and length; what comes after it keeps its time.
func TestDestroyedFragments(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	picture := "-f lavfi -i testsrc=s=64x64:d=6:r=10|-c:v mpeg4 -g 5 -c:a aac "
	files := map[string]string{
		"absolute offsets": "-c:a aac -movflags +frag_keyframe+empty_moov -frag_duration 500000 mp4",
		"relative offsets": "-c:a aac -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 500000 mp4",
		"DASH":             "-c:a aac -movflags +frag_keyframe+empty_moov+dash -frag_duration 500000 mp4",
		"Opus":             "-c:a libopus -strict -2 -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 500000 mp4",
		"beside a picture": picture + "-movflags +frag_keyframe+empty_moov+default_base_moof mp4",
	}
	length := map[bool]float64{true: 0.512, false: 0.5}
	for name, args := range files {
		for damage, destroy := range map[string]func(b []byte, at, size int){
			"name":    func(b []byte, at, _ int) { copy(b[at+4:], "xxxx") },
			"size":    func(b []byte, at, _ int) { copy(b[at:], "\xfe\xdc\xba\x98") },
			"body":    func(b []byte, at, size int) { noise(b[at+8 : at+size]) },
			"all":     func(b []byte, at, size int) { noise(b[at : at+size]) },
			"zeros":   func(b []byte, at, size int) { clear(b[at : at+size]) },
			"further": func(b []byte, at, size int) { noise(b[at:min(at+size+50, len(b)-300)]) },
		} {
			for place, number := range map[string]int{"first": 0, "middle": 5, "last": -1} {
				if place != "middle" && damage != "all" {
					continue
				}
				if !testrun.EveryCase() && name != "relative offsets" && (damage != "all" || place != "middle") && (name != "DASH" || damage != "size") {
					continue // a form of fragments whose headers are read like those
				}
				t.Run(fmt.Sprint(name, ", ", damage, ", ", place), func(t *testing.T) {
					t.Parallel()
					content := m.of(t, long, args)
					at, size := boxesOf(content, "moof")
					if len(at) < 8 {
						t.Fatalf("%d fragments", len(at))
					}
					n := number
					if n < 0 {
						n = len(at) - 1
					}
					want := burstsOf(m.alone(t, long, args, ""))
					destroy(content, at[n], size[n])
					got, info := readFile(t, write(t, "destroyed", content), file.Options{})
					length := length[strings.HasPrefix(args, "-c:a aac")]
					from := float64(n) * length
					checkTimes(t, burstsOf(got), want, []span{{from, from + length + 0.15}}, 0.05)
					if len(info.Warnings) != 1 || !info.Warnings[0].Code.AudioMissing() || info.Warnings[0].Start == nil {
						t.Fatalf("warnings %q", messages(info.Warnings))
					}
					if begin := info.Warnings[0].Start.Seconds(); math.Abs(begin-from) > 0.3 {
						t.Errorf("%q from %.3f s, want %.3f s", info.Warnings[0].Message, begin, from)
					}
					t.Log(messages(info.Warnings))
				})
			}
		}
	}
	t.Run("samples without their name", func(t *testing.T) {
		t.Parallel()
		content := m.of(t, long, files["DASH"])
		at, _ := boxesOf(content, "mdat")
		copy(content[at[5]+4:], "\x01\x02\x03\x04")
		copy(content[at[7]:], "\x00\x00\x00\x20")
		got, info := readFile(t, write(t, "renamed", content), file.Options{})
		if found := burstsOf(got); !near(found, burstsOf(m.alone(t, long, files["DASH"], ""))) || len(info.Warnings) > 0 {
			t.Errorf("sounds at %.3f, warnings %q", found, messages(info.Warnings))
		}
	})
	t.Run("a pause is no damage", func(t *testing.T) {
		t.Parallel()
		whole := m.of(t, long, "-c:a aac -ar 48000 m4a")
		holes := convert(t, whole, "holes.mp4", "-c", "copy", "-bsf:a", "noise=drop=between(n\\,62\\,84)", "-movflags", "+frag_keyframe+empty_moov", "-frag_duration", "500000")
		if _, info := readFile(t, holes, file.Options{}); len(info.Warnings) > 0 {
			t.Errorf("warnings %q", messages(info.Warnings))
		}
	})
	t.Run("another file behind a destroyed end", func(t *testing.T) {
		t.Parallel()
		content := m.of(t, long, files["DASH"])
		at, _ := boxesOf(content, "moof")
		content = bytes.Clone(content[:at[9]+2000])
		noise(content[at[9]:])
		got, info := readFile(t, write(t, "joined", join(content, wavOf(signalB, 16000, 1))), file.Options{})
		found := burstsOf(got)
		if len(found) < 7 || math.Abs(found[len(found)-1]-found[len(found)-2]-0.4) > 0.03 {
			t.Errorf("sounds at %.3f of %.3f s", found, float64(len(got))/16000)
		}
		if len(info.Warnings) != 1 || !info.Warnings[0].Code.AudioMissing() {
			t.Errorf("warnings %q", messages(info.Warnings))
		}
	})
}
