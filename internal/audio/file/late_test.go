package file_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// latePicture are six seconds of a picture, before sound that begins two seconds later.
const latePicture = "-f lavfi -i testsrc=s=64x64:d=6:r=10 -itsoffset 2|"

// atOnce are six seconds of a picture that begins with the sound.
const atOnce = "-f lavfi -i testsrc=s=64x64:d=6:r=10|"

// startsLate sets dwStart of the stream of sound of an AVI file to two seconds.
func startsLate(t *testing.T, b []byte) []byte {
	t.Helper()
	const seconds = 2
	at := bytes.Index(b, []byte("auds"))
	if at < 0 {
		t.Fatal("no stream of sound")
	}
	scale, rate := binary.LittleEndian.Uint32(b[at+20:]), binary.LittleEndian.Uint32(b[at+24:])
	return setSize(b, at+28, uint32(seconds*float64(rate)/float64(scale)+0.5))
}

// emptyChunks returns an AVI file in which n empty chunks stand before the chunk of sound with that number, without an index.
func emptyChunks(t *testing.T, b []byte, before, n int) []byte {
	t.Helper()
	movi := bytes.Index(b, []byte("movi"))
	idx := bytes.LastIndex(b, []byte("idx1"))
	if movi < 0 || idx < 0 {
		t.Fatal("no AVI file")
	}
	out := bytes.Clone(b[:movi+4])
	empty := func(name string) {
		for range n {
			out = append(append(out, name...), 0, 0, 0, 0)
		}
	}
	for at, chunk := movi+4, 0; at+8 <= idx; {
		size := int(binary.LittleEndian.Uint32(b[at+4:]))
		name := string(b[at : at+4])
		if name[2:] == "wb" {
			if chunk == before {
				empty(name)
			}
			chunk++
		}
		size += 8 + size%2
		out = append(out, b[at:min(at+size, len(b))]...)
		at += size
	}
	setSize(out, movi-4, uint32(len(out)-movi))
	return setSize(out, 4, uint32(len(out)-8))
}

// openDML divides an AVI file in two at the middle of its chunks: the second part is a RIFF of its own, as in files beyond a gigabyte.
func openDML(t *testing.T, b []byte) []byte {
	t.Helper()
	movi := bytes.Index(b, []byte("movi"))
	at := movi + 4
	for at < len(b)/2 {
		size := int(binary.LittleEndian.Uint32(b[at+4:]))
		at += 8 + size + size%2
	}
	end := bytes.LastIndex(b, []byte("idx1"))
	first := bytes.Clone(b[:at])
	setSize(first, movi-4, uint32(at-movi))
	setSize(first, 4, uint32(at-8))
	rest := b[at:end]
	second := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(rest)+16))
	second = binary.LittleEndian.AppendUint32(append(second, "AVIXLIST"...), uint32(len(rest)+4))
	return join(first, second, []byte("movi"), rest)
}

