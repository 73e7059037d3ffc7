package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/bench"
)

// streamCase is a file and the expected result.
type streamCase struct {
	name    string
	make    func(s *speechMaker) []byte
	words   int
	seconds float64
	word    string    // whose times are looked at
	times   []float64 // one for each time it is said
	warning string    // its code; empty for none
}

// speechMaker makes files of the two clips in a folder.
type speechMaker struct {
	t   *testing.T
	dir string
	n   int
}

// speech makes a file with these arguments of ffmpeg, in which J and Q are the clips; the last argument is the
// extension.
func (s *speechMaker) speech(args string) []byte {
	s.t.Helper()
	s.n++
	list := strings.Fields("-v error -nostdin -y " + args)
	for i, arg := range list {
		switch arg {
		case "J":
			list[i] = clip
		case "Q":
			list[i] = quilter
		}
	}
	out := filepath.Join(s.dir, fmt.Sprintf("made-%d.%s", s.n, list[len(list)-1]))
	list[len(list)-1] = out
	if said, err := exec.Command("ffmpeg", list...).CombinedOutput(); err != nil {
		s.t.Fatalf("ffmpeg %v: %v: %s", list, err, said)
	}
	return s.read(out)
}

func (s *speechMaker) read(path string) []byte {
	s.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// cutAt60 returns the first 60 % of a file.
func cutAt60(b []byte) []byte { return b[:len(b)*6/10] }

// withSize replaces the length of the data chunk.
func withSize(b []byte, size uint32) []byte {
	at := bytes.Index(b, []byte("data"))
	binary.LittleEndian.PutUint32(b[4:], size+uint32(at))
	binary.LittleEndian.PutUint32(b[at+4:], size)
	return b
}

// twoData returns one WAV file with the samples of two files in two data chunks.
func twoData(a, b []byte) []byte {
	at := bytes.Index(b, []byte("data"))
	both := append(bytes.Clone(a), b[at:]...)
	binary.LittleEndian.PutUint32(both[4:], uint32(len(both)-8))
	return both
}

func streamCases() []streamCase {
	const (
		bare  = " -c:a libmp3lame -b:a 128k -id3v2_version 0 -write_xing 0 mp3"
		video = "-f lavfi -i testsrc=s=64x64:d=%d:r=10 "
	)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	mono := func(s *speechMaker) []byte { return s.speech("-i J -ar 44100 -ac 1" + bare) }
	stereo := func(s *speechMaker) []byte { return s.speech("-i Q -ar 44100 -ac 2" + bare) }
	xing := func(s *speechMaker) []byte { return s.speech("-i J -ar 44100 -c:a libmp3lame -b:a 64k mp3") }
	three := func(s *speechMaker) []byte { x := xing(s); return join(x, x, x) }
	late := func(seconds int, codec string) func(*speechMaker) []byte {
		return func(s *speechMaker) []byte {
			return s.speech(fmt.Sprintf(video, seconds) + "-itsoffset 4 -i J -map 0:v -map 1:a -c:v mpeg4 -c:a " + codec)
		}
	}
	return []streamCase{
		{"splice-layout.mp3", func(s *speechMaker) []byte { return join(mono(s), stereo(s)) }, 39, 17.0, "quilter", []float64{11.9}, ""},
		{"splice-rate.mp3", func(s *speechMaker) []byte {
			return join(s.speech("-i J -ar 44100 -ac 2"+bare), s.speech("-i Q -ar 48000 -ac 2"+bare))
		}, 39, 16.9, "quilter", []float64{11.9}, ""},
		{"splice-three.mp3", func(s *speechMaker) []byte { m := mono(s); return join(m, stereo(s), m) }, 61, 28.0, "quilter", []float64{11.9}, ""},
		{"joined-xing.mp3", three, 66, 33.0, "and", []float64{0.3, 11.3, 22.4}, ""},
		{"joined-flac.flac", func(s *speechMaker) []byte { return join(s.speech("-i J flac"), s.speech("-i Q flac")) }, 39, 16.9, "quilter", []float64{11.8}, ""},
		{"joined-webm.webm", func(s *speechMaker) []byte {
			return join(s.speech("-i J -c:a libopus webm"), s.speech("-i Q -c:a libopus webm"))
		}, 39, 16.9, "quilter", []float64{11.8}, ""},
		{"joined-wav.wav", func(s *speechMaker) []byte { return join(s.read(clip), s.read(quilter)) }, 39, 16.9, "quilter", []float64{11.8}, ""},
		{"two-data-chunks.wav", func(s *speechMaker) []byte { return twoData(s.read(clip), s.read(quilter)) }, 39, 16.9, "quilter", []float64{11.8}, ""},
		{"late-audio-ts.ts", late(15, "mp2 ts"), 22, 15.0, "americans", []float64{5.4}, ""},
		{"late-audio-mp4.mp4", late(15, "aac mp4"), 22, 15.0, "americans", []float64{5.4}, ""},
		{"late-audio-m4a.m4a", func(s *speechMaker) []byte { return s.speech("-itsoffset 10 -i J -c:a aac m4a") }, 22, 11.0, "americans", []float64{1.5}, ""},
		{"short-audio.mp4", func(s *speechMaker) []byte {
			return s.speech(fmt.Sprintf(video, 30) + "-i J -map 0 -map 1 -c:v mpeg4 -c:a aac mp4")
		}, 22, 11.0, "", nil, ""},
		{"placeholder.wav", func(s *speechMaker) []byte { return withSize(s.read(clip), 2_000_000_000) }, 22, 11.0, "", nil, ""},
		{"cut-m4a.m4a", func(s *speechMaker) []byte {
			return cutAt60(s.speech("-i J -ar 44100 -c:a aac -movflags +faststart m4a"))
		}, 0, 6.5, "", nil, "cut_off"},
		{"cut-wav.wav", func(s *speechMaker) []byte { return cutAt60(s.read(clip)) }, 0, 6.6, "", nil, "cut_off"},
		{"cut-w64.w64", func(s *speechMaker) []byte { return cutAt60(s.speech("-i J w64")) }, 0, 6.6, "", nil, "cut_off"},
	}
}

// Files that change in the middle, that consist of several files, or whose sound begins late or ends early: all words
// have the times at which they are heard, and if something is missing, there is a line, and the exit code is 1.
func TestIrregularStreams(t *testing.T) {
	t.Parallel()
	needModel(t)
	for _, needed := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(needed); err != nil {
			t.Skipf("needs %s on the PATH: make setup installs it", needed)
		}
	}
	needSpeech(t, quilter)
	s := &speechMaker{t: t, dir: t.TempDir()}
	var all, here []streamCase
	files := map[string]string{}
	for _, c := range streamCases() {
		files[c.name] = filepath.Join(s.dir, c.name)
		if err := os.WriteFile(files[c.name], c.make(s), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		if strings.HasPrefix(c.name, "splice-rate") || strings.HasPrefix(c.name, "splice-layout") || c.name == "joined-xing.mp3" {
			here = append(here, c)
		}
	}
	transcribeStreams(t, files, all, os.Getenv("PATH"))
	transcribeStreams(t, files, here, t.TempDir())
}

// transcribeStreams transcribes the cases in one run of scout and checks each result.
func transcribeStreams(t *testing.T, files map[string]string, cases []streamCase, path string) {
	t.Helper()
	texts := t.TempDir()
	args := []string{"transcribe", "-q", "-f", "json", "-o", texts + "/"}
	incomplete := 0
	for _, c := range cases {
		args = append(args, files[c.name])
		if c.warning != "" {
			incomplete++
		}
	}
	cmd := command(t.Context(), args...)
	cmd.Env = append(os.Environ(), "PATH="+path)
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit); (incomplete > 0) != (err != nil) || err != nil && exit.ExitCode() != 1 {
		t.Errorf("%v, with %d files that are not complete: %s", err, incomplete, said.String())
	}
	for _, c := range cases {
		if lines := strings.Count(said.String(), c.name); lines > 1 || (c.warning != "") != (lines == 1) {
			t.Errorf("%s: %d lines in %q", c.name, lines, said.String())
		}
		c.check(t, filepath.Join(texts, strings.TrimSuffix(c.name, filepath.Ext(c.name))+".json"))
	}
}

