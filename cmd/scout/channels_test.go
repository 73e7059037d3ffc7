package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/testrun"
)

const quilterWords = "Mr. Quilter is the apostle of the middle classes, and we are glad to welcome his gospel."

// quilterClip returns a recording of a second voice, or skips the test.
func quilterClip(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../../shared/speech/dev/libri_1272-128104-0000.wav")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Skipf("needs the speech recordings: %v", err)
	}
	return path
}

// ffmpegMakes has ffmpeg write a file into a fresh folder, or skips the test.
func ffmpegMakes(t *testing.T, name string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("needs ffmpeg on the PATH (make setup installs it)")
	}
	path := filepath.Join(t.TempDir(), name)
	cmd := exec.Command(program, append(append([]string{"-nostdin", "-v", "error", "-y"}, args...), path)...)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return path
}

// sameWords compares texts and ignores punctuation and case.
func sameWords(a, b string) bool { return slices.Equal(bench.Words(a), bench.Words(b)) }

// transcribedJSON is what a run prints with --format json.
type transcribedJSON struct {
	Text     string
	Segments []struct {
		Start, End    float64
		Channel, Text string
	}
	Warnings []struct {
		Code    scout.WarningCode
		Message string
	}
}

func transcribeJSON(t *testing.T, want int, args ...string) (doc transcribedJSON, stderr string) {
	t.Helper()
	got := scoutRun(t, nil, append([]string{"transcribe", "-q", "--format", "json"}, args...)...)
	if got.code != want {
		t.Fatalf("exit %d, want %d: %s", got.code, want, got.err)
	}
	if want == cli.ExitUsage {
		return doc, got.err
	}
	if err := json.Unmarshal([]byte(got.out), &doc); err != nil {
		t.Fatalf("%v: %s", err, got.out)
	}
	return doc, got.err
}

// TestWhatIsHeardInAPlayerIsTranscribed transcribes recordings whose speech a player plays, but an average of the
// channels, or the first track, does not contain.
func TestWhatIsHeardInAPlayerIsTranscribed(t *testing.T) {
	t.Parallel()
	needModel(t)
	silent := []string{"-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-i", clip, "-map", "0:a", "-map", "1:a", "-t", "11"}
	inverted := []string{"-i", clip, "-af", "aformat=channel_layouts=mono,pan=stereo|c0=c0|c1=-1*c0"}
	beside := func(sound string) []string {
		return []string{"-f", "lavfi", "-i", sound, "-i", clip, "-filter_complex", "[0:a][1:a]join=inputs=2:channel_layout=stereo", "-t", "11"}
	}
	with := func(args []string, more ...string) []string { return append(slices.Clone(args), more...) }
	type mixed struct {
		file string
		make []string
		code scout.WarningCode // that is told, empty for none
	}
	files := map[string]mixed{
		"the flagged track":            {"x.mkv", with(silent, "-c:a", "aac", "-disposition:a:0", "0", "-disposition:a:1", "default"), scout.WarningTracks},
		"a silent track first":         {"x.mp4", with(silent, "-c:a", "aac"), scout.WarningTracks},
		"opposite phase":               {"x.wav", inverted, scout.WarningChannels},
		"opposite phase, encoded":      {"x.mp3", with(inverted, "-c:a", "libmp3lame", "-b:a", "128k"), scout.WarningChannels},
		"opposite phase, 44.1 kHz AAC": {"x.m4a", with(inverted, "-ar", "44100", "-c:a", "aac", "-b:a", "96k"), scout.WarningChannels},
		"a dead channel":               {"x.wav", []string{"-i", clip, "-af", "aformat=channel_layouts=mono,pan=stereo|c0=0*c0|c1=c0"}, ""},
		"a tone":                       {"x.wav", beside("sine=f=1000:r=16000:d=11,volume=0.7"), scout.WarningChannels},
		"mains hum":                    {"x.flac", beside("aevalsrc=0.4*sin(2*PI*50*t)+0.2*sin(2*PI*150*t)+0.1*sin(2*PI*250*t):s=16000:d=11"), scout.WarningChannels},
		"noise":                        {"x.flac", beside("anoisesrc=c=pink:a=0.5:r=16000:d=11:seed=1"), scout.WarningChannels},
		"the same a millisecond later": {"x.wav", []string{"-i", clip, "-af", "aformat=channel_layouts=mono,pan=stereo|c0=c0|c1=c0,adelay=0|1"}, scout.WarningChannels},
		"speech in the centre of six":  {"x.wav", []string{"-i", clip, "-af", "aformat=channel_layouts=mono,pan=5.1|FC=c0"}, ""},
	}
	for name, c := range testrun.SomeOf(t, files,
		"the flagged track", "opposite phase", "opposite phase, 44.1 kHz AAC", "a dead channel", "a tone", "noise", "the same a millisecond later",
		"speech in the centre of six") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, stderr := transcribeJSON(t, 0, ffmpegMakes(t, c.file, c.make...))
			if !said(doc.Text, 1) {
				t.Errorf("not the 22 words: %s", doc.Text)
			}
			if c.code == "" {
				if stderr != "" || len(doc.Warnings) > 0 {
					t.Errorf("told of a healthy file: %s", stderr)
				}
				return
			}
			if len(doc.Warnings) != 1 || doc.Warnings[0].Code != c.code || strings.Count(stderr, "\n") != 1 {
				t.Errorf("want one line of %s: %v\n%s", c.code, doc.Warnings, stderr)
			}
		})
	}
}

