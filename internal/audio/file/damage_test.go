package file_test

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
)

// A file that was cut off keeps what is there, with a warning; one cut before its first frame is corrupt.
func TestCutOff(t *testing.T) {
	t.Parallel()
	recording := hum(16000, 20*flacBlock, 1)
	tests := []struct {
		name, ffmpeg string
		content      func(t *testing.T) []byte
	}{
		{"a.wav", "", func(*testing.T) []byte { return wavFile(audio.Int16, 16000, 1, recording) }},
		{"a.flac", "", func(t *testing.T) []byte { return flacFile(t, 16000, recording) }},
		{"a.mp3", file.NoFFmpeg, func(t *testing.T) []byte { return contents(t, speech(t, "jfk_16k_mono.mp3")) }},
		{"a.mp3", "", func(t *testing.T) []byte { return contents(t, speech(t, "jfk_16k_mono.mp3")) }},
		{"a.ogg", file.NoFFmpeg, func(t *testing.T) []byte { return contents(t, speech(t, "libri_198-209-0000.ogg")) }},
		{"opus.ogg", "", func(t *testing.T) []byte { return contents(t, speech(t, "fleurs-en-005.ogg")) }},
	}
	for _, test := range tests {
		t.Run(test.name+test.ffmpeg, func(t *testing.T) {
			t.Parallel()
			if test.ffmpeg == "" && test.name != "a.wav" && test.name != "a.flac" {
				needFFmpeg(t)
			}
			opts := file.Options{FFmpeg: test.ffmpeg}
			content := test.content(t)
			whole, _ := readFile(t, write(t, test.name, content), opts)
			got, info := readFile(t, write(t, test.name, content[:len(content)*6/10]), opts)
			if len(got) < len(whole)*4/10 || len(got) > len(whole)*8/10 {
				t.Errorf("%d samples of %d", len(got), len(whole))
			}
			if len(info.Warnings) == 0 || info.Duration.Seconds() > float64(len(got))/16000+0.001 {
				t.Errorf("no warning, or another length than that of %d samples: %+v", len(got), info)
			}
			t.Logf("%q", info.Warnings)
			var diff float64
			for i := range got[:len(got)-2000] { // the last block may be concealed
				diff = max(diff, math.Abs(float64(got[i]-whole[i])))
			}
			if diff > 1e-3 {
				t.Errorf("what is there differs by %v from the whole", diff)
			}

			r, err := file.Open(context.Background(), write(t, test.name, content[:50]), opts)
			if err == nil {
				closeReader(t, r)
				if test.name != "a.wav" { // three samples of it are there
					t.Error("opened without a frame")
				}
			} else if code := scout.CodeOf(err); code != scout.CodeAudioCorrupt && code != scout.CodeAudioEmpty && code != scout.CodeAudioUnsupported {
				t.Errorf("%v (code %s)", err, code)
			}
		})
	}
}

// Damage in the middle of a FLAC file costs the frames it hit. They become silence: what comes after
// stays at its time.
func TestDamagedFLAC(t *testing.T) {
	t.Parallel()
	want := hum(16000, 20*flacBlock, 1)
	content := flacFile(t, 16000, want)
	clean, _ := readFile(t, write(t, "a.flac", content), file.Options{})
	tests := []struct {
		name   string
		damage func(b []byte) []byte
	}{
		{"bits turned over", func(b []byte) []byte {
			for i := range 40 {
				b[len(b)/2+i*3] ^= 0x5A
			}
			return b
		}},
		{"zeros", func(b []byte) []byte { clear(b[len(b)/2 : len(b)/2+3000]); return b }},
		{"a part is missing", func(b []byte) []byte { return append(b[:len(b)/2], b[len(b)/2+2500:]...) }},
		{"something put between", func(b []byte) []byte {
			return append(bytes.Clone(b[:len(b)/2]), append([]byte(strings.Repeat("junk", 500)), b[len(b)/2:]...)...)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, info := readFile(t, write(t, "a.flac", test.damage(bytes.Clone(content))), file.Options{FFmpeg: file.NoFFmpeg})
			if len(got) != len(clean) {
				t.Fatalf("%d samples, want %d; %q", len(got), len(clean), info.Warnings)
			}
			lost := 0
			for i := range got {
				if got[i] != clean[i] {
					if got[i] != 0 {
						t.Fatalf("sample %d is %v, want %v or silence", i, got[i], clean[i])
					}
					lost++
				}
			}
			if lost == 0 || lost > 3*flacBlock || len(info.Warnings) != 1 {
				t.Errorf("%d samples lost, warnings %q", lost, info.Warnings)
			}
		})
	}
}

// Ogg and MP3 continue after damage too, at the right time.
func TestDamagedInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"libri_198-209-0000.ogg", "jfk_16k_mono.mp3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := file.Options{FFmpeg: file.NoFFmpeg}
			content := bytes.Clone(contents(t, speech(t, name)))
			clean, _ := readFile(t, write(t, "clean", content), opts)
			for i := range 300 {
				content[len(content)/2+i] = byte(i * 7)
			}
			got, info := readFile(t, write(t, "damaged", content), opts)
			if d := len(got) - len(clean); d > 3000 || d < -3000 {
				t.Errorf("%d samples, want %d", len(got), len(clean))
			}
			if len(info.Warnings) == 0 {
				t.Error("no warning")
			}
			t.Logf("%d of %d samples, %q", len(got), len(clean), info.Warnings)
			tail := 2 * 16000
			c, lag := correlation(clean[len(clean)-tail:], got[len(got)-tail:])
			if c < 0.99 || lag > 600 || lag < -600 {
				t.Errorf("the end correlates by %.3f at lag %d", c, lag)
			}
		})
	}
}