// Sound that begins later than the picture, or pauses, is at its time in every container that can tell.
func TestSoundThatBeginsLate(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	a := signalA
	type content struct {
		args   string // of the file
		change func(t *testing.T, b []byte) []byte
	}
	late := func(args string) content { return content{args: latePicture + args} }
	type row struct {
		name    string
		content content
		want    []float64
	}
	tests := []row{
		{"MOV", late("-c:v mpeg4 -c:a aac mov"), timesOf(2.0, a)},
		{"MOV of samples", late("-c:v mjpeg -c:a pcm_s16le mov"), timesOf(2.0, a)},
		{"MP4, index first", late("-c:v mpeg4 -c:a aac -movflags +faststart mp4"), timesOf(2.0, a)},
		{"MP4 in fragments", late("-c:v mpeg4 -c:a aac -movflags +frag_keyframe+empty_moov+delay_moov mp4"), timesOf(2.0, a)},
		{"MP4 of MP3", late("-c:v mpeg4 -c:a libmp3lame -ar 44100 mp4"), timesOf(2.0, a)},
		{"MP4 of Opus", late("-c:v mpeg4 -c:a libopus -strict -2 mp4"), timesOf(2.0, a)},
		{"3GP", late("-c:v mpeg4 -c:a aac 3gp"), timesOf(2.0, a)},
		{"Matroska of Opus", late("-c:v mpeg4 -c:a libopus mkv"), timesOf(2.0, a)},
		{"Matroska of FLAC", late("-c:v mpeg4 -c:a flac mkv"), timesOf(2.0, a)},
		{"Matroska of MP3", late("-c:v mpeg4 -c:a libmp3lame -ar 44100 mkv"), timesOf(2.0, a)},
		{"Matroska of samples", late("-c:v mpeg4 -c:a pcm_s16le mkv"), timesOf(2.0, a)},
		{"WebM of a browser", late("-c:v libvpx -deadline realtime -c:a libopus -live 1 -f webm webm"), timesOf(2.0, a)},
		{"FLV of MP3", late("-c:v flv -c:a libmp3lame -ar 44100 flv"), timesOf(2.0, a)},
		{"ASF", late("-c:v msmpeg4 -c:a wmav2 wmv"), timesOf(2.0, a)},
		{"NUT", late("-c:v mpeg4 -c:a aac nut"), timesOf(2.0, a)},
		{"NUT of samples", late("-c:v mpeg4 -c:a pcm_s16le nut"), timesOf(2.0, a)},
		{"WTV", late("-c:v mpeg2video -r 25 -c:a mp2 wtv"), timesOf(2.0, a)},
		{"VOB", late("-c:v mpeg2video -r 25 -c:a ac3 -f vob vob"), timesOf(2.0, a)},
		{"transport stream of AAC", late("-c:v mpeg4 -c:a aac ts"), timesOf(2.0, a)},
		{"transport stream of a camera", late("-c:v mpeg4 -c:a ac3 -mpegts_m2ts_mode 1 -f mpegts m2ts"), timesOf(2.0, a)},
		{"Ogg beside Theora", late("-c:v libtheora -c:a libvorbis ogv"), timesOf(2.0, a)},
		{"Ogg of Opus beside Theora", late("-c:v libtheora -c:a libopus ogv"), timesOf(2.0, a)},
	}
	for codec, args := range map[string]string{"MP3": "libmp3lame -ar 44100", "MP2": "mp2", "AC-3": "ac3", "AAC": "aac", "FLAC": "flac"} {
		plain := "-c:a " + args + " avi"
		args = "-c:v mpeg4 " + plain
		tests = append(tests,
			row{"AVI of " + codec, late(args), timesOf(2.0, a)},
			row{"AVI of " + codec + " in two parts", content{latePicture + args, openDML}, timesOf(2.0, a)},
			row{"AVI of " + codec + ", begin in the header", content{atOnce + args, startsLate}, timesOf(2.0, a)},
			row{"AVI of " + codec + ", empty chunks in front", content{plain, func(t *testing.T, b []byte) []byte {
				return emptyChunks(t, b, 0, int(2/aviTick(b)+0.5))
			}}, timesOf(2.0, a)},
			row{"AVI of " + codec + ", empty chunks between", content{plain, func(t *testing.T, b []byte) []byte {
				return emptyChunks(t, b, int(1/aviTick(b)+0.5), int(0.96/aviTick(b)+0.5)) // ten frames of FLAC
			}}, []float64{0.5, 2.46}},
		)
	}
	tests = append(tests, row{"AVI of samples, begin in the header", content{atOnce + "-c:v mpeg4 -c:a pcm_s16le avi", startsLate}, timesOf(2.0, a)})
	tests = testrun.Some(t, tests, func(r row) string { return r.name },
		"MOV", "MP4 in fragments", "MP4 of MP3", "Matroska of Opus", "Matroska of samples", "FLV of MP3", "ASF", "NUT", "VOB", "transport stream of AAC",
		"Ogg beside Theora", "AVI of MP3", "AVI of AAC in two parts", "AVI of MP3, begin in the header", "AVI of AC-3, empty chunks in front",
		"AVI of FLAC, empty chunks between", "AVI of MP3, empty chunks between", "AVI of samples, begin in the header")
	var wanted []string
	for _, test := range tests {
		wanted = append(wanted, test.content.args)
	}
	m.ahead(a, wanted...)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := m.of(t, a, test.content.args)
			if test.content.change != nil {
				b = test.content.change(t, b)
			}
			got, info := readFile(t, write(t, "late", b), file.Options{})
			if found := burstsOf(got); !near(found, test.want) {
				t.Errorf("sounds at %.3f of %.3f s, want %.3f", found, float64(len(got))/16000, test.want)
			}
			if len(info.Warnings) > 0 {
				t.Errorf("warnings %q", messages(info.Warnings))
			}
		})
	}
}

