package whisper

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/model/ct2/ct2test"
	"github.com/scout-speech/scout/internal/model/prepare"
	prepared "github.com/scout-speech/scout/internal/model/prepare/whisper"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) {
	code := testrun.Contain(m).Run()
	for _, dir := range made {
		if err := os.RemoveAll(dir); err != nil && code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

// made are folders of prepared models that tests share.
var (
	madeMu sync.Mutex
	made   []string
)

// modelEnv names the folder of Whisper base, for a model kept elsewhere.
const modelEnv = "SCOUT_TEST_WHISPER"

// baseDir returns the folder of Whisper base, or skips the test where it is not installed.
func baseDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(modelEnv)
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "var", "models", "whisper-base")
	}
	return present(t, dir)
}

// tinyDir returns the folder of Whisper tiny.en, which only tests use.
func tinyDir(t testing.TB) string {
	t.Helper()
	return present(t, tinyPath)
}

var tinyPath = filepath.Join("..", "..", "..", ".tools", "models", "whisper-tiny-en")

func present(t testing.TB, dir string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "model.bin")); err != nil {
		t.Skipf("no model: %v (install it with make setup, or name the folder of Whisper base in %s)", err, modelEnv)
	}
	return dir
}

// library returns the path of ONNX Runtime in the module that brings it, or skips the test.
func library(t testing.TB) string {
	t.Helper()
	path, err := libraryPath()
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	return path
}

var libraryPath = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/k2-fsa/sherpa-onnx-go-linux").Output()
	if err != nil {
		return "", fmt.Errorf("find ONNX Runtime: %w", err)
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "lib", "x86_64-unknown-linux-gnu", "libonnxruntime.so")
	_, err = os.Stat(path)
	return path, err
})

// folder returns a new folder that several tests share.
func folder() (string, error) {
	dir, err := os.MkdirTemp("", "whisper-")
	if err != nil {
		return "", err
	}
	madeMu.Lock()
	defer madeMu.Unlock()
	made = append(made, dir)
	return dir, nil
}

// shared are what several tests use, by name, made once.
var shared sync.Map

// once returns what is shared under a name, and makes it first if nothing is.
func once[T any](t testing.TB, name string, do func() (T, error)) T {
	t.Helper()
	stored, _ := shared.LoadOrStore(name, sync.OnceValues(do))
	get, ok := stored.(func() (T, error))
	if !ok {
		t.Fatalf("%s is a %T", name, stored)
	}
	v, err := get()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// load returns what to load of the model in dir. Graphs that were prepared when it was installed are used as they are.
func load(t testing.TB, dir string, variant prepare.Variant) wire.Load {
	t.Helper()
	return once(t, "files "+dir+string(variant), func() (wire.Load, error) {
		src, o := prepared.Source{Dir: dir}, prepared.Options{Variant: variant}
		if own := filepath.Join(dir, "prepared"); prepared.CheckSizes(own, src, o) == nil {
			res, _, err := prepared.Ensure(context.Background(), src, own, o)
			return loadOf(res, dir), err
		}
		to, err := folder()
		if err != nil {
			return wire.Load{}, err
		}
		res, err := prepared.Prepare(context.Background(), src, to, o)
		return loadOf(res, dir), err
	})
}

func loadOf(res prepared.Result, dir string) wire.Load {
	return wire.Load{Backend: Name, ModelID: "whisper", Family: "whisper", Slots: 2, Files: map[string]string{
		roleMel: res.Mel, roleEncoder: res.Encoder, roleDecoder: res.Decoder, roleTokenizer: filepath.Join(dir, "tokenizer.json"),
	}}
}

func open(t testing.TB, l wire.Load) *backend {
	t.Helper()
	opened, err := Open(context.Background(), l, library(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	b, ok := opened.(*backend)
	if !ok {
		t.Fatalf("a %T", opened)
	}
	return b
}

// running is a model that is loaded once for the tests that share it.
func running(t testing.TB, l wire.Load) *backend {
	t.Helper()
	lib := library(t)
	opened := once(t, "running "+l.Files[roleDecoder], func() (server.Backend, error) { return Open(context.Background(), l, lib) })
	b, ok := opened.(*backend)
	if !ok {
		t.Fatalf("a %T", opened)
	}
	return b
}

// base is Whisper base.
func base(t testing.TB) *backend {
	t.Helper()
	return running(t, load(t, baseDir(t), ""))
}

// tiny is Whisper tiny.en.
func tiny(t testing.TB) *backend {
	t.Helper()
	return running(t, load(t, tinyDir(t), ""))
}

// either is the model for tests of what does not depend on it: tiny, which takes less than half the time, or base where tiny is
// not installed.
func either(t testing.TB) *backend {
	t.Helper()
	if _, err := os.Stat(filepath.Join(tinyPath, "model.bin")); err != nil {
		return base(t)
	}
	return tiny(t)
}

// writeRandom writes a model of random weights into a folder. Its first tokens are the bytes.
func writeRandom(t testing.TB, dir string, mels int) {
	t.Helper()
	m := ct2test.New(ct2test.Size{Width: 256, EncoderLayers: 1, DecoderLayers: 2, Mels: mels, Words: 300}, ct2test.Float16)
	next := rune(256) // GPT-2 writes bytes that cannot be printed as characters from 256 on
	for b := range 256 {
		char := rune(b)
		if b < 33 || b > 126 && b < 161 || b == 173 {
			char = next
			next++
		}
		m.Tokens[b] = string(char)
	}
	m.Write(t, dir)
}

// loadRandom returns what to load of a model of random weights.
func loadRandom(t testing.TB, mels int) wire.Load {
	t.Helper()
	return once(t, fmt.Sprintf("files of %d bands", mels), func() (wire.Load, error) {
		dir, err := folder()
		if err != nil {
			return wire.Load{}, err
		}
		writeRandom(t, dir, mels)
		res, err := prepared.Prepare(context.Background(), prepared.Source{Dir: dir}, filepath.Join(dir, "prepared"), prepared.Options{})
		return loadOf(res, dir), err
	})
}

// random is a model of random weights, which runs but understands nothing.
func random(t testing.TB, mels int) *backend {
	t.Helper()
	return running(t, loadRandom(t, mels))
}

// wav returns the samples of a 16-bit mono WAV of 16 kHz.
func wav(t testing.TB, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no speech to test with: %v", err)
	}
	at := 12
	for string(b[at:at+4]) != "data" {
		at += 8 + int(binary.LittleEndian.Uint32(b[at+4:]))
	}
	b = b[at+8:]
	samples := make([]float32, len(b)/2)
	for i := range samples {
		samples[i] = float32(int16(binary.LittleEndian.Uint16(b[2*i:]))) / 32768
	}
	return samples
}

func speech(t testing.TB) []float32 {
	t.Helper()
	return wav(t, filepath.Join("..", "..", "..", "testdata", "jfk.wav"))
}

func transcribe(t testing.TB, b *backend, samples []float32, options wire.RequestOptions) *wire.Result {
	t.Helper()
	r, err := b.Transcribe(context.Background(), &wire.Request{Samples: samples, Options: options})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