func (c streamCase) check(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	var doc struct {
		Text     string
		Duration float64
		Segments []struct {
			Words []struct {
				Word  string
				Start float64
			}
		}
		Warnings []struct{ Code string }
	}
	if err := json.Unmarshal(content, &doc); err != nil {
		t.Error(err)
		return
	}
	if n := len(bench.Words(doc.Text)); c.words > 0 && n != c.words || n == 0 {
		t.Errorf("%s: %d words, want %d: %s", c.name, n, c.words, doc.Text)
	}
	if math.Abs(doc.Duration-c.seconds) > 0.1 {
		t.Errorf("%s: %.3f s, want %.1f s", c.name, doc.Duration, c.seconds)
	}
	var times []float64
	for _, segment := range doc.Segments {
		for _, word := range segment.Words {
			if c.word != "" && strings.EqualFold(strings.Trim(word.Word, ",.\""), c.word) {
				times = append(times, word.Start)
			}
		}
	}
	if len(times) != len(c.times) {
		t.Errorf("%s: %q at %.2f, want %.2f", c.name, c.word, times, c.times)
		return
	}
	for i := range times {
		if math.Abs(times[i]-c.times[i]) > 0.3 {
			t.Errorf("%s: %q at %.2f, want %.2f", c.name, c.word, times, c.times)
		}
	}
	if codes := len(doc.Warnings); c.warning == "" && codes > 0 || c.warning != "" && (codes != 1 || doc.Warnings[0].Code != c.warning) {
		t.Errorf("%s: warnings %v, want %q", c.name, doc.Warnings, c.warning)
	}
}