// aviTick is how long a chunk of sound of an AVI file is, in seconds.
func aviTick(b []byte) float64 {
	at := bytes.Index(b, []byte("auds"))
	return float64(binary.LittleEndian.Uint32(b[at+20:])) / float64(binary.LittleEndian.Uint32(b[at+24:]))
}

// The declared end of a file that was cut off may fall into silence of the file behind it.
func TestFileBehindWhoseSilenceATornFileEnds(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	first := signal{20, []float64{0.5}} // then silence to the end
	between := signal{20, []float64{0.5, 15}}
	files := map[string]string{
		"M4A": m4aFast, "Matroska": mkaAAC, "CAF": caf, "AIFF": aiff, "W64": w64, "AU": au, "FLV": flv, "WMA": wma, "AVI": avi,
		"WAV": "-c:a pcm_s16le wav", "ADPCM in WAV": adpcm, "WavPack": wv,
	}
	for name, args := range testrun.SomeOf(t, files, "M4A", "Matroska", "AIFF", "FLV", "WMA", "WAV", "WavPack") {
		for behind, second := range map[string][]byte{
			"WAV": wavOf(first, 16000, 1), "WAV with more sound": wavOf(between, 16000, 1), "WAV and another": join(wavOf(first, 16000, 1), wavOf(signalB, 16000, 1)),
		} {
			if behind != "WAV" && name != "M4A" && name != "WMA" {
				continue
			}
			t.Run(fmt.Sprint(name, ", ", behind), func(t *testing.T) {
				t.Parallel()
				content := m.of(t, long, args)
				cut := content[:len(content)*6/10]
				alone, _ := readFile(t, write(t, "cut", cut), file.Options{})
				got, info := readFile(t, write(t, "both", join(cut, second)), file.Options{})
				begin := float64(len(alone)) / 16000
				want := append(burstsOf(alone), begin+0.5)
				switch behind {
				case "WAV with more sound":
					want = append(want, begin+15)
				case "WAV and another":
					want = append(want, timesOf(begin+20, signalB)...)
				}
				if found := burstsOf(got); !near(found, want) || math.Abs(float64(len(got))/16000-begin-20) > 2 {
					t.Errorf("sounds at %.3f of %.3f s, want %.3f", found, float64(len(got))/16000, want)
				}
				if len(info.Warnings) != 1 || info.Warnings[0].Code != scout.WarningCutOff {
					t.Errorf("warnings %q", messages(info.Warnings))
				}
			})
		}
		if name == "WAV" { // what stands behind the declared end of a WAV file is sound of a recorder that did not live to correct it
			continue
		}
		t.Run(name+", whole and padded", func(t *testing.T) {
			t.Parallel()
			content := m.of(t, signalA, args)
			got, info := readFile(t, write(t, "padded", join(content, make([]byte, 100000))), file.Options{})
			if found := burstsOf(got); len(found) != 2 || len(info.Warnings) > 0 {
				t.Errorf("sounds at %.3f, warnings %q", found, messages(info.Warnings))
			}
		})
	}
}
