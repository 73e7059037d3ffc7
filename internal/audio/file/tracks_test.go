package file_test

import (
	"context"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// trackFile has ffmpeg make a file of tracks: each is "silence", or the frequency of a tone in Hz, with options behind it.
// Outputs are options of the whole file.
func trackFile(t *testing.T, name string, tracks []string, output ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args := []string{"-nostdin", "-loglevel", "error", "-y"}
	for _, track := range tracks {
		kind, seconds, _ := strings.Cut(track, ":")
		if seconds == "" {
			seconds = "2"
		}
		source := "sine=frequency=" + kind + ":sample_rate=48000:duration=" + seconds
		switch {
		case kind == "silence":
			source = "anullsrc=r=48000:cl=mono:d=" + seconds
		case strings.HasPrefix(kind, "late"): // a tone behind silence
			source = "sine=frequency=" + strings.TrimPrefix(kind, "late") + ":sample_rate=48000:duration=2,adelay=" + seconds + "000"
		}
		args = append(args, "-f", "lavfi", "-i", source)
	}
	if strings.Contains(strings.Join(output, " "), "-c:v") {
		args = append(args, "-f", "lavfi", "-i", "testsrc=s=64x64:d=2:r=10", "-map", string(rune('0'+len(tracks)))+":v")
	}
	for i := range tracks {
		args = append(args, "-map", string(rune('0'+i))+":a")
	}
	cmd := exec.Command(needFFmpeg(t), append(append(args, output...), path)...)
	if said, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(said), "Unknown encoder") {
			t.Skipf("this ffmpeg has no encoder for it: %s", said)
		}
		t.Fatalf("%v: %s", err, said)
	}
	return path
}

// pitch is the frequency of a tone, by the zero crossings of half a second of it; 0 for silence.
func pitch(samples []float32) float64 {
	first := slices.IndexFunc(samples, func(v float32) bool { return v > 0.01 })
	if first < 0 || len(samples) < first+9600 {
		return 0
	}
	var crossings int
	tone := samples[first+1600 : first+9600]
	for i := 1; i < len(tone); i++ {
		if tone[i-1] < 0 && tone[i] >= 0 {
			crossings++
		}
	}
	return float64(crossings) * 2
}

func TestWhichTrackIsRead(t *testing.T) {
	t.Parallel()
	two := []string{"300", "600"}
	type choice struct {
		file   string
		tracks []string
		output []string
		choice file.TrackChoice
		want   float64  // the tone of the track
		said   []string // parts of the line; none where no line is wanted
	}
	files := map[string]choice{
		"mp4, the first":          {"x.mp4", two, nil, file.TrackChoice{}, 300, []string{"2 audio tracks", "track 1 was read", "--track 2"}},
		"mp4, the second":         {"x.mp4", two, nil, file.TrackChoice{Number: 2}, 600, nil},
		"mp4, the first is empty": {"x.mp4", []string{"silence", "600"}, nil, file.TrackChoice{}, 600, []string{"track 2 was read", "track 1 (silent)"}},
		"mp4, by language": {
			"x.mp4", two, []string{"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"}, file.TrackChoice{Language: "deu"}, 600, nil,
		},
		"mp4, with video": {"x.mp4", two, []string{"-c:v", "mpeg4"}, file.TrackChoice{Number: 2}, 600, nil},
		"mkv, the flagged one": {
			"x.mkv", two, []string{"-disposition:a:0", "0", "-disposition:a:1", "default"}, file.TrackChoice{}, 600, []string{"track 2 was read", "--track 1"},
		},
		"mkv, the flagged one is empty": {
			"x.mkv", []string{"300", "silence"}, []string{"-disposition:a:0", "0", "-disposition:a:1", "default"}, file.TrackChoice{}, 300, []string{"track 2 (silent)"},
		},
		"mkv, commentary first": {
			"x.mkv", two, []string{"-disposition:a:0", "comment", "-disposition:a:1", "0"}, file.TrackChoice{}, 600, []string{"track 2 was read"},
		},
		"mkv, commentary by its title": {
			"x.mkv", two,
			[]string{"-metadata:s:a:0", "title=Director's Commentary", "-disposition:a:0", "0", "-disposition:a:1", "0"},
			file.TrackChoice{},
			600,
			[]string{"track 1 (\"Director's Commentary\")"},
		},
		"mkv, sound after a minute": {
			"x.mkv", []string{"silence:3", "late600:65"}, []string{"-c:a", "flac"}, file.TrackChoice{}, 600, []string{"track 2 was read"},
		},
		"mkv, three": {"x.mka", []string{"300", "600", "900"}, nil, file.TrackChoice{}, 300, []string{"3 audio tracks", "track 2, track 3", "--track N"}},
		"webm":       {"x.webm", two, []string{"-c:a", "libopus"}, file.TrackChoice{Number: 2}, 600, nil},
		"mov":        {"x.mov", two, nil, file.TrackChoice{Number: 2}, 600, nil},
		"avi":        {"x.avi", two, []string{"-c:v", "mpeg4", "-c:a", "pcm_s16le"}, file.TrackChoice{Number: 2}, 600, nil},
		"mxf":        {"x.mxf", two, []string{"-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-r", "25"}, file.TrackChoice{Number: 2}, 600, nil},
		"ts":         {"x.ts", two, []string{"-c:a", "mp2", "-metadata:s:a:1", "language=fra"}, file.TrackChoice{Language: "fr"}, 600, nil},
		"ts, two programs": {
			"x.ts", two, []string{"-c:a", "mp2", "-program", "title=one:st=0", "-program", "title=two:st=1"}, file.TrackChoice{Number: 2}, 600, nil,
		},
		"ogg, opus":   {"x.ogg", two, []string{"-c:a", "libopus"}, file.TrackChoice{Number: 2}, 600, nil},
		"ogg, vorbis": {"x.ogg", two, []string{"-c:a", "libvorbis"}, file.TrackChoice{Number: 2}, 600, nil},
		"ogg, vorbis, the first is empty": {
			"x.ogg", []string{"silence", "600"}, []string{"-c:a", "libvorbis"}, file.TrackChoice{}, 600, []string{"track 1 (silent)"},
		},
		"ogg, of two kinds": {"x.ogg", two, []string{"-c:a:0", "libvorbis", "-c:a:1", "flac"}, file.TrackChoice{Number: 2}, 600, nil},
		"all are empty":     {"x.mp4", []string{"silence", "silence"}, nil, file.TrackChoice{}, 0, []string{"track 1 (silent) was read", "track 2 (silent)"}},
		"one of one":        {"x.mp4", []string{"300"}, nil, file.TrackChoice{Number: 1}, 300, nil},
		"of its own length": {"x.mp4", []string{"300:1", "600:4"}, nil, file.TrackChoice{}, 300, []string{"2 audio tracks"}},
	}
	for name, c := range testrun.SomeOf(t, files,
		"mp4, the first", "mp4, by language", "mkv, the flagged one is empty", "mkv, commentary first", "mkv, commentary by its title",
		"mkv, sound after a minute", "mkv, three", "avi", "mxf", "ts, two programs", "ogg, vorbis, the first is empty", "ogg, of two kinds",
		"all are empty", "one of one", "of its own length") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := trackFile(t, c.file, c.tracks, c.output...)
			samples, info := readFile(t, path, file.Options{Track: c.choice})
			if got := pitch(samples); math.Abs(got-c.want) > 10 {
				t.Errorf("read a tone of %.0f Hz, want %.0f", got, c.want)
			}
			said := warned(info, scout.WarningTracks)
			if len(c.said) == 0 && said != "" {
				t.Errorf("said %q though there was no choice to make", said)
			}
			for _, part := range c.said {
				if !strings.Contains(said, part) {
					t.Errorf("said %q, want %q in it", said, part)
				}
			}
			for _, w := range info.Warnings {
				if w.Code != scout.WarningTracks {
					t.Errorf("warned of a healthy file: %s", w.Message)
				}
			}
		})
	}
}

