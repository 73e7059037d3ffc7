package file_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// A file that was cut off gives what is there and one line that says so.
func TestCutOffIsSaidOnce(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	type cut struct {
		name, args string
		here       bool
	}
	tests := []cut{
		{"M4A, index first", m4aFast, false},
		{"MP4 in fragments", m4aFrag, false},
		{"Matroska", mkaAAC, false},
		{"WebM", webm, false},
		{"WebM of a browser", webmLive, false},
		{"FLAC", flac16k, true},
		{"FLAC of 24 kHz", flac24k, true},
		{"MP3 with a tag", mp3, true},
		{"Vorbis", vorbis, true},
		{"Opus", opus, false},
		{"WAV", "-c:a pcm_s16le wav", true},
		{"RF64", rf64, true},
		{"W64", w64, false},
		{"AIFF", aiff, false},
		{"CAF", caf, false},
		{"AU", au, false},
		{"ADPCM in WAV", adpcm, false},
		{"WMA", wma, false},
		{"FLV", flv, false},
		{"AVI", avi, false},
		{"transport stream", ts, false},
		{"program stream", "-c:a mp2 -f mpeg mpg", false},
		{"VOB", "-c:a ac3 -f vob vob", false},
		{"RealMedia", "-c:a ac3 -ar 44100 rm", false},
		{"NUT of samples", "-c:a pcm_s16le nut", false},
		{"NUT of FLAC", "-c:a flac nut", false},
		{"NUT of AAC", "-c:a aac nut", false},
	}
	for _, test := range testrun.Some(t, tests, func(c cut) string { return c.name },
		"M4A, index first", "MP4 in fragments", "Matroska", "WebM of a browser", "FLAC", "FLAC of 24 kHz", "MP3 with a tag", "Vorbis", "Opus", "WAV", "RF64",
		"AIFF", "CAF", "ADPCM in WAV", "WMA", "FLV", "AVI", "transport stream", "RealMedia", "NUT of AAC") {
		for _, ffmpeg := range []string{"", file.NoFFmpeg} {
			if ffmpeg != "" && !test.here {
				continue
			}
			t.Run(test.name+ffmpeg, func(t *testing.T) {
				t.Parallel()
				content := m.of(t, long, test.args)
				got, info := readFile(t, write(t, "cut", content[:len(content)*6/10]), file.Options{FFmpeg: ffmpeg})
				found := burstsOf(got)
				want := burstsOf(m.alone(t, long, test.args, ffmpeg))
				if len(want) != 6 || len(found) == 0 || len(found) > 5 || !near(found, want[:len(found)]) {
					t.Errorf("sounds at %.3f, of the whole file at %.3f", found, want)
				}
				if len(info.Warnings) != 1 || info.Warnings[0].Code != scout.WarningCutOff || info.Warnings[0].Start == nil {
					t.Fatalf("warnings %+v", info.Warnings)
				}
				if d := info.Warnings[0].Start.Seconds() - float64(len(got))/16000; math.Abs(d) > 0.1 {
					t.Errorf("%v of %d samples", info.Warnings[0].Start, len(got))
				}
				t.Log(messages(info.Warnings))
			})
		}
	}
}

