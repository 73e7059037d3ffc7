package file_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// Every recording is as long as its manifest says, decoded with ffmpeg and without.
func TestSpeechHasItsLength(t *testing.T) {
	t.Parallel()
	manifest := csv.NewReader(bytes.NewReader(contents(t, speech(t, "manifest.tsv"))))
	manifest.Comma, manifest.LazyQuotes = '\t', true
	rows, err := manifest.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		name, codec := row[0], row[7]
		seconds, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		for _, ffmpeg := range []string{"", file.NoFFmpeg} {
			if ffmpeg == "" && (codec == "pcm_s16le" || codec == "flac") {
				continue // not used for them
			}
			if raceDetector && seconds > 10 && codec != "pcm_s16le" {
				continue
			}
			t.Run(name+ffmpeg, func(t *testing.T) {
				t.Parallel()
				switch {
				case ffmpeg == "":
					needFFmpeg(t)
				case codec == "opus" || codec == "aac":
					if r, err := file.Open(t.Context(), filepath.Join(speechDir, name), file.Options{FFmpeg: ffmpeg}); scout.CodeOf(err) != scout.CodeDecoderMissing {
						t.Errorf("%v, %v: want %s", r, err, scout.CodeDecoderMissing)
					}
					return
				}
				samples, info := readFile(t, filepath.Join(speechDir, name), file.Options{FFmpeg: ffmpeg})
				if got := float64(len(samples)) / 16000; math.Abs(got-seconds) > 0.05 {
					t.Errorf("%.3f s of audio, want %.3f", got, seconds)
				}
				if math.Abs(info.Duration.Seconds()-seconds) > 0.05 || info.Codec != codec || len(info.Warnings) > 0 {
					t.Errorf("info %+v, want %s of %.3f s without warnings", info, codec, seconds)
				}
			})
		}
	}
}

func TestVariantsOfOneRecordingAgree(t *testing.T) {
	t.Parallel()
	want, _ := readFile(t, speech(t, "jfk_16k_mono.wav"), file.Options{})
	tests := []struct {
		name, ffmpeg string
		least        float64
		lag          int
	}{
		{"jfk_16k_mono.mp3", file.NoFFmpeg, 0.99, 2},
		{"jfk_16k_mono.mp3", "", 0.99, 2},
		{"jfk_44k_stereo.flac", file.NoFFmpeg, 0.99, 800},
		{"jfk_44k_mono.m4a", "", 0.97, 800},
	}
	for _, test := range tests {
		t.Run(test.name+test.ffmpeg, func(t *testing.T) {
			t.Parallel()
			if test.ffmpeg == "" {
				needFFmpeg(t)
			}
			got, _ := readFile(t, speech(t, test.name), file.Options{FFmpeg: test.ffmpeg})
			c, lag := correlation(want, got)
			t.Logf("correlation %.4f at %d samples", c, lag)
			if c < test.least || lag > test.lag || lag < -test.lag {
				t.Errorf("correlation %.4f at %d samples, want %.2f within %d", c, lag, test.least, test.lag)
			}
		})
	}
}

// What is decoded here is what ffmpeg decodes.
func TestDecodersAgreeWithFFmpeg(t *testing.T) {
	t.Parallel()
	source := wavFile(audio.Int16, 44100, 2, hum(44100, 2*44100, 2))
	tests := []struct {
		name string
		args []string
	}{
		{"a.mp3", []string{"-c:a", "libmp3lame", "-b:a", "128k"}},
		{"mono.mp3", []string{"-c:a", "libmp3lame", "-ac", "1", "-ar", "22050"}},
		{"32k.mp3", []string{"-c:a", "libmp3lame", "-ar", "22050", "-b:a", "32k"}},
		{"24kHz.mp3", []string{"-c:a", "libmp3lame", "-ar", "24000", "-q:a", "2"}},
		{"vbr.mp3", []string{"-c:a", "libmp3lame", "-q:a", "4"}},
		{"notag.mp3", []string{"-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0"}},
		{"a.ogg", []string{"-c:a", "libvorbis"}},
		{"a.flac", []string{"-c:a", "flac"}},
		{"24bit.flac", []string{"-c:a", "flac", "-sample_fmt", "s32"}},
		{"48k.wav", []string{"-ar", "48000", "-c:a", "pcm_s24le"}},
	}
	if raceDetector {
		tests = tests[:3]
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := convert(t, source, test.name, test.args...)
			want, _ := readFile(t, convert(t, contents(t, path), "w.wav", "-c:a", "pcm_f32le"), file.Options{})
			got, info := readFile(t, path, file.Options{FFmpeg: file.NoFFmpeg})
			if len(info.Warnings) > 0 {
				t.Errorf("warnings %q", info.Warnings)
			}
			if d := len(got) - len(want); d < -20 || d > 20 {
				t.Errorf("%d samples, ffmpeg has %d", len(got), len(want))
			}
			var diff float64
			for i := range min(len(got), len(want)) {
				diff = max(diff, math.Abs(float64(got[i]-want[i])))
			}
			if diff > 2e-3 {
				c, lag := correlation(want, got)
				t.Errorf("samples differ by %v, correlation %.5f at lag %d", diff, c, lag)
			}
		})
	}
}