// TestOppositePhaseWithoutFFmpeg reads the file without ffmpeg.
func TestOppositePhaseWithoutFFmpeg(t *testing.T) {
	t.Parallel()
	needModel(t)
	path := ffmpegMakes(t, "x.wav", "-i", clip, "-af", "aformat=channel_layouts=mono,pan=stereo|c0=c0|c1=-1*c0")
	cmd := command(t.Context(), "transcribe", "-q", path)
	cmd.Env = append(os.Environ(), "PATH="+t.TempDir())
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil || !said(out.String(), 1) {
		t.Errorf("%v: %s%s", err, out.String(), errOut.String())
	}
}

// TestTwoSpeakersInTwoTracks reads one track and says so, and reads the other one if it is asked to.
func TestTwoSpeakersInTwoTracks(t *testing.T) {
	t.Parallel()
	needModel(t)
	path := ffmpegMakes(t, "x.mp4", "-i", quilterClip(t), "-i", clip, "-map", "0:a", "-map", "1:a", "-c:a", "aac",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu")
	for name, c := range map[string]struct {
		track, words string
		told         bool
	}{
		"the first":          {"", quilterWords, true},
		"by number":          {"2", spoken, false},
		"by code":            {"de", spoken, false},
		"by an older code":   {"ger", spoken, false},
		"by name":            {"german", spoken, false},
		"the first by a tag": {"en-US", quilterWords, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{path}
			if c.track != "" {
				args = append(args, "--track", c.track)
			}
			doc, stderr := transcribeJSON(t, 0, args...)
			if !sameWords(doc.Text, c.words) {
				t.Errorf("read %q", doc.Text)
			}
			if told := strings.Contains(stderr, "2 audio tracks") && strings.Contains(stderr, "--track 2"); told != c.told || !c.told && stderr != "" {
				t.Errorf("told: %q", stderr)
			}
		})
	}
	for _, missing := range []string{"3", "0", "fr", "nolanguage"} {
		if _, stderr := transcribeJSON(t, cli.ExitUsage, path, "--track", missing); !strings.Contains(stderr, "track") || strings.Count(stderr, "\n") != 2 {
			t.Errorf("--track %s: %s", missing, stderr)
		}
	}
}

// callRecording is a call: one person on the left, one on the right.
func callRecording(t *testing.T, name string, more ...string) string {
	t.Helper()
	return ffmpegMakes(t, name, append([]string{
		"-i", clip, "-i", quilterClip(t), "-filter_complex",
		"[0:a]apad=whole_dur=17.5[a];[1:a]adelay=11500:all=1,apad=whole_dur=17.5[b];[a][b]join=inputs=2:channel_layout=stereo",
	}, more...)...)
}

func TestOneChannel(t *testing.T) {
	t.Parallel()
	needModel(t)
	path := callRecording(t, "x.flac")
	for channel, want := range map[string]string{
		"left": spoken, "right": quilterWords, "1": spoken, "2": quilterWords, "mix": spoken + " " + quilterWords,
	} {
		t.Run(channel, func(t *testing.T) {
			t.Parallel()
			if doc, stderr := transcribeJSON(t, 0, path, "--channel", channel); !sameWords(doc.Text, want) || stderr != "" {
				t.Errorf("read %q, told %q", doc.Text, stderr)
			}
		})
	}
	for _, missing := range []string{"3", "0", "-1", "top"} {
		if _, stderr := transcribeJSON(t, cli.ExitUsage, path, "--channel", missing); !strings.Contains(stderr, "channel") {
			t.Errorf("--channel %s: %s", missing, stderr)
		}
	}
	if _, stderr := transcribeJSON(t, cli.ExitUsage, clip, "--channel", "right"); !strings.Contains(stderr, "one channel") {
		t.Errorf("right of mono: %s", stderr)
	}
}