// A file that was cut off hides no other file behind it, whatever its header declares.
func TestFilesBehindOneThatWasCutOff(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	files := map[string]string{
		"WAV": "-c:a pcm_s16le wav", "AIFF": aiff, "W64": w64, "CAF": caf, "M4A": m4aFast, "WebM": webm, "FLV": flv,
		"MP3": mp3, "FLAC": flac16k, "ADPCM in WAV": adpcm,
	}
	for name, args := range testrun.SomeOf(t, files, "WAV", "W64", "M4A", "WebM", "FLV", "MP3", "FLAC") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := m.of(t, long, args)
			cut := content[:len(content)*6/10]
			alone, _ := readFile(t, write(t, "cut", cut), file.Options{})
			got, info := readFile(t, write(t, "both", join(cut, content)), file.Options{})
			begin := float64(len(got))/16000 - 6
			if math.Abs(begin-float64(len(alone))/16000) > 0.15 {
				t.Errorf("%.3f s, of which the first part is %.3f s", float64(len(got))/16000, float64(len(alone))/16000)
			}
			want := burstsOf(alone)
			for _, at := range burstsOf(got) {
				if at < begin+0.3 {
					continue
				}
				want = append(want, at)
			}
			if len(want) != len(burstsOf(alone))+6 || len(info.Warnings) == 0 || !info.Warnings[0].Code.AudioMissing() && len(info.Warnings) == 1 {
				t.Errorf("sounds at %.3f, warnings %q", burstsOf(got), messages(info.Warnings))
			}
			t.Log(messages(info.Warnings))
		})
	}
}

// A hole in the time stamps is silence, in every container that has them.
func TestHolesInEveryContainer(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{4, []float64{0.5, 1.5, 2.5, 3.5}}
	for name, args := range map[string]string{
		"MP4": "m4a", "MP4 in fragments": "-movflags frag_keyframe+empty_moov -frag_duration 500000 mp4",
		"transport stream": "ts", "FLV": "flv", "Matroska": "mka",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := m.of(t, long, "-c:a aac -ar 48000 m4a")
			holes := convert(t, whole, "holes."+args[strings.LastIndexByte(args, ' ')+1:],
				append([]string{"-c", "copy", "-bsf:a", "noise=drop=between(n\\,62\\,84)"}, strings.Fields(args[:strings.LastIndexByte(args, ' ')+1])...)...)
			got, info := readFile(t, holes, file.Options{})
			if found := burstsOf(got); !near(found, []float64{0.51, 2.51, 3.51}) || len(info.Warnings) > 0 {
				t.Errorf("sounds at %.3f, warnings %q", found, messages(info.Warnings))
			}
		})
	}
}

// Damage in the middle costs what it hit; one line says where.
func TestDamageIsSaidOnce(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	tests := []struct {
		name, args string
		here       bool
	}{
		{"MP3", noisy + "-c:a libmp3lame -b:a 128k mp3", true},
		{"FLAC", noisy + "-c:a flac flac", true},
		{"M4A", noisy + "-c:a aac m4a", false},
		{"ADTS", noisy + "-c:a aac aac", false},
		{"WebM", noisy + "-c:a libopus webm", false},
		{"Opus", noisy + "-c:a libopus opus", false},
		{"AC-3", noisy + "-c:a ac3 ac3", false},
		{"transport stream", noisy + "-c:a aac ts", false},
	}
	var wanted []string
	for _, test := range tests {
		wanted = append(wanted, test.args)
	}
	m.ahead(long, wanted...)
	for _, test := range tests {
		for _, ffmpeg := range []string{"", file.NoFFmpeg} {
			if ffmpeg != "" && !test.here {
				continue
			}
			t.Run(test.name+ffmpeg, func(t *testing.T) {
				t.Parallel()
				content := m.of(t, long, test.args)
				clear(content[len(content)/2 : len(content)/2+3000])
				got, info := readFile(t, write(t, "damaged", content), file.Options{FFmpeg: ffmpeg})
				if found := burstsOf(got); len(found) < 4 || !near(found[:2], []float64{0.5, 1.5}) || len(got) < 5*16000 {
					t.Errorf("sounds at %.3f of %d samples", found, len(got))
				}
				if len(info.Warnings) != 1 || info.Warnings[0].Code != scout.WarningDamaged || info.Warnings[0].Start == nil ||
					math.Abs(info.Warnings[0].Start.Seconds()-3) > 0.3 {
					t.Errorf("warnings %+v", info.Warnings)
				}
			})
		}
	}
}

