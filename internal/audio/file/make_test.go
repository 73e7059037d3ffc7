package file_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) {
	suite := testrun.Contain(m)
	dir, err := os.MkdirTemp("", "scout-file-")
	if err != nil {
		panic(err)
	}
	shared.dir = dir
	goleak.VerifyTestMain(suite, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(dir); err != nil {
			panic(err)
		}
		os.Exit(code)
	}))
}

// speechDir holds recordings of all formats, beside the repository.
const speechDir = "../../../../shared/speech/dev"

// speech returns the path of a recording, or skips the test.
func speech(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(speechDir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs the speech recordings: %v", err)
	}
	return path
}

// needFFmpeg returns the program, or skips the test.
func needFFmpeg(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("needs ffmpeg on the PATH (make setup installs it)")
	}
	return path
}

// wavFile returns a WAV file of interleaved samples.
func wavFile(enc audio.Encoding, rate, channels int, samples []float32) []byte {
	tag := uint16(1)
	if enc.Float() {
		tag = 3
	}
	data := make([]byte, len(samples)*enc.Bytes())
	audio.Encode(data, samples, enc)
	return append(wavHeader(tag, enc.Bytes(), rate, channels, uint32(len(data))), data...)
}

func wavHeader(tag uint16, size, rate, channels int, data uint32) []byte {
	b := []byte("RIFF")
	b = binary.LittleEndian.AppendUint32(b, data+36)
	b = append(b, "WAVEfmt \x10\x00\x00\x00"...)
	b = binary.LittleEndian.AppendUint16(b, tag)
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*channels*size))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels*size))
	b = binary.LittleEndian.AppendUint16(b, uint16(8*size))
	return binary.LittleEndian.AppendUint32(append(b, "data"...), data)
}

// flacBlock is the frames in a FLAC frame of flacFile.
const flacBlock = 4096

// flacFile returns a 16-bit FLAC file of mono samples at rate.
func flacFile(t testing.TB, rate int, samples []float32) []byte {
	t.Helper()
	var out bytes.Buffer
	info := &meta.StreamInfo{
		BlockSizeMin: flacBlock, BlockSizeMax: flacBlock, SampleRate: uint32(rate), NChannels: 1,
		BitsPerSample: 16, NSamples: uint64(len(samples)),
	}
	enc, err := flac.NewEncoder(&out, info)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(samples); n += flacBlock {
		block := samples[n:min(n+flacBlock, len(samples))]
		sub := &frame.Subframe{SubHeader: frame.SubHeader{Pred: frame.PredVerbatim}, NSamples: len(block)}
		for _, v := range block {
			sub.Samples = append(sub.Samples, int32(math.RoundToEven(float64(v)*32768)))
		}
		err := enc.WriteFrame(&frame.Frame{
			Header: frame.Header{
				HasFixedBlockSize: true, BlockSize: uint16(len(block)), SampleRate: uint32(rate),
				Channels: frame.ChannelsMono, BitsPerSample: 16, Num: uint64(n / flacBlock),
			},
			Subframes: []*frame.Subframe{sub},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// hum is a tone with a slow change of level, so that every place is its own.
//
//go:norace
func hum(rate, frames, channels int) []float32 {
	samples := make([]float32, frames*channels)
	for i := range frames {
		at := float64(i) / float64(rate)
		v := float32((0.2 + 0.1*at/(at+5)) * math.Sin(2*math.Pi*(300+20*at)*at))
		for c := range channels {
			samples[i*channels+c] = v
		}
	}
	return samples
}

// write puts content into a file of a fresh folder.
func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func contents(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// convert has ffmpeg make a file; args stand between input and output.
func convert(t testing.TB, input []byte, name string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	all := append([]string{"-nostdin", "-loglevel", "error", "-y", "-i", write(t, "in.wav", input)}, args...)
	cmd := exec.Command(needFFmpeg(t), append(all, "file:"+out)...)
	if said, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(said), "Unknown encoder") {
			t.Skipf("this ffmpeg has no encoder for it: %s", said)
		}
		t.Fatalf("%v: %s", err, said)
	}
	return out
}

// drain reads to the end.
func drain(r *file.Reader) ([]float32, error) {
	var all []float32
	buf := make([]float32, 5000)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// readFile opens, reads and closes a file that must be readable.
func readFile(t testing.TB, path string, opts file.Options) ([]float32, file.Info) {
	t.Helper()
	r, err := file.Open(context.Background(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	samples, err := drain(r)
	if err != nil {
		t.Fatal(err)
	}
	info := r.Info()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return samples, info
}

// correlation returns the greatest normalised correlation of two recordings within 50 ms, and the lag
// of b in samples. The race detector would watch each of millions of products; so it is with the other loops over samples of these tests,
// which nobody shares.
//
//go:norace
func correlation(a, b []float32) (best float64, lag int) {
	const reach = 800
	for shift := -reach; shift <= reach; shift += 2 {
		var ab, aa, bb float64
		for i := reach; i < min(len(a), len(b))-reach; i += 7 {
			x, y := float64(a[i]), float64(b[i+shift])
			ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		}
		if c := ab / math.Sqrt(aa*bb+1e-30); c > best {
			best, lag = c, shift
		}
	}
	return best, lag
}

// prefix returns the beginning of a recording; false when there is none.
func prefix(name string, n int) ([]byte, bool) {
	b, err := os.ReadFile(filepath.Join(speechDir, name))
	if err != nil {
		return nil, false
	}
	return b[:min(n, len(b))], true
}

// messages joins what warnings say.
func messages(warnings []scout.Warning) string {
	var all []string
	for _, w := range warnings {
		all = append(all, w.Message)
	}
	return strings.Join(all, "; ")
}
