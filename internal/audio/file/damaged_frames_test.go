package file_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// span is a stretch of time, in seconds.
type span struct{ from, to float64 }

// spansOf returns one to three stretches of 20 to 620 ms in 6 seconds.
func spansOf(seed uint64) []span {
	r := rand.New(rand.NewPCG(seed, 1))
	var spans []span
	for i := range 1 + seed%3 {
		from := 0.7 + 1.6*float64(i) + r.Float64()*0.5
		spans = append(spans, span{from, min(from+0.02+r.Float64()*0.6, 5.3)})
	}
	return spans
}

// destroy destroys stretches of a file of 6 seconds in one of five ways.
func destroy(content []byte, spans []span, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	for _, s := range spans {
		hit := content[int(s.from/6*float64(len(content))):int(s.to/6*float64(len(content)))]
		for i := range hit {
			switch seed % 5 {
			case 0:
				hit[i] = 0
			case 1:
				hit[i] = byte(i*37) & 0x7F
			case 2, 3:
				hit[i] = byte(r.Uint32())
			case 4:
				hit[i] ^= byte(r.Uint32() & r.Uint32() & r.Uint32())
			}
		}
	}
}

// silenceTold returns how much silence a warning says was put in.
func silenceTold(message string) float64 {
	found := regexp.MustCompile(`: ([0-9.ms]+) of silence`).FindStringSubmatch(message)
	if found == nil {
		return 0
	}
	length, err := time.ParseDuration(found[1])
	if err != nil {
		return 0
	}
	return length.Seconds()
}