func TestEveryRateAndChannelCount(t *testing.T) {
	t.Parallel()
	const part, edge = 8, 500 // of a second; samples at both ends, where the filter has no neighbours
	want := hum(16000, 16000/part, 1)
	for _, rate := range []int{7350, 8000, 11025, 16000, 44100, 44101, 48000, 96000, 192000, 384000} {
		mono := hum(rate, rate/part, 1)
		for _, channels := range []int{1, 2, 6, 64} {
			all := make([]float32, 0, len(mono)*channels)
			for _, v := range mono {
				for range channels {
					all = append(all, v)
				}
			}
			samples, info := readFile(t, write(t, "a.wav", wavFile(audio.Int16, rate, channels, all)), file.Options{})
			if length := int(math.Round(float64(rate/part) * 16000 / float64(rate))); len(samples) != length {
				t.Errorf("%d Hz, %d channels: %d samples, want %d", rate, channels, len(samples), length)
			}
			for i := edge; i < len(want)-edge; i++ {
				if math.Abs(float64(samples[i]-want[i])) > 1e-4 {
					t.Errorf("%d Hz, %d channels: sample %d is %v, want %v", rate, channels, i, samples[i], want[i])
					break
				}
			}
			if info.SampleRateHz != rate || info.Channels != channels || info.Container != "wav" || info.Codec != "pcm_s16le" {
				t.Errorf("info %+v", info)
			}
		}
	}
}

// At 16 kHz mono nothing is computed: the samples are those of the file.
func TestEngineRatePassesBitExactly(t *testing.T) {
	t.Parallel()
	want := hum(16000, 20000, 1)
	got, _ := readFile(t, write(t, "a.wav", wavFile(audio.Float32, 16000, 1, want)), file.Options{})
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("sample %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(i*i*7>>3) ^ byte(i>>2)
	}
	playlist := []byte("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nsegment.ts\n#EXT-X-ENDLIST\n")
	flacBytes := flacFile(t, 16000, hum(16000, 16000, 1))
	tests := []struct {
		name    string
		content []byte
		want    scout.Code
	}{
		{"empty.wav", nil, scout.CodeAudioEmpty},
		{"text.wav", []byte("Dear diary, this is not a recording.\n"), scout.CodeAudioUnsupported},
		{"utf16.mp3", []byte("\xFF\xFED\x00e\x00a\x00r\x00 \x00d\x00i\x00a\x00r\x00y\x00"), scout.CodeAudioUnsupported},
		{"noise.mp3", noise, scout.CodeAudioUnsupported},
		{"list.m3u8", playlist, scout.CodeAudioUnsupported},
		{"list.mp4", playlist, scout.CodeAudioUnsupported},
		{"list in disguise.mp4", append(bytes.Clone(playlist), 0, 1, 2), scout.CodeAudioUnsupported},
		{"concat.wav", []byte("ffconcat version 1.0\nfile secret.wav\n"), scout.CodeAudioUnsupported},
		{"dash.mp4", []byte("<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>"), scout.CodeAudioUnsupported},
		{"0 Hz.wav", append(wavHeader(1, 2, 0, 1, 4), 1, 2, 3, 4), scout.CodeAudioCorrupt},
		{"1000 channels.wav", append(wavHeader(1, 2, 16000, 1000, 4), 1, 2, 3, 4), scout.CodeAudioUnsupported},
		{"1 kHz.wav", append(wavHeader(1, 2, 1000, 1, 4), 1, 2, 3, 4), scout.CodeAudioUnsupported},
		{"header.wav", wavHeader(1, 2, 16000, 1, 0), scout.CodeAudioEmpty},
		{"a fifth of a sample.wav", append(wavHeader(1, 2, 96000, 1, 2), 1, 2), scout.CodeAudioEmpty},
		{"half a header.wav", wavHeader(1, 2, 16000, 1, 0)[:30], scout.CodeAudioCorrupt},
		{"header.flac", flacBytes[:42], scout.CodeAudioEmpty},
		{"half a header.flac", flacBytes[:20], scout.CodeAudioCorrupt},
		{"no frame.flac", append(bytes.Clone(flacBytes[:42]), noise...), scout.CodeAudioCorrupt},
		{"half an ID3 tag.mp3", []byte("ID3\x04\x00\x00\x00\x00\x10\x00abc"), scout.CodeAudioCorrupt},
		{"NaN.wav", wavFile(audio.Float32, 16000, 1, []float32{float32(math.NaN()), float32(math.Inf(1))}), scout.CodeAudioInvalidSamples},
		{"half.m4a", []byte("\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00M4A mp42isom\x00\x00\x00\x00"), scout.CodeAudioCorrupt},
	}
	for _, test := range tests {
		for _, ffmpeg := range []string{"", file.NoFFmpeg} {
			t.Run(test.name+" "+ffmpeg, func(t *testing.T) {
				t.Parallel()
				want := test.want
				if strings.HasSuffix(test.name, ".m4a") {
					if ffmpeg != "" {
						want = scout.CodeDecoderMissing
					} else {
						needFFmpeg(t)
					}
				}
				r, err := file.Open(context.Background(), write(t, test.name, test.content), file.Options{FFmpeg: ffmpeg})
				if err == nil {
					_, err = drain(r)
					if closeErr := r.Close(); closeErr != nil {
						t.Error(closeErr)
					}
				}
				if scout.CodeOf(err) != want {
					t.Fatalf("%v (code %s), want code %s", err, scout.CodeOf(err), want)
				}
				if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), test.name) {
					t.Errorf("not one line that names the file: %q", err)
				}
				t.Log(err)
			})
		}
	}
}

