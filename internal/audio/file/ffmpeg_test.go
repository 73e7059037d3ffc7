//go:build unix

package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// executable returns a script that stands for an ffmpeg that misbehaves.
func executable(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := testrun.WriteProgram(path, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return path
}

// m4a looks like a file for ffmpeg.
func m4a(t *testing.T) string {
	return write(t, "a.m4a", []byte("\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00M4A mp42isom\x00\x00\x00\x00"))
}

// sound is a WAV file whose header promises more than one second that it has.
func sound(t *testing.T) string {
	second := wavFile(audio.Float32, 16000, 1, hum(16000, 16000, 1))
	copy(second[40:], "\xFF\xFF\xFF\xFF")
	return write(t, "sound.wav", second)
}

func TestMisbehavingFFmpeg(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	tests := []struct {
		name, body string
		want       scout.Code // of Open or the last Read; empty for io.EOF
		samples    int
		says       string
	}{
		{"never a byte", "sleep 1000", scout.CodeDecoderTimeout, 0, "300ms"},
		{"stalls after a second", "cat '%s'; sleep 1000", scout.CodeDecoderTimeout, 16000, "300ms"},
		{"complains and ends", "echo '[mov @ 0x55aa] moov atom not found' >&2; exit 1", scout.CodeAudioCorrupt, 0, "its index is missing"},
		{"ends without a word", "exit 1", scout.CodeAudioCorrupt, 0, "exit status 1"},
		{"no audio in it", "exit 0", scout.CodeAudioEmpty, 0, "no audio"},
		{"babbles", "echo hello hello hello; exit 0", scout.CodeAudioCorrupt, 0, ""},
		{"complains without end", "while :; do echo 'error after error' >&2; done", scout.CodeDecoderTimeout, 0, ""},
		{"complains after audio", "cat '%s'; echo 'partial file' >&2; exit 1", "", 16000, "cut off after 1s"},
		{"is killed after audio", "cat '%s'; kill -9 $$", scout.CodeReadFailed, 16000, "signal: killed"},
		{"leaves a child behind", "cat '%s'; sleep 8 >&2 & exit 0", "", 16000, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			body := strings.ReplaceAll(test.body, "%s", sound(t))
			r, err := file.Open(context.Background(), m4a(t), file.Options{FFmpeg: executable(t, "#!/bin/sh\n"+body+"\n"), StallTimeout: stall})
			var samples []float32
			var said string
			if err == nil {
				samples, err = drain(r)
				said = messages(r.Info().Warnings)
				closeReader(t, r)
			}
			if err != nil {
				said = err.Error()
			}
			if scout.CodeOf(err) != test.want || len(samples) != test.samples || !strings.Contains(said, test.says) {
				t.Errorf("%d samples, then %v (code %s), said %q; want %d, code %q, %q",
					len(samples), err, scout.CodeOf(err), said, test.samples, test.want, test.says)
			}
		})
	}
}

func TestTotalTimeoutCountsWaitingOnly(t *testing.T) {
	t.Parallel()
	body := "head -c 4000 '" + sound(t) + "'; i=0; while [ $i -lt 1000 ]; do echo -n 12345678; sleep 0.02; i=$((i+1)); done"
	r, err := file.Open(context.Background(), m4a(t), file.Options{
		FFmpeg: executable(t, "#!/bin/bash\n"+body), StallTimeout: time.Minute, TotalTimeout: 300 * time.Millisecond,
	})
	if err == nil {
		_, err = drain(r)
		closeReader(t, r)
	}
	if scout.CodeOf(err) != scout.CodeDecoderTimeout {
		t.Errorf("got %v", err)
	}
}

// When the context ends or the reader is closed, ffmpeg ends with everything it started.
func TestFFmpegEndsWithItsReader(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"cancel", "close"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			// All processes hold the pipe open for writing: its end is theirs.
			alive := filepath.Join(t.TempDir(), "alive")
			if err := syscall.Mkfifo(alive, 0o600); err != nil {
				t.Fatal(err)
			}
			end, err := os.OpenFile(alive, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer end.Close() //nolint:errcheck // read only
			body := "exec 9>'" + alive + "'; sleep 1000 & echo here >&9; cat '" + sound(t) + "'; wait"
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r, err := file.Open(ctx, m4a(t), file.Options{FFmpeg: executable(t, "#!/bin/sh\n"+body)})
			if err != nil {
				t.Fatal(err)
			}
			if how == "cancel" {
				cancel()
				if _, err := drain(r); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			}
			closeReader(t, r)
			if err := end.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if said, err := io.ReadAll(end); err != nil || string(said) != "here\n" {
				t.Errorf("said %q, then %v: want the end of all processes", said, err)
			}
		})
	}
}

func TestFFmpegThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	_, err := file.Open(context.Background(), m4a(t), file.Options{FFmpeg: filepath.Join(t.TempDir(), "ffmpeg")})
	if scout.CodeOf(err) != scout.CodeDecoderMissing {
		t.Errorf("got %v", err)
	}
	// MP3 is read all the same.
	samples, _ := readFile(t, speech(t, "libri_1272-141231-0002.mp3"), file.Options{FFmpeg: executable(t, "#!/bin/sh\nexit 127\n")})
	if len(samples) < 13*16000 {
		t.Errorf("%d samples", len(samples))
	}
}

func TestFormatsOfFFmpeg(t *testing.T) {
	t.Parallel()
	source := wavFile(audio.Int16, 48000, 2, hum(48000, 2*48000, 2))
	tests := []struct {
		name, container, codec string
		args                   []string
	}{
		{"a.m4a", "mp4", "aac", []string{"-c:a", "aac", "-b:a", "96k"}},
		{"a.opus", "ogg", "opus", []string{"-c:a", "libopus"}},
		{"a.webm", "webm", "opus", []string{"-c:a", "libopus"}},
		{"a.aiff", "aiff", "pcm_s16be", nil},
		{"a.aac", "aac", "aac", []string{"-c:a", "aac", "-b:a", "96k"}},
		{"a.wma", "asf", "wmav2", nil},
		{"adpcm.wav", "wav", "adpcm_ms", []string{"-c:a", "adpcm_ms"}},
		{"24k.flac", "flac", "flac", []string{"-ar", "24000"}},
		{"25.mp3", "mp3", "mp3", []string{"-c:a", "libmp3lame", "-ar", "12000"}},
		{"oggflac.ogg", "ogg", "flac", []string{"-c:a", "flac"}},
		{"-i:a %d [x].m4a", "mp4", "aac", []string{"-c:a", "aac", "-b:a", "96k"}},
	}
	want := hum(16000, 2*16000, 1)
	if raceDetector {
		tests = tests[:3]
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, info := readFile(t, convert(t, source, test.name, test.args...), file.Options{})
			if info.Container != test.container || info.Codec != test.codec || len(info.Warnings) > 0 {
				t.Errorf("info %+v, want %s, %s and no warnings", info, test.container, test.codec)
			}
			if d := len(got) - len(want); d < -2000 || d > 2500 {
				t.Errorf("%d samples, want about %d", len(got), len(want))
			}
			if c, lag := correlation(want, got); c < 0.98 {
				t.Errorf("correlation %.3f at lag %d", c, lag)
			}
		})
	}
}

// Packets that are missing, as browsers leave them out where nobody speaks, become silence.
func TestHolesInTimeBecomeSilence(t *testing.T) {
	t.Parallel()
	whole := convert(t, wavFile(audio.Int16, 48000, 1, hum(48000, 6*48000, 1)), "whole.webm", "-c:a", "libopus")
	holes := convert(t, contents(t, whole), "holes.webm", "-c", "copy", "-bsf:a", "noise=drop=between(n\\,100\\,200)")
	want, _ := readFile(t, whole, file.Options{})
	got, _ := readFile(t, holes, file.Options{})
	if d := len(got) - len(want); d < -320 || d > 320 {
		t.Fatalf("%d samples, want %d", len(got), len(want))
	}
	quiet := 0
	for i := range got {
		if got[i] == 0 {
			quiet++
		}
	}
	if quiet < 20000 {
		t.Errorf("%d samples of silence, want some 32,000: nothing was taken out", quiet)
	}
	if c, lag := correlation(want[len(want)-16000:], got[len(want)-16000:]); c < 0.98 || lag > 40 || lag < -40 {
		t.Errorf("the end correlates by %.3f at lag %d", c, lag)
	}
}