// A file that was cut off inside of a frame or page ends there, within 50 ms, and is told in one line; what stands behind it is a
// file of its own.
func TestFileBehindATornFrame(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	here := []float64{0.31, 0.5, 0.601}
	tests := []struct {
		name, first, second string
		ffmpeg              bool
		parts               []float64
	}{
		{"FLAC behind FLAC", "-c:a flac -ar 16000 flac", flac16k, false, here},
		{"WAV behind FLAC", "-c:a flac -ar 16000 flac", "wav", false, here},
		{"Vorbis behind FLAC", "-c:a flac -ar 16000 flac", vorbis, false, here},
		{"MP3 behind FLAC", "-c:a flac -ar 16000 flac", mp3, false, here},
		{"Vorbis behind Vorbis", "-c:a libvorbis ogg", vorbis, false, here},
		{"WAV behind Vorbis", "-c:a libvorbis ogg", "wav", false, here},
		{"FLAC behind Vorbis", "-c:a libvorbis ogg", flac16k, false, here},
		{"WAV behind MP3", "-c:a libmp3lame -b:a 128k mp3", "wav", false, here},
		{"WAV behind MP2", "-c:a mp2 -b:a 96k mp2", "wav", true, []float64{0.601}},
		{"FLAC behind ADTS", "-c:a aac -b:a 96k aac", flac16k, true, []float64{0.5}},
		{"WAV behind AC-3", "-c:a ac3 -b:a 96k ac3", "wav", true, []float64{0.31}},
	}
	var wanted []string
	for _, test := range tests {
		wanted = append(wanted, noisy+test.first)
	}
	m.ahead(long, wanted...)
	for _, test := range tests {
		for _, part := range test.parts {
			t.Run(fmt.Sprint(test.name, ", ", part), func(t *testing.T) {
				t.Parallel()
				content := m.of(t, long, noisy+test.first)
				cut := content[:int(float64(len(content))*part)]
				opts := file.Options{}
				if !test.ffmpeg {
					opts.FFmpeg = file.NoFFmpeg
				}
				alone, _ := readFile(t, write(t, "cut", cut), opts)
				got, info := readFile(t, write(t, "both", join(cut, encoded(t, m, signalB, test.second))), opts)
				begin := float64(len(alone)) / 16000
				want := burstsOf(alone)
				for _, at := range signalB.bursts {
					want = append(want, begin+at)
				}
				if found := burstsOf(got); !near(found, want) {
					t.Errorf("sounds at %.3f, want %.3f", found, want)
				}
				if len(info.Warnings) != 1 || info.Warnings[0].Code != scout.WarningCutOff {
					t.Errorf("warnings %q", messages(info.Warnings))
				}
			})
		}
	}
}

// ffmpeg gives up at a destroyed block of WavPack. A warning says so, and what was heard before keeps its time.
func TestDamageThatCostsTheRest(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	for name, args := range map[string]string{
		"WavPack": noisy + "-c:a wavpack wv",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := m.of(t, long, args)
			from := len(content) * 18 / 60
			for i := range len(content) / 12 {
				content[from+i] = byte(i*37) & 0x7F
			}
			got, info := readFile(t, write(t, "damaged", content), file.Options{})
			if found := burstsOf(got); len(found) < 2 || !near(found[:2], []float64{0.5, 1.5}) {
				t.Errorf("sounds at %.3f", found)
			}
			if len(info.Warnings) != 1 || !info.Warnings[0].Code.AudioMissing() {
				t.Errorf("warnings %+v", info.Warnings)
			}
			t.Log(len(got), messages(info.Warnings))
		})
	}
}