// warned returns the message with the code.
func warned(info file.Info, code scout.WarningCode) string {
	for _, w := range info.Warnings {
		if w.Code == code {
			return w.Message
		}
	}
	return ""
}

func TestTrackThatIsNotThere(t *testing.T) {
	t.Parallel()
	two := []string{"300", "600"}
	english := []string{"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"}
	tone := write(t, "x.wav", wavFile(audio.Int16, 16000, 1, hum(16000, 16000, 1)))
	for name, c := range map[string]struct {
		path   func(t *testing.T) string
		choice file.TrackChoice
		said   string
	}{
		"a number":              {func(t *testing.T) string { return trackFile(t, "x.mkv", two) }, file.TrackChoice{Number: 3}, "it has 2: track 1, track 2"},
		"a language":            {func(t *testing.T) string { return trackFile(t, "x.mkv", two, english...) }, file.TrackChoice{Language: "fr"}, "track 1 (en), track 2 (de)"},
		"no language is known":  {func(t *testing.T) string { return trackFile(t, "x.mkv", two) }, file.TrackChoice{Language: "en"}, "it has 2"},
		"no such language":      {func(t *testing.T) string { return trackFile(t, "x.mkv", two) }, file.TrackChoice{Language: "klingonese"}, "klingonese"},
		"a file with one track": {func(*testing.T) string { return tone }, file.TrackChoice{Number: 2}, "it has one"},
		"an mp3": {
			func(t *testing.T) string {
				return convert(t, wavFile(audio.Int16, 16000, 1, hum(16000, 16000, 1)), "x.mp3")
			}, file.TrackChoice{Number: 2}, "it has one",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := file.Open(context.Background(), c.path(t), file.Options{Track: c.choice})
			if err == nil {
				_ = r.Close()
				t.Fatal("it was opened")
			}
			if scout.CodeOf(err) != scout.CodeInvalidArgument || !strings.Contains(err.Error(), c.said) {
				t.Errorf("%s: %v, want %q in it", scout.CodeOf(err), err, c.said)
			}
		})
	}
}

// TestTracksWithoutFFprobe has an ffmpeg with no ffprobe beside it.
func TestTracksWithoutFFprobe(t *testing.T) {
	t.Parallel()
	path := trackFile(t, "x.mkv", []string{"300", "600"})
	alone := filepath.Join(t.TempDir(), "ffmpeg")
	if err := exec.Command("ln", "-s", needFFmpeg(t), alone).Run(); err != nil {
		t.Fatal(err)
	}
	samples, _ := readFile(t, path, file.Options{FFmpeg: alone, Track: file.TrackChoice{Number: 2}})
	if got := pitch(samples); math.Abs(got-600) > 10 {
		t.Errorf("read a tone of %.0f Hz, want 600", got)
	}
	_, err := file.Open(context.Background(), path, file.Options{FFmpeg: alone, Track: file.TrackChoice{Language: "en"}})
	if scout.CodeOf(err) != scout.CodeDecoderMissing {
		t.Errorf("a language without ffprobe: %v", err)
	}
}