func TestBadPaths(t *testing.T) {
	t.Parallel()
	if testrun.AsNobody(t) {
		return
	}
	folder := t.TempDir()
	locked := write(t, "locked.wav", wavFile(audio.Int16, 16000, 1, hum(16000, 100, 1)))
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		want       scout.Code
	}{
		{"missing", filepath.Join(folder, "missing.wav"), scout.CodeFileNotFound},
		{"below a file", filepath.Join(locked, "below.wav"), scout.CodeFileNotFound},
		{"directory", folder, scout.CodeFileIsDirectory},
		{"no permission", locked, scout.CodeFilePermission},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := file.Open(context.Background(), test.path, file.Options{}); scout.CodeOf(err) != test.want {
				t.Errorf("%v (code %s), want code %s", err, scout.CodeOf(err), test.want)
			}
		})
	}
}

func TestNonFiniteSamplesAreReplacedAndCounted(t *testing.T) {
	t.Parallel()
	samples := hum(16000, 16000, 1)
	samples[10], samples[20], samples[30], samples[40] = float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 30
	got, info := readFile(t, write(t, "a.wav", wavFile(audio.Float32, 16000, 1, samples)), file.Options{})
	if got[10] != 0 || got[20] != 1 || got[30] != -1 || got[40] != 1 {
		t.Errorf("became %v, %v, %v, %v", got[10], got[20], got[30], got[40])
	}
	if info.NonFinite != 3 || len(info.Warnings) != 2 {
		t.Errorf("info %+v, want 3 samples and two warnings", info)
	}
}