// A stream whose beginning is destroyed is read from its first whole frame, and one line says so.
func TestDestroyedBeginning(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	tests := map[string]string{
		"ADTS": "-c:a aac aac", "AC-3": "-c:a ac3 ac3", "DTS": "-c:a dca -strict -2 dts", "LATM": "-c:a aac -f latm loas", "transport stream": "-c:a aac ts",
		"transport stream of a camera": "-c:a ac3 -mpegts_m2ts_mode 1 -f mpegts m2ts", "MP3": "-c:a libmp3lame -write_xing 0 -id3v2_version 0 mp3",
	}
	tests = testrun.SomeOf(t, tests, "ADTS", "AC-3", "LATM", "transport stream of a camera", "MP3")
	var wanted []string
	for _, args := range tests {
		wanted = append(wanted, noisy+args)
	}
	m.ahead(long, wanted...)
	for name, args := range tests {
		for _, from := range []string{"file", "stream"} {
			t.Run(name+", "+from, func(t *testing.T) {
				t.Parallel()
				content := m.of(t, long, noisy+args)
				noise(content[:2000])
				path := write(t, "destroyed", content)
				r, err := file.Open(t.Context(), path, file.Options{})
				if from == "stream" {
					r, err = file.New(t.Context(), onlyReader{bytes.NewReader(content)}, "-", file.Options{})
				}
				if err != nil {
					t.Fatal(err)
				}
				defer closeReader(t, r)
				got, err := drain(r)
				if err != nil {
					t.Fatal(err)
				}
				found, end := burstsOf(got), float64(len(got))/16000
				if len(found) < 5 || math.Abs(end-found[len(found)-1]-0.5) > 0.1 {
					t.Errorf("sounds at %.3f of %.3f s", found, end)
				}
				warnings := r.Info().Warnings
				if len(warnings) != 1 || !warnings[0].Code.AudioMissing() || warnings[0].Start == nil || *warnings[0].Start != 0 {
					t.Errorf("warnings %q", messages(warnings))
				}
			})
		}
	}
}

// Damage in the middle of Flash Video is no end.
func TestDamagedFLV(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	for damage, hurt := range map[string]func(b []byte, at int){
		"bytes":    func(b []byte, at int) { noise(b[at : at+1500]) },
		"zeros":    func(b []byte, at int) { clear(b[at : at+1500]) },
		"a length": func(b []byte, at int) { copy(b[at+bytes.Index(b[at:], []byte("\x08\x00"))+1:], "\xEE\xEE\xEE") },
	} {
		t.Run(damage, func(t *testing.T) {
			t.Parallel()
			content := m.of(t, long, noisy+"-c:a libmp3lame -ar 44100 -b:a 64k flv")
			hurt(content, len(content)/2)
			got, info := readFile(t, write(t, "damaged", content), file.Options{})
			found := burstsOf(got)
			if len(found) < 4 || math.Abs(found[len(found)-1]-5.5) > 0.06 {
				t.Errorf("sounds at %.3f", found)
			}
			if len(info.Warnings) != 1 || info.Warnings[0].Code != scout.WarningDamaged {
				t.Errorf("warnings %q", messages(info.Warnings))
			}
		})
	}
}

// Packets of WMA that are destroyed are told, even where the decoder makes noise of them.
func TestDamagedWMA(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	content := m.of(t, long, noisy+"-c:a wmav2 -ar 44100 wma")
	noise(content[len(content)/2 : len(content)/2+6000])
	got, info := readFile(t, write(t, "damaged", content), file.Options{})
	if found := burstsOf(got); len(found) < 4 || math.Abs(found[len(found)-1]-5.54) > 0.06 {
		t.Errorf("sounds at %.3f", found)
	}
	if len(info.Warnings) != 1 || info.Warnings[0].Code != scout.WarningDamaged {
		t.Errorf("warnings %q", messages(info.Warnings))
	}
}

