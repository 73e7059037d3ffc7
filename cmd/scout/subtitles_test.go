package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/scout-speech/scout/cmd/internal/cli"
)

// quilter is a text of 17 words that begins with a title.
const quilter = "../../../shared/speech/dev/libri_1272-128104-0000.wav"

func needSpeech(t *testing.T, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no speech to try this with: %v", err)
	}
	return path
}

func TestATitleEndsNeitherCueNorSegment(t *testing.T) {
	t.Parallel()
	needModel(t)
	clip := needSpeech(t, quilter)
	for format, before := range map[string]string{"srt": "\n", "vtt": "\n", "tsv": "\t", "json": `"text": "`, "md": "** "} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			got := scoutRun(t, nil, "transcribe", "-q", "-f", format, clip)
			if got.code != 0 || !strings.Contains(strings.ReplaceAll(got.out, "\nof", " of"), before+"Mr. Quilter is the apostle") {
				t.Errorf("exit %d, %s\n%s", got.code, got.err, got.out)
			}
			if format == "tsv" && strings.Count(got.out, "\n") != 2 {
				t.Errorf("one sentence is not one segment:\n%s", got.out)
			}
		})
	}
}

func TestSilenceBetweenTwoPeopleIsAParagraph(t *testing.T) {
	t.Parallel()
	needModel(t)
	second := needSpeech(t, quilter)
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg, which makes the input, is not installed")
	}
	joined := filepath.Join(t.TempDir(), "pause20.wav")
	make := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-i", clip, "-f", "lavfi", "-t", "20", "-i", "anullsrc=r=16000:cl=mono", "-i", second,
		"-filter_complex", "[0:a][1:a][2:a]concat=n=3:v=0:a=1", joined)
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	got := scoutRun(t, nil, "transcribe", "-q", joined)
	paragraphs := strings.Split(strings.TrimSpace(got.out), "\n\n")
	if got.code != 0 || len(paragraphs) != 2 || !said(paragraphs[0], 1) || !strings.HasPrefix(paragraphs[1], "Mr. Quilter") {
		t.Errorf("exit %d, %s\n%s", got.code, got.err, got.out)
	}
}

func TestSubtitlesAsWideAndHighAsAskedFor(t *testing.T) {
	t.Parallel()
	needModel(t)
	got := scoutRun(t, nil, "transcribe", "-q", "-f", "vtt", "--max-line-width", "20", "--max-line-count", "1", clip)
	if got.code != 0 || !said(cueText(got.out), 1) {
		t.Fatalf("exit %d, %s\n%s", got.code, got.err, got.out)
	}
	for block := range strings.SplitSeq(strings.TrimSpace(got.out), "\n\n") {
		if lines := strings.Split(block, "\n"); len(lines) > 2 || utf8.RuneCountInString(lines[len(lines)-1]) > 20 {
			t.Errorf("%q", block)
		}
	}
	for _, args := range [][]string{{"--max-line-width", "9"}, {"--max-line-count", "-1"}} {
		if got := scoutRun(t, nil, append([]string{"transcribe", "-q", "-f", "srt", clip}, args...)...); got.code != cli.ExitUsage {
			t.Errorf("%v: exit %d, %s", args, got.code, got.err)
		}
	}
}

// cueText returns the text of WebVTT without times.
func cueText(vtt string) string {
	var text []string
	for line := range strings.Lines(strings.TrimPrefix(vtt, "WEBVTT\n")) {
		if !strings.Contains(line, "-->") {
			text = append(text, strings.TrimSpace(line))
		}
	}
	return strings.Join(text, " ")
}
