package file_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
)

// ramp16 is a tone of 16-bit samples. A slow one would lose a part to the removal of offsets.
func ramp16(n int) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(8192 * math.Sin(float64(i)/3))
	}
	return out
}

// TestRawFormats reads the same sound in each encoding, as a file and as a stream.
func TestRawFormats(t *testing.T) {
	t.Parallel()
	samples := ramp16(16000)
	encode := func(put func([]byte, int16) []byte) []byte {
		var out []byte
		for _, s := range samples {
			out = put(out, s)
		}
		return out
	}
	little, big := binary.LittleEndian, binary.BigEndian
	float := func(s int16) float32 { return float32(s) / 32768 }
	for name, c := range map[string]struct {
		data []byte
		off  float64 // how far a sample may be off
	}{
		"s16le:16000:1": {encode(func(b []byte, s int16) []byte { return little.AppendUint16(b, uint16(s)) }), 0},
		"S16_LE:16000":  {encode(func(b []byte, s int16) []byte { return little.AppendUint16(b, uint16(s)) }), 0},
		"s16be:16000:1": {encode(func(b []byte, s int16) []byte { return big.AppendUint16(b, uint16(s)) }), 0},
		"s24le:16000:1": {encode(func(b []byte, s int16) []byte { return append(b, 0, byte(s), byte(s>>8)) }), 0},
		"s24be:16000:1": {encode(func(b []byte, s int16) []byte { return append(b, byte(s>>8), byte(s), 0) }), 0},
		"s32le:16000:1": {encode(func(b []byte, s int16) []byte { return little.AppendUint32(b, uint32(int32(s)<<16)) }), 0},
		"s32be:16000:1": {encode(func(b []byte, s int16) []byte { return big.AppendUint32(b, uint32(int32(s)<<16)) }), 0},
		"f32le:16000:1": {encode(func(b []byte, s int16) []byte { return little.AppendUint32(b, math.Float32bits(float(s))) }), 0},
		"f32be:16000:1": {encode(func(b []byte, s int16) []byte { return big.AppendUint32(b, math.Float32bits(float(s))) }), 0},
		"f64le:16000:1": {encode(func(b []byte, s int16) []byte { return little.AppendUint64(b, math.Float64bits(float64(float(s)))) }), 0},
		"f64be:16000:1": {encode(func(b []byte, s int16) []byte { return big.AppendUint64(b, math.Float64bits(float64(float(s)))) }), 0},
		"u8:16000:1":    {encode(func(b []byte, s int16) []byte { return append(b, byte(s>>8)+128) }), 1. / 127},
		"s8:16000:1":    {encode(func(b []byte, s int16) []byte { return append(b, byte(s>>8)) }), 1. / 127},
	} {
		raw, err := file.ParseRawFormat(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		open := map[string]func() (*file.Reader, error){
			"stream": func() (*file.Reader, error) {
				return file.New(t.Context(), onlyReader{bytes.NewReader(c.data)}, "-", file.Options{Raw: &raw})
			},
			"file": func() (*file.Reader, error) {
				return file.Open(t.Context(), write(t, "a.raw", c.data), file.Options{Raw: &raw})
			},
		}
		for how, open := range open {
			r, err := open()
			if err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
				continue
			}
			got, err := drain(r)
			if err != nil || len(got) != len(samples) || len(r.Info().Warnings) > 0 {
				t.Errorf("%s, %s: %d samples, %v, %v", name, how, len(got), err, r.Info().Warnings)
			}
			for i := range min(len(got), len(samples)) {
				if d := math.Abs(float64(got[i] - float(samples[i]))); d > c.off+0.005 {
					t.Errorf("%s, %s: sample %d is %v, want %v", name, how, i, got[i], float(samples[i]))
					break
				}
			}
			closeReader(t, r)
		}
	}
}

func TestRawFormatsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "s16le", "s17le:16000:1", "s16le:fast:1", "s16le:16000:many", "s16le:16000:1:2", "s16le:1:1", "s16le:16000:0", "s16le:-16000:1", ":16000:1"} {
		if f, err := file.ParseRawFormat(text); scout.CodeOf(err) != scout.CodeInvalidArgument || scout.HintOf(err) == "" || strings.Contains(err.Error(), "strconv") {
			t.Errorf("%q = %v, %v", text, f, err)
		}
	}
}