func TestVideo(t *testing.T) {
	t.Parallel()
	source := wavFile(audio.Int16, 48000, 1, hum(48000, 48000, 1))
	with := convert(t, source, "with.mp4", "-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=1", "-c:v", "mpeg4", "-c:a", "aac", "-shortest")
	if samples, _ := readFile(t, with, file.Options{}); len(samples) < 15000 {
		t.Errorf("%d samples", len(samples))
	}
	without := convert(t, source, "without.mp4", "-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=1", "-c:v", "mpeg4", "-map", "1:v")
	_, err := file.Open(context.Background(), without, file.Options{})
	if scout.CodeOf(err) != scout.CodeAudioEmpty {
		t.Errorf("without sound: %v", err)
	}
	low := convert(t, source, "low.mka", "-ar", "1000", "-c:a", "pcm_s16le")
	if _, err := file.Open(context.Background(), low, file.Options{}); scout.CodeOf(err) != scout.CodeAudioUnsupported {
		t.Errorf("1 kHz: %v", err)
	}
}

// Nothing but the file itself is opened, whatever it says: neither by list nor by reference.
func TestPlaylistsOpenNothing(t *testing.T) {
	t.Parallel()
	needFFmpeg(t)
	folder := t.TempDir()
	secret := filepath.Join(folder, "secret.wav")
	if err := os.WriteFile(secret, wavFile(audio.Int16, 16000, 1, hum(16000, 16000, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	// Bytes that are no text at the end get the lists past the first look, to ffmpeg.
	for name, text := range map[string]string{
		"hls":    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n#\x01\n",
		"concat": "ffconcat version 1.0\nfile secret.wav\n#\x01\n",
		"dash":   "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"x\">\x01</MPD>",
	} {
		path := filepath.Join(folder, name+".mp4")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := file.Open(context.Background(), path, file.Options{})
		if err == nil {
			samples, _ := drain(r)
			t.Errorf("%s: opened, with %d samples", name, len(samples))
			closeReader(t, r)
		} else if scout.CodeOf(err) != scout.CodeAudioUnsupported {
			t.Errorf("%s: %v (code %s)", name, err, scout.CodeOf(err))
		}
	}
}

func TestTemporaryFileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	needFFmpeg(t)
	src := strings.NewReader("\x00\x00\x00\x20ftypM4A ")
	_, err := file.New(context.Background(), onlyReader{io.Reader(src)}, "-", file.Options{TempDir: filepath.Join(t.TempDir(), "missing")})
	if code := scout.CodeOf(err); code != scout.CodeFileNotFound && code != scout.CodeWriteFailed {
		t.Errorf("%v (code %s)", err, code)
	}
}

// Bare streams are named without ffprobe: as it names them, damaged or behind something else, too.
func TestNamesOfBareStreams(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("needs ffprobe, which comes with ffmpeg (make setup installs it)")
	}
	files := map[string]string{
		"AAC": adts, "AAC of another rate": adts2, "AC-3": ac3, "AC-3 of another rate": ac3Two, "E-AC-3": eac3, "DTS": dts, "MP2": mp2,
		"LATM": loas, "MLP": "-c:a mlp -strict -2 mlp", "TrueHD": "-c:a truehd -strict -2 -f truehd thd", "SBC": "-c:a sbc sbc",
	}
	for name, args := range testrun.SomeOf(t, files, "AAC", "AC-3", "E-AC-3", "DTS", "MP2", "LATM", "MLP", "TrueHD", "SBC") {
		content := m.of(t, signalA, args)
		form := []string{}
		if args == "-c:a sbc sbc" {
			form = []string{"-f", "sbc"} // it is not recognised by its content
		}
		ask := slices.Concat(form, []string{"-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", write(t, "whole", content)})
		answer, err := exec.Command(ffprobe, ask...).Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSpace(string(answer))
		hurt := bytes.Clone(content)
		clear(hurt[len(hurt)/2 : len(hurt)/2+len(hurt)/20])
		states := map[string][]byte{"whole": content, "damaged": hurt, "cut off": content[:len(content)*2/3], "behind a tag": join(id3v2(), content)}
		if args != adts && args != ac3 && args != loas {
			states = testrun.SomeOf(t, states, "damaged")
		}
		for state, c := range states {
			t.Run(name+", "+state, func(t *testing.T) {
				t.Parallel()
				// A program beside which there is no ffprobe.
				alone := executable(t, fmt.Sprintf("#!/bin/sh\nexec %q \"$@\"\n", needFFmpeg(t)))
				if _, info := readFile(t, write(t, "x", c), file.Options{FFmpeg: alone}); info.Codec != want {
					t.Errorf("%s, want %s", info.Codec, want)
				}
			})
		}
	}
}