// What cannot be read behind a file is told with its time; without ffmpeg that is more.
func TestUnreadParts(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	noise := make([]byte, 20000)
	for i := range noise {
		noise[i] = byte(i*i*7>>3) ^ byte(i>>2) | 1
	}
	tests := []struct {
		name, ffmpeg string
		content      func(t *testing.T) []byte
		bursts       int
	}{
		{"WebM behind FLAC without ffmpeg", file.NoFFmpeg, func(t *testing.T) []byte { return join(m.of(t, signalA, flac16k), m.of(t, signalB, webm)) }, 2},
		{"Opus behind Vorbis without ffmpeg", file.NoFFmpeg, func(t *testing.T) []byte { return join(m.of(t, signalA, vorbis), m.of(t, signalB, opus)) }, 2},
		{"WebM between two WAV without ffmpeg", file.NoFFmpeg, func(t *testing.T) []byte {
			return join(wavOf(signalA, 16000, 1), m.of(t, signalB, webm), wavOf(signalA, 16000, 1))
		}, 4},
		{"noise behind FLAC", "", func(t *testing.T) []byte { return join(m.of(t, signalA, flac16k), noise) }, 2},
	}
	for _, test := range tests {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprint(test.name, stream), func(t *testing.T) {
				t.Parallel()
				content := test.content(t)
				opts := file.Options{FFmpeg: test.ffmpeg}
				open := func() (*file.Reader, error) { return file.Open(t.Context(), write(t, "a", content), opts) }
				if stream {
					open = func() (*file.Reader, error) {
						return file.New(t.Context(), onlyReader{bytes.NewReader(content)}, "-", opts)
					}
				}
				r, err := open()
				if err != nil {
					t.Fatal(err)
				}
				defer closeReader(t, r)
				got, err := drain(r)
				if err != nil {
					t.Fatal(err)
				}
				want := test.bursts
				if stream {
					want = min(want, 2) // where an unread part ends in a stream is not known
				}
				warnings := r.Info().Warnings
				if found := burstsOf(got); len(found) != want {
					t.Errorf("sounds at %.3f", found)
				}
				if len(warnings) != 1 || warnings[0].Code != scout.WarningUnread || warnings[0].Start == nil || math.Abs(warnings[0].Start.Seconds()-2) > 0.05 {
					t.Errorf("warnings %+v", warnings)
				}
				t.Log(messages(warnings))
			})
		}
	}
}

// The header of a container has in it that of a codec, with which a file could begin. A container that was cut off is no such file.
func TestCutOffBehindTheHeaderOfACodec(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	behind := wavOf(signal{1.5, []float64{0.2, 0.6, 1.0, 1.4}}, 16000, 1) // no zeros at its end, which could be padding
	files := map[string]string{
		"FLAC in Matroska": "-c:a flac mka", "TTA in Matroska": "-c:a tta mka", "WavPack in Matroska": "-c:a wavpack mka",
		"FLAC in Ogg": "-c:a flac ogg", "FLAC in MP4": "-c:a flac -strict -2 -movflags +faststart mp4", "FLAC in NUT": "-c:a flac nut",
		"FLAC in AVI": "-c:a flac avi", "Vorbis in Matroska": "-c:a libvorbis mka", "a picture before FLAC in Matroska": "-f lavfi -i testsrc=s=64x64:d=6:r=5|-map 0 -map 1 -c:v mjpeg -c:a flac mkv",
	}
	for name, args := range testrun.SomeOf(t, files, "FLAC in Matroska", "FLAC in Ogg", "FLAC in MP4", "FLAC in AVI", "Vorbis in Matroska", "a picture before FLAC in Matroska") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(args, "|") {
				args = noisy + args
			}
			content := m.of(t, long, args)
			for _, second := range [][]byte{nil, behind} {
				got, info := readFile(t, write(t, "cut", join(content[:len(content)*6/10], second)), file.Options{})
				found := burstsOf(got)
				if len(found) < 2 || math.Abs(found[0]-0.5) > 0.06 || math.Abs(found[1]-1.5) > 0.06 {
					t.Errorf("sounds at %.3f", found)
				}
				if len(second) > 0 && math.Abs(found[len(found)-1]-found[len(found)-2]-0.4) > 0.02 {
					t.Errorf("sounds at %.3f: what follows was not read, %q of %d bytes", found, messages(info.Warnings), len(content))
				}
				if len(info.Warnings) != 1 || !info.Warnings[0].Code.AudioMissing() {
					t.Errorf("warnings %q", messages(info.Warnings))
				}
			}
		})
	}
}