// TestLawsAreRead: G.711 silence and full scale.
func TestLawsAreRead(t *testing.T) {
	t.Parallel()
	for name, silence := range map[string]byte{"mulaw:8000": 0xFF, "alaw:8000": 0xD5, "PCMU:8000:1": 0xFF} {
		raw, err := file.ParseRawFormat(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := file.New(t.Context(), bytes.NewReader(bytes.Repeat([]byte{silence}, 8000)), "-", file.Options{Raw: &raw})
		if err != nil {
			t.Fatal(err)
		}
		got, err := drain(r)
		if err != nil || len(got) != 16000 || math.Abs(float64(slices.Max(got))) > 0.001 {
			t.Errorf("%s: %d samples, %v", name, len(got), err)
		}
		closeReader(t, r)
	}
}

// TestRawCutInsideASample: what is whole is read, and it is said.
func TestRawCutInsideASample(t *testing.T) {
	t.Parallel()
	raw, err := file.ParseRawFormat("s16le:16000:2")
	if err != nil {
		t.Fatal(err)
	}
	r, err := file.New(t.Context(), bytes.NewReader(make([]byte, 4*16000+3)), "-", file.Options{Raw: &raw})
	if err != nil {
		t.Fatal(err)
	}
	defer closeReader(t, r)
	if got, err := drain(r); err != nil || len(got) != 16000 || len(r.Info().Warnings) == 0 {
		t.Errorf("%d samples, %v, %v", len(got), err, r.Info().Warnings)
	}
}

// endless counts what is read of a pattern without end.
type endless struct {
	pattern []byte
	read    int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.pattern[(e.read+i)%len(e.pattern)]
	}
	e.read += len(p)
	return len(p), nil
}

// TestStreamsOfUnknownBytes are refused after their beginning, with nothing on the disk.
func TestStreamsOfUnknownBytes(t *testing.T) {
	t.Parallel()
	var speech []byte
	for _, s := range ramp16(4000) {
		speech = binary.LittleEndian.AppendUint16(speech, uint16(s))
	}
	noise := make([]byte, 1<<16)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for name, pattern := range map[string][]byte{
		"zeros": {0}, "ones": {1}, "0xAA": {0xAA}, "16-bit samples": speech, "noise": noise,
		"text": []byte("all work and no play\n"), "a shell's answer": []byte("y\n"),
	} {
		temp, source := t.TempDir(), &endless{pattern: pattern}
		_, err := file.New(t.Context(), source, "standard input", file.Options{TempDir: temp})
		if scout.CodeOf(err) != scout.CodeAudioUnsupported || scout.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
		if left, dirErr := os.ReadDir(temp); source.read > 64_000 || len(left) > 0 || dirErr != nil {
			t.Errorf("%s: %d bytes were read, left: %v", name, source.read, left)
		}
	}
}

// TestSpoolIsBounded: a stream that must become a file stops at the limit, and nothing is left.
func TestSpoolIsBounded(t *testing.T) {
	t.Parallel()
	needFFmpeg(t)
	temp := t.TempDir()
	beginning := append([]byte("caff\x00\x01\x00\x00"), make([]byte, 1000)...)
	source := io.MultiReader(bytes.NewReader(beginning), &endless{pattern: []byte{0}})
	_, err := file.New(t.Context(), source, "standard input", file.Options{TempDir: temp, SpoolLimit: 40 << 20})
	if err == nil || !strings.Contains(err.Error(), "larger than 40 MB") {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestSpoolFolderThatIsMissing is named, with the variable that names it.
func TestSpoolFolderThatIsMissing(t *testing.T) {
	t.Parallel()
	needFFmpeg(t)
	there := write(t, "file", []byte("x"))
	for name, dir := range map[string]string{"missing": filepath.Join(t.TempDir(), "nowhere"), "a file": there} {
		_, err := file.New(context.Background(), bytes.NewReader([]byte("caff\x00\x01\x00\x00....")), "standard input", file.Options{TempDir: dir})
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(scout.HintOf(err), "TMPDIR") || strings.Contains(err.Error(), ".audio") {
			t.Errorf("%s: %v, %s", name, err, scout.HintOf(err))
		}
		if errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