// Bare frames have no time of their own: what was destroyed among them becomes silence of its length, and the warning tells how much.
func TestDamageMovesNoTimes(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	const noise = "-filter_complex anoisesrc=d=6:a=0.005:seed=%d,aresample=48000[n];[n][0:a]amix=2:normalize=0 "
	type stream struct {
		name, args string
		frame      float64  // seconds
		seeds      []uint64 // each is another noise and another damage; make fuzz tries those behind the first
	}
	tests := []stream{
		{"MP3 with a tag", "-c:a libmp3lame -b:a 128k mp3", 0.024, []uint64{1, 3}},
		{"MP3 without a tag", "-c:a libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0 mp3", 0.024, []uint64{2, 5}},
		{"MP3 of 22 kHz", "-c:a libmp3lame -ar 22050 -b:a 32k mp3", 0.026, []uint64{4}},
		{"MP2", "-c:a mp2 -b:a 96k mp2", 0.024, []uint64{3, 6}},
		{"ADTS", "-c:a aac -b:a 96k aac", 0.021, []uint64{5, 1, 2}},
		{"ADTS of 16 kHz", "-c:a aac -ar 16000 -b:a 32k aac", 0.064, []uint64{3}},
		{"ADTS with six channels", "-c:a aac -ac 6 -b:a 256k aac", 0.021, []uint64{4}},
		{"AC-3", "-c:a ac3 -b:a 96k ac3", 0.032, []uint64{8, 1}},
		{"AC-3 of 44.1 kHz", "-c:a ac3 -ar 44100 -b:a 160k ac3", 0.035, []uint64{9, 1, 11}},
		{"AC-3 of 32 kHz in stereo", "-c:a ac3 -ar 32000 -ac 2 -b:a 192k ac3", 0.048, []uint64{2, 4}},
		{"AC-3 with six channels", "-c:a ac3 -ac 6 -b:a 384k ac3", 0.032, []uint64{7}},
		{"E-AC-3", "-c:a eac3 -b:a 96k eac3", 0.032, []uint64{5, 12}},
		{"E-AC-3 of 44.1 kHz in stereo", "-c:a eac3 -ar 44100 -ac 2 -b:a 128k eac3", 0.035, []uint64{9, 11, 13}},
		{"DTS", "-c:a dca -strict -2 -b:a 320k dts", 0.011, []uint64{1, 2}},
		{"DTS of 44.1 kHz in stereo", "-c:a dca -strict -2 -ar 44100 -ac 2 -b:a 768k dts", 0.012, []uint64{4}},
		{"LATM", "-c:a aac -f latm loas", 0.021, []uint64{4, 1, 3}},
		{"MLP", "-c:a mlp -strict -2 mlp", 0.1, []uint64{0, 1, 3}},
		{"MLP of 44.1 kHz in stereo", "-c:a mlp -strict -2 -ar 44100 -ac 2 mlp", 0.1, []uint64{4}},
		{"TrueHD", "-c:a truehd -strict -2 -f truehd thd", 0.1, []uint64{2}},
		{"TTA", "-c:a tta tta", 1.045, []uint64{3}},
		{"SBC", "-c:a sbc sbc", 0.003, []uint64{0, 1, 2}},
		{"SBC of 16 kHz in stereo", "-c:a sbc -ar 16000 -ac 2 sbc", 0.008, []uint64{4}},
	}
	tests = testrun.Some(t, tests, func(s stream) string { return s.name },
		"MP3 with a tag", "MP3 without a tag", "MP2", "ADTS", "ADTS with six channels", "AC-3", "AC-3 of 44.1 kHz", "E-AC-3", "DTS", "LATM", "MLP", "TrueHD",
		"TTA", "SBC")
	if !testrun.EveryCase() {
		for i := range tests {
			tests[i].seeds = tests[i].seeds[:1]
		}
	}
	wanted := make([][]string, 2) // by noise
	for _, test := range tests {
		for _, seed := range test.seeds {
			wanted[seed%2] = append(wanted[seed%2], fmt.Sprintf(noise, seed%2)+test.args)
		}
	}
	for _, list := range wanted {
		m.ahead(long, list...)
	}
	for _, test := range tests {
		for _, seed := range test.seeds {
			programs := []string{""}
			if test.name == "MP3 with a tag" || test.name == "MP3 without a tag" {
				programs = append(programs, file.NoFFmpeg)
			}
			for _, ffmpeg := range programs {
				t.Run(fmt.Sprint(test.name, ", ", seed, ffmpeg), func(t *testing.T) {
					t.Parallel()
					args := fmt.Sprintf(noise, seed%2) + test.args
					content := m.of(t, long, args)
					want := burstsOf(m.alone(t, long, args, ffmpeg))
					spans := spansOf(seed)
					destroy(content, spans, seed)
					got, info := readFile(t, write(t, "damaged", content), file.Options{FFmpeg: ffmpeg})
					checkTimes(t, burstsOf(got), want, spans, test.frame)
					if len(info.Warnings) != 1 || !info.Warnings[0].Code.AudioMissing() {
						t.Fatalf("warnings %q", messages(info.Warnings))
					}
					var lost float64
					for _, s := range spans {
						lost += s.to - s.from
					}
					// At both ends of a place a torn frame may be lost or not.
					told, most := silenceTold(info.Warnings[0].Message), 0.05+2*test.frame*float64(len(spans))
					if math.Abs(told-lost) > most {
						t.Errorf("%q, of %.3f s in %.3f", info.Warnings[0].Message, lost, spans)
					}
				})
			}
		}
	}
}

// checkTimes compares the times of sounds outside of what was destroyed, which may cost frames of that length.
func checkTimes(t *testing.T, got, want []float64, destroyed []span, frame float64) {
	t.Helper()
	before, behind := max(0.15, burstSeconds+frame), max(0.08, frame)
	inside := func(at float64) bool { // what is left of a frame may be a noise
		return slices.ContainsFunc(destroyed, func(s span) bool { return at > s.from-before && at < s.to+behind })
	}
	found, expected := slices.DeleteFunc(slices.Clone(got), inside), slices.DeleteFunc(slices.Clone(want), inside)
	if len(found) != len(expected) {
		t.Fatalf("sounds at %.3f, want %.3f; destroyed %.3f", found, expected, destroyed)
	}
	for i := range found {
		if math.Abs(found[i]-expected[i]) > 0.06 {
			t.Fatalf("sounds at %.3f, want %.3f; destroyed %.3f", found, expected, destroyed)
		}
	}
}