// Packets of a transport stream that are missing or destroyed cost sound, which is told; a pause that was never sent does not.
func TestPacketsLostFromTransportStreams(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	const packet = 188
	for codec, args := range map[string]string{"AAC": tsAAC, "MP2": ts, "AC-3 of a camera": m2ts} {
		for loss, lose := range map[string]func(b []byte, from, to int) []byte{
			"dropped": func(b []byte, from, to int) []byte { return join(b[:from], b[to:]) },
			"destroyed": func(b []byte, from, to int) []byte {
				for i := from; i < to; i++ {
					b[i] = byte(i*i>>3+i*37) & 0x3F
				}
				return b
			},
			"zeros": func(b []byte, from, to int) []byte { clear(b[from:to]); return b },
		} {
			t.Run(codec+", "+loss, func(t *testing.T) {
				t.Parallel()
				content := m.of(t, long, args)
				size := packet
				if args == m2ts {
					size += 4
				}
				from, to := len(content)*4/10/size*size, len(content)*5/10/size*size
				got, info := readFile(t, write(t, "lost", lose(content, from, to)), file.Options{})
				if found := burstsOf(got); len(found) < 5 || math.Abs(found[len(found)-1]-5.5) > 0.06 || math.Abs(found[0]-0.5) > 0.06 {
					t.Errorf("sounds at %.3f", found)
				}
				if len(info.Warnings) != 1 || !info.Warnings[0].Code.AudioMissing() {
					t.Errorf("warnings %q", messages(info.Warnings))
				}
			})
		}
	}
}

// Frames of AC-3 with a wrong checksum are concealed by the decoder: that is a loss, which is told.
func TestWrongChecksumsOfAC3(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	for name, args := range map[string]string{"AC-3": "-c:a ac3 -ac 2 -ar 44100 -b:a 192k ac3", "E-AC-3": "-c:a eac3 -ac 6 -b:a 192k eac3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := m.of(t, long, args)
			for i := len(content) / 2; i < len(content)*6/10; i += 97 {
				content[i] ^= 0x10
			}
			got, info := readFile(t, write(t, "damaged", content), file.Options{})
			if found := burstsOf(got); len(found) < 5 || math.Abs(found[len(found)-1]-5.5) > 0.06 {
				t.Errorf("sounds at %.3f", found)
			}
			if len(info.Warnings) != 1 || !info.Warnings[0].Code.AudioMissing() {
				t.Errorf("warnings %q", messages(info.Warnings))
			}
		})
	}
}

// Two recordings in a chain are one recording.
func TestChainedOgg(t *testing.T) {
	t.Parallel()
	content := contents(t, speech(t, "libri_198-209-0000.ogg"))
	opts := file.Options{FFmpeg: file.NoFFmpeg}
	one, _ := readFile(t, write(t, "one.ogg", content), opts)
	two, info := readFile(t, write(t, "two.ogg", append(bytes.Clone(content), content...)), opts)
	if d := len(two) - 2*len(one); d > 2 || d < -2 || len(info.Warnings) > 0 {
		t.Errorf("%d samples, want twice %d; %q", len(two), len(one), info.Warnings)
	}
}

// FuzzOpen feeds any bytes to the decoders of this process: no panic that gets out, codes that fit,
// samples within full scale, and never more of them than a bound on what the bytes can hold.
func FuzzOpen(f *testing.F) {
	f.Add(wavFile(audio.Float32, 8000, 2, hum(8000, 100, 2)))
	f.Add(flacFile(f, 16000, hum(16000, 300, 1)))
	f.Add([]byte("ID3\x04\x00\x00\x00\x00\x00\x03abcfLaC"))
	f.Add([]byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x1e\x01vorbis"))
	f.Add([]byte("#EXTM3U\nsegment.ts"))
	for _, name := range []string{"jfk_16k_mono.mp3", "libri_198-209-0000.ogg", "libri_2033-164914-0005.flac"} {
		if content, ok := prefix(name, 12000); ok {
			f.Add(content)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := file.New(context.Background(), bytes.NewReader(src), "fuzz", file.Options{FFmpeg: file.NoFFmpeg})
		n := 0
		if err == nil {
			defer closeReader(t, r)
			buf := make([]float32, 8192)
			for err == nil && n < 1<<24 {
				var k int
				k, err = r.Read(buf)
				n += k
				for _, v := range buf[:k] {
					if !(v >= -1 && v <= 1) {
						t.Fatalf("sample of %v", v)
					}
				}
			}
			if err == nil {
				return // long silence between FLAC frames that claim to be far apart
			}
		}
		switch code := scout.CodeOf(err); code {
		case scout.CodeAudioEmpty, scout.CodeAudioCorrupt, scout.CodeAudioUnsupported,
			scout.CodeAudioInvalidSamples, scout.CodeDecoderMissing:
		case scout.CodeInternal:
			if n == 0 {
				t.Fatalf("%v", err) // io.EOF has no code, and comes only after audio
			}
		default:
			t.Fatalf("%v (code %s)", err, code)
		}
	})
}
