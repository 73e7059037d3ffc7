package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// readme returns the lines of the code blocks of README.md that a shell runs.
func readme(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(data), -1) {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) < 15 {
		t.Fatalf("only %d examples: the test no longer sees them", len(lines))
	}
	return lines
}

// counted counts what is written through it.
type counted struct {
	text bytes.Buffer // not embedded: its ReadFrom would be used instead of Write
	n    atomic.Int64
}

func (c *counted) String() string { return c.text.String() }

func (c *counted) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.text.Write(p)
}

// Every example of the README runs as it is written, in order, in one folder. The microphone is a file, so that a recording has the
// same words on every machine; for the example that records with ffmpeg the file is played into a PulseAudio null sink. The test makes the
// files that the examples name, and presses Ctrl-C where the text says so. It only looks up the targets of make: the test itself runs
// inside one, and TestInstalledForOneUser tries make install.
func TestExamplesOfTheReadme(t *testing.T) {
	t.Parallel()
	needModel(t)
	for _, program := range []string{"bash", "ffmpeg", "make", "paplay"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the examples need %s", program)
		}
	}
	b := newBooth(t)
	folder := t.TempDir()
	makeExampleFiles(t, folder)
	device := "SCOUT_DEVICE=file:" + filepath.Join(folder, "..", "speech.wav") + "?speed=4"
	env := slices.Concat(b.env, []string{"PATH=" + programs + ":" + os.Getenv("PATH"), "SCOUT_MODELS=" + models, "SCOUT_HTTP__ADDR=127.0.0.1:0", device})
	for _, line := range readme(t) {
		if strings.HasPrefix(line, "make ") {
			target := strings.Fields(line)[1]
			dry := exec.CommandContext(t.Context(), "make", "-n", target)
			dry.Dir = "../.."
			if out, err := dry.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
			continue
		}
		name, _, _ := strings.Cut(line, "#")
		t.Run(strings.TrimSpace(name), func(t *testing.T) { runExample(t, b, env, folder, line) })
	}
}

func runExample(t *testing.T, b *booth, env []string, folder, line string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	before := b.newest()
	if strings.HasPrefix(line, "scout record stop") {
		for sizeOf(before) < enough && ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond) // nothing announces how much was recorded
		}
	}
	fromServer := strings.Contains(line, "-f pulse")
	if fromServer {
		defer b.mic.PlayFile(filepath.Join(folder, "..", "speech.wav")).Close()
	}
	shell := exec.CommandContext(ctx, "bash", "-c", line)
	shell.Dir, shell.Env = folder, env
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out, errOut counted
	shell.Stdout, shell.Stderr = &out, &errOut
	shell.WaitDelay = 5 * time.Second
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- shell.Wait() }() // ends with the shell, which the context ends
	var err error
	if strings.Contains(line, "Ctrl-C") {
		heard := func() bool { return out.n.Load()+errOut.n.Load() > 0 }
		if strings.Contains(line, "record") || strings.Contains(line, "dictate") { // of words that are cut off some may have no text
			heard = func() bool { return b.newest() != before && sizeOf(b.newest()) >= enough }
		}
		for !heard() && len(done) == 0 {
			time.Sleep(20 * time.Millisecond) // nothing announces how much was recorded
		}
		if killErr := syscall.Kill(-shell.Process.Pid, syscall.SIGINT); killErr != nil {
			t.Fatal(killErr)
		}
	}
	// A busy machine leaves holes in what is played into the server. Words in which they are may have no text, which is told.
	err = <-done
	torn := fromServer && strings.Contains(errOut.String(), "no words for it") && strings.TrimSpace(out.String()) != ""
	if err != nil && !torn {
		t.Errorf("%v\n%s", err, errOut.String())
	}
	output := regexp.MustCompile(`--output (\S+)`).FindStringSubmatch(line)
	switch {
	case output == nil && strings.TrimSpace(out.String()+errOut.String()) == "":
		t.Error("it prints nothing")
	case output == nil && strings.Contains(line, "transcribe") && strings.TrimSpace(out.String()) == "":
		t.Errorf("no text\n%s", errOut.String())
	case output != nil:
		if info, err := os.Stat(filepath.Join(folder, output[1])); err != nil || info.Size() == 0 {
			t.Errorf("no %s: %v\n%s", output[1], err, errOut.String())
		}
	}
	if strings.HasPrefix(line, "scout transcribe") && output == nil && !strings.Contains(out.String(), "country") {
		t.Errorf("not what was said: %s", out.String())
	}
}

// enough is the size of twelve seconds, which contain all that is said.
const enough = 12 * 16000 * 2

// newest is the newest recording; empty if there is none.
func (b *booth) newest() string {
	paths, err := filepath.Glob(filepath.Join(b.dir, "*.wav"))
	if err != nil || len(paths) == 0 {
		return ""
	}
	return paths[len(paths)-1]
}

// sizeOf is the size of a file, 0 if it is not there.
func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// makeExampleFiles makes the files that the examples name, and, beside the folder, speech for the microphone: eleven seconds, and silence
// for longer than any example records.
func makeExampleFiles(t *testing.T, folder string) {
	t.Helper()
	names := "Americans\nfellow countrymen\n"
	if err := os.WriteFile(filepath.Join(folder, "names.txt"), []byte(names), 0o644); err != nil {
		t.Fatal(err)
	}
	in := func(path string) string { return filepath.Join(folder, path) }
	for _, args := range [][]string{
		{"-i", clip, in("interview.m4a")},
		{"-f", "lavfi", "-i", "testsrc=s=64x64:d=11:r=5", "-i", clip, "-c:v", "mpeg4", in("talk.mp4")},
		{"-i", clip, in("monday.flac")},
		{"-i", clip, "-ar", "44100", in("tuesday.flac")},
		{"-i", clip, "-af", "aformat=channel_layouts=mono,pan=stereo|c0=c0|c1=c0,adelay=0|11500", "-ar", "8000", in("call.wav")},
		{
			"-f", "lavfi", "-i", "sine=d=11", "-i", clip, "-map", "0:a", "-map", "1:a",
			"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", in("film.mkv"),
		},
		{"-i", clip, in("lecture.mp3")},
		{"-i", clip, "-af", "apad=whole_dur=600", filepath.Join(folder, "..", "speech.wav")},
	} {
		ffmpeg := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...)
		if out, err := ffmpeg.CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg %v: %v\n%s", args, err, out)
		}
	}
}