// Versions of ffmpeg from 7 on do not print where a frame stands in the file: then its time is that of the samples before it.
func TestDamageWithoutPositions(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	long := signal{6, []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}
	for position, replaced := range map[string]string{"no position": "", "position unknown": "pos:-1 "} {
		program := executable(t, fmt.Sprintf("#!/bin/bash\nexec %q \"$@\" 2> >(exec sed -u 's/pos:[0-9]* /%s/' >&2)\n", needFFmpeg(t), replaced))
		if probe, err := exec.LookPath("ffprobe"); err == nil {
			if err := os.Symlink(probe, filepath.Join(filepath.Dir(program), "ffprobe")); err != nil {
				t.Fatal(err)
			}
		}
		files := map[string]string{
			"AC-3": noisy + "-c:a ac3 -ar 44100 -b:a 160k ac3", "ADTS": noisy + "-c:a aac -b:a 96k aac", "SBC": noisy + "-c:a sbc sbc",
		}
		for name, args := range testrun.SomeOf(t, files, "AC-3", "ADTS") {
			t.Run(fmt.Sprint(name, ", ", position), func(t *testing.T) {
				t.Parallel()
				content := m.of(t, long, args)
				want := burstsOf(m.alone(t, long, args, ""))
				spans := []span{{1.8, 2.3}, {3.8, 4.3}}
				destroy(content, spans, 1)
				got, info := readFile(t, write(t, "damaged", content), file.Options{FFmpeg: program})
				checkTimes(t, burstsOf(got), want, spans, 0)
				if len(info.Warnings) != 1 || !info.Warnings[0].Code.AudioMissing() {
					t.Errorf("warnings %q", messages(info.Warnings))
				}
			})
		}
	}
}

// What is destroyed at the end of bare frames is told; a tag, zeros or the padding of a frame there are not damage.
func TestDamageAtTheEnd(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	const noise = "-filter_complex anoisesrc=d=2:a=0.005:seed=7,aresample=48000[n];[n][0:a]amix=2:normalize=0 "
	junk := make([]byte, 6000)
	for i := range junk {
		junk[i] = byte(i*i>>3+i*37)&0x7F | 1
	}
	tag := append([]byte("TAG"), make([]byte, 125)...)
	encodings := map[string]string{
		"MP3": "-c:a libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0 mp3", "MP2": "-c:a mp2 -b:a 96k mp2", "ADTS": "-c:a aac -b:a 96k aac",
		"AC-3": "-c:a ac3 -b:a 96k ac3", "DTS": "-c:a dca -strict -2 -b:a 320k dts", "LATM": "-c:a aac -f latm loas", "SBC": "-c:a sbc sbc",
	}
	encodings = testrun.SomeOf(t, encodings, "MP3", "ADTS", "AC-3", "LATM")
	var wanted []string
	for _, args := range encodings {
		wanted = append(wanted, noise+args)
	}
	m.ahead(signalA, wanted...)
	for name, args := range encodings {
		content := m.of(t, signalA, noise+args)
		for end, test := range map[string]struct {
			content []byte
			missing bool
		}{
			"destroyed": {join(content[:len(content)*3/4], junk[:min(len(content)/4, len(junk))]), true},
			"tag":       {join(content, tag), false},
			"zeros":     {join(content, make([]byte, 5000)), false},
			"a byte":    {join(content, []byte("x")), false},
		} {
			t.Run(fmt.Sprint(name, ", ", end), func(t *testing.T) {
				t.Parallel()
				got, info := readFile(t, write(t, "end", test.content), file.Options{})
				if found := burstsOf(got); len(found) == 0 || math.Abs(found[0]-0.5) > 0.06 {
					t.Errorf("sounds at %.3f", found)
				}
				told := len(info.Warnings) == 1 && info.Warnings[0].Code.AudioMissing()
				if told != test.missing || !told && len(info.Warnings) > 0 {
					t.Errorf("warnings %q", messages(info.Warnings))
				}
			})
		}
	}
}