// A file that becomes shorter while it is read gives what was read and says so.
func TestShrinkingFile(t *testing.T) {
	t.Parallel()
	path := write(t, "a.wav", wavFile(audio.Int16, 16000, 1, hum(16000, 400000, 1)))
	r, err := file.Open(context.Background(), path, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeReader(t, r)
	if err := os.Truncate(path, 500000); err != nil {
		t.Fatal(err)
	}
	samples, err := drain(r)
	if scout.CodeOf(err) != scout.CodeReadFailed || len(samples) != (500000-44)/2 {
		t.Errorf("%d samples, then %v; want %d and %s", len(samples), err, (500000-44)/2, scout.CodeReadFailed)
	}
}

func TestBrokenStream(t *testing.T) {
	t.Parallel()
	broken := errors.New("cable pulled")
	content := flacFile(t, 16000, hum(16000, 10*flacBlock, 1))
	src := io.MultiReader(bytes.NewReader(content[:len(content)/2]), failing{broken})
	r, err := file.New(context.Background(), src, "standard input", file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeReader(t, r)
	samples, err := drain(r)
	if len(samples) == 0 || len(samples)%flacBlock != 0 || scout.CodeOf(err) != scout.CodeReadFailed || !errors.Is(err, broken) {
		t.Errorf("%d samples, then %v", len(samples), err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func closeReader(t *testing.T, r *file.Reader) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// A stream gives what the file gives, whatever decodes it, and leaves no temporary file.
func TestStreams(t *testing.T) {
	t.Parallel()
	source := wavFile(audio.Int16, 24000, 1, hum(24000, 24000, 1))
	tests := []struct {
		name, ffmpeg string
		args         []string
	}{
		{"a.wav", file.NoFFmpeg, nil},
		{"a.flac", file.NoFFmpeg, []string{"-ar", "16000"}},
		{"a.mp3", file.NoFFmpeg, []string{"-c:a", "libmp3lame"}},
		{"a.ogg", file.NoFFmpeg, []string{"-c:a", "libvorbis"}},
		{"a.m4a", "", []string{"-c:a", "aac"}},
		{"adpcm.wav", "", []string{"-c:a", "adpcm_ms"}},
	}
	for _, test := range tests {
		t.Run(test.name+test.ffmpeg, func(t *testing.T) {
			t.Parallel()
			path := convert(t, source, test.name, test.args...)
			want, _ := readFile(t, path, file.Options{FFmpeg: test.ffmpeg})
			temp := t.TempDir()
			r, err := file.New(context.Background(), onlyReader{bytes.NewReader(contents(t, path))}, "-", file.Options{FFmpeg: test.ffmpeg, TempDir: temp})
			if err != nil {
				t.Fatal(err)
			}
			got, err := drain(r)
			if err != nil {
				t.Fatal(err)
			}
			closeReader(t, r)
			closeReader(t, r) // twice is once
			if n, err := r.Read(make([]float32, 10)); n != 0 || err == nil {
				t.Errorf("after Close: %d, %v", n, err)
			}
			if len(got) != len(want) {
				t.Errorf("%d samples, from the file %d", len(got), len(want))
			}
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("sample %d is %v, from the file %v", i, got[i], want[i])
				}
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("left in the temporary folder: %v, %v", left, err)
			}
		})
	}
}

type onlyReader struct{ io.Reader }

func TestCancelledContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := file.Open(ctx, write(t, "a.wav", wavFile(audio.Int16, 16000, 1, hum(16000, 400000, 1))), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeReader(t, r)
	cancel()
	if _, err := drain(r); scout.CodeOf(err) != scout.CodeCancelled {
		t.Errorf("got %v", err)
	}
}

// An hour takes no more memory than a minute.
func TestMemoryDoesNotGrowWithLength(t *testing.T) {
	const rate = 8000
	heap := func(d time.Duration) uint64 {
		frames := int64(d.Seconds() * rate)
		src := io.MultiReader(bytes.NewReader(wavHeader(1, 2, rate, 1, uint32(2*frames))), io.LimitReader(ramp{}, 2*frames))
		r, err := file.New(context.Background(), src, "generated", file.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer closeReader(t, r)
		buf := make([]float32, 16000)
		var most uint64
		var read int64
		for blocks := 0; ; blocks++ {
			n, err := r.Read(buf)
			read += int64(n)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if blocks%500 == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
		if want := int64(math.Round(d.Seconds() * 16000)); read != want {
			t.Errorf("%v: %d samples, want %d", d, read, want)
		}
		return most
	}
	long := time.Hour
	if raceDetector {
		long = 5 * time.Minute
	}
	short, most := heap(time.Minute), heap(long)
	t.Logf("heap at most %d KiB for a minute, %d KiB for %v", short>>10, most>>10, long)
	if most > short+256<<10 {
		t.Errorf("heap of %d KiB for a minute, %d KiB for %v", short>>10, most>>10, long)
	}
}

// ramp is an endless sound.
type ramp struct{}

func (ramp) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i)
	}
	return len(p), nil
}

func TestReadAllocatesNothing(t *testing.T) {
	src := io.MultiReader(bytes.NewReader(wavHeader(1, 2, 48000, 2, 0)), ramp{})
	r, err := file.New(context.Background(), src, "generated", file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeReader(t, r)
	buf := make([]float32, 1600)
	if allocs := testing.AllocsPerRun(200, func() {
		if _, err := r.Read(buf); err != nil {
			t.Error(err)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations per block", allocs)
	}
}