// TestChannelsApart transcribes a person on each channel. The text names them, in the order of time.
func TestChannelsApart(t *testing.T) {
	t.Parallel()
	needModel(t)
	second := quilterClip(t)
	atOnce := ffmpegMakes(t, "x.ogg", "-i", clip, "-i", second, "-filter_complex",
		"[1:a]adelay=1000:all=1,apad=whole_dur=11[b];[0:a][b]join=inputs=2:channel_layout=stereo", "-c:a", "libvorbis", "-q:a", "6")
	three := ffmpegMakes(t, "x.wav", "-i", clip, "-i", second, "-filter_complex",
		"[0:a]asplit[a][c];[1:a]apad=whole_dur=11[b];[a][b][c]amerge=inputs=3")
	dual := ffmpegMakes(t, "x.mp3", "-i", clip, "-ac", "2", "-c:a", "libmp3lame", "-b:a", "96k")
	dead := ffmpegMakes(t, "x.wav", "-i", clip, "-af", "aformat=channel_layouts=mono,pan=stereo|c0=0*c0|c1=c0")
	for name, c := range map[string]struct {
		path  string
		stdin bool
		want  map[string]string // of each channel
		told  string            // a part of the one line, empty for none
	}{
		"in turn":                 {callRecording(t, "x.wav"), false, map[string]string{"left": spoken, "right": quilterWords}, ""},
		"in turn, standard input": {callRecording(t, "x.wav"), true, map[string]string{"left": spoken, "right": quilterWords}, ""},
		"in turn, m4a by stdin":   {callRecording(t, "x.m4a", "-c:a", "aac"), true, map[string]string{"left": spoken, "right": quilterWords}, ""},
		"at once":                 {atOnce, false, map[string]string{"left": spoken, "right": quilterWords}, ""},
		"three, two are the same": {three, false, map[string]string{"1": spoken, "2": quilterWords}, "channel 3 holds the same sound as channel 1"},
		"dual mono":               {dual, false, map[string]string{"left": spoken}, "right holds the same sound as left"},
		"a silent one":            {dead, false, map[string]string{"right": spoken}, "left holds only silence"},
		"mono":                    {clip, false, map[string]string{"": spoken}, "one channel"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"transcribe", "-q", "-f", "json", "--split-channels"}
			var stdin []byte
			if c.stdin {
				var err error
				if stdin, err = os.ReadFile(c.path); err != nil {
					t.Fatal(err)
				}
				args = append(args, "-")
			} else {
				args = append(args, c.path)
			}
			got := scoutRun(t, stdin, args...)
			var doc transcribedJSON
			if err := json.Unmarshal([]byte(got.out), &doc); err != nil || got.code != 0 {
				t.Fatalf("exit %d, %v: %s", got.code, err, got.err)
			}
			texts := map[string]string{}
			for i, s := range doc.Segments {
				texts[s.Channel] += " " + s.Text
				if i > 0 && s.Start < doc.Segments[i-1].Start {
					t.Errorf("segment %d begins before the one in front of it", i)
				}
			}
			if len(texts) != len(c.want) {
				t.Errorf("channels %v", texts)
			}
			for channel, want := range c.want {
				if !sameWords(texts[channel], want) {
					t.Errorf("%s: %q", channel, texts[channel])
				}
			}
			if lines := strings.Count(got.err, "\n"); !strings.Contains(got.err, c.told) || (c.told == "") != (lines == 0) || lines > 1 {
				t.Errorf("told %q, want %q in one line", got.err, c.told)
			}
		})
	}
	got := scoutRun(t, nil, "transcribe", "-q", "--split-channels", callRecording(t, "x.flac"))
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "left: And so") || !strings.HasPrefix(lines[1], "right: Mr.") {
		t.Errorf("the text is not in two lines:\n%s%s", got.out, got.err)
	}
	if got := scoutRun(t, nil, "transcribe", "--split-channels", "--channel", "left", clip); got.code != cli.ExitUsage {
		t.Errorf("all channels and one: exit %d", got.code)
	}
}

// Two joined files are transcribed by channel; the second one has more channels.
func TestChannelsApartOfJoinedFiles(t *testing.T) {
	t.Parallel()
	needModel(t)
	mono, err := os.ReadFile("../../testdata/jfk.wav")
	if err != nil {
		t.Fatal(err)
	}
	right, err := os.ReadFile(ffmpegMakes(t, "right.wav", "-i", "../../testdata/jfk.wav", "-af", "pan=stereo|c0=0*c0|c1=c0", "-c:a", "pcm_s16le"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "joined.wav")
	if err := os.WriteFile(path, append(mono, right...), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, _ := transcribeJSON(t, 0, "--split-channels", path)
	begins := map[string]float64{}
	for _, segment := range doc.Segments {
		if at, heard := begins[segment.Channel]; !heard || segment.Start < at {
			begins[segment.Channel] = segment.Start
		}
	}
	if left, right := begins["left"], begins["right"]; len(begins) != 2 || left < 0.1 || left > 0.6 || right < 11.1 || right > 11.6 {
		t.Errorf("voices begin at %v, want left near 0.3 and right near 11.3", begins)
	}
}
