package prepare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/model/onnx"
	"github.com/scout-speech/scout/internal/testrun"
)

// modelEnv names the folder of the published files, for models kept elsewhere.
const modelEnv = "SCOUT_TEST_MODEL"

// source names the published files, which may not be there.
func source() Source {
	dir := os.Getenv(modelEnv)
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "var", "models", "moonshine-tiny-en")
	}
	return Source{Encoder: filepath.Join(dir, "encoder_model.onnx"), Decoder: filepath.Join(dir, "decoder_model_merged.onnx")}
}

// published returns the published files, or skips the test where they are not installed.
func published(t testing.TB) Source {
	t.Helper()
	src := source()
	for _, path := range []string{src.Encoder, src.Decoder} {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("no published model: %v (install it with make setup, or name its folder in %s)", err, modelEnv)
		}
	}
	return src
}

// TestMain removes what the tests of this package share.
func TestMain(m *testing.M) {
	code := testrun.Contain(m).Run()
	if dir, err := sharedDir(); err == nil {
		if err := os.RemoveAll(dir); err != nil && code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

var sharedDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "prepared-") })

var sharedResult = sync.OnceValues(func() (Result, error) {
	dir, err := sharedDir()
	if err != nil {
		return Result{}, err
	}
	return Prepare(context.Background(), source(), dir, Options{})
})

// prepared returns a model prepared for this machine once for all tests, which do not change it.
func prepared(t testing.TB) (Source, Result) {
	t.Helper()
	src := published(t)
	res, err := sharedResult()
	if err != nil {
		t.Fatal(err)
	}
	return src, res
}

// clone returns a folder with the files of the shared model, as links: replace them, never change them.
func clone(t testing.TB, res Result) string {
	t.Helper()
	dir, from := t.TempDir(), filepath.Dir(res.Encoder)
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Link(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// other returns options for the variant that is not res's.
func other(res Result) Options {
	if res.Manifest.Variant == VariantSigned {
		return Options{Variant: VariantUnsigned}
	}
	return Options{Variant: VariantSigned}
}

func TestPrepareGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	src, res := prepared(t)
	again := t.TempDir()
	if _, err := Prepare(context.Background(), src, again, Options{}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(again)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 5 {
		t.Errorf("wrote %v", entries)
	}
	for _, e := range entries {
		a, errA := os.ReadFile(filepath.Join(filepath.Dir(res.Encoder), e.Name()))
		b, errB := os.ReadFile(filepath.Join(again, e.Name()))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs (%v, %v)", e.Name(), errA, errB)
		}
	}
}

// Preparing into a folder that holds another variant leaves exactly the new one.
func TestPrepareAgain(t *testing.T) {
	t.Parallel()
	src, res := prepared(t)
	dir, opt := clone(t, res), other(res)
	if err := Check(dir, src, opt); !errors.Is(err, ErrStale) {
		t.Fatalf("check for another variant: %v, want ErrStale", err)
	}
	if _, err := Prepare(context.Background(), src, dir, opt); err != nil {
		t.Fatal(err)
	}
	if err := Check(dir, src, opt); err != nil {
		t.Errorf("check after preparing again: %v", err)
	}
	if err := Check(filepath.Dir(res.Encoder), src, Options{}); err != nil {
		t.Errorf("the files replaced were changed: %v", err)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	src, res := prepared(t)
	inDir := func(name string) func(string, *Source) string {
		return func(dir string, _ *Source) string { return filepath.Join(dir, name) }
	}
	truncate := func(t *testing.T, path string) {
		t.Helper()
		info, err := os.Stat(path)
		if err == nil {
			err = os.Truncate(path, info.Size()-1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	flip := func(t *testing.T, path string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err == nil {
			b[len(b)/2] ^= 1
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	edit := func(key string, value any) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			var m map[string]any
			b, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(b, &m)
			}
			m[key] = value
			if err == nil {
				b, err = json.Marshal(m)
			}
			if err == nil {
				err = os.WriteFile(path, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	original := func(dir string, src *Source) string {
		path := filepath.Join(dir, "original.onnx")
		b, err := os.ReadFile(src.Encoder)
		if err != nil || os.WriteFile(path, b, 0o600) != nil {
			t.Fatal("copy original")
		}
		src.Encoder = path
		return path
	}
	for name, c := range map[string]struct {
		file   func(string, *Source) string
		damage func(*testing.T, string)
		want   error
		sizes  bool // also seen by CheckSizes
	}{
		"no manifest":               {inDir(ManifestFile), remove, ErrMissing, true},
		"a manifest cut short":      {inDir(ManifestFile), truncateText, ErrCorrupt, true},
		"another recipe":            {inDir(ManifestFile), edit("recipe", Recipe+1), ErrStale, true},
		"another processor":         {inDir(ManifestFile), edit("variant", "vliw"), ErrStale, true},
		"nothing recorded":          {inDir(ManifestFile), edit("prepared", map[string]any{}), ErrCorrupt, true},
		"no encoder":                {inDir(EncoderFile), remove, ErrMissing, true},
		"a decoder cut short":       {inDir(DecoderFile), truncate, ErrCorrupt, true},
		"weights cut short":         {inDir(DecoderWeights), truncate, ErrCorrupt, true},
		"weights with one bit more": {inDir(EncoderWeights), flip, ErrCorrupt, false},
		"other original weights":    {original, flip, ErrForeign, false},
		"an original cut short":     {original, truncate, ErrForeign, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, src := clone(t, res), src
			path := c.file(dir, &src)
			unlink(t, path)
			c.damage(t, path)
			err := Check(dir, src, Options{})
			if !errors.Is(err, c.want) || !CanPrepare(err) || scout.CodeOf(err) != scout.CodeModelCorrupt {
				t.Errorf("Check: %v (%s), want %v", err, scout.CodeOf(err), c.want)
			}
			if err := CheckSizes(dir, src, Options{}); c.sizes && !errors.Is(err, c.want) {
				t.Errorf("CheckSizes: %v, want %v", err, c.want)
			}
		})
	}
}

// unlink makes path a file of its own, so that changing it changes no other name of it.
func unlink(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.Remove(path)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// truncateText cuts a text file in the middle.
func truncateText(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
}

func TestPrepareRefusesOtherModels(t *testing.T) {
	t.Parallel()
	src := published(t)
	decoded := func(path string) *onnx.Model {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := onnx.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	changed := func(change func(*onnx.Model)) Source {
		m := decoded(src.Encoder)
		change(m)
		path := filepath.Join(t.TempDir(), "changed.onnx")
		if err := os.WriteFile(path, onnx.Encode(m), 0o600); err != nil {
			t.Fatal(err)
		}
		return Source{Encoder: path, Decoder: src.Decoder}
	}
	find := func(m *onnx.Model, name string) *onnx.Tensor {
		for i := range m.Graph.Initializers {
			if m.Graph.Initializers[i].Name == name {
				return &m.Graph.Initializers[i]
			}
		}
		t.Fatalf("no %s", name)
		return nil
	}
	for name, src := range map[string]Source{
		"encoder and decoder exchanged": {Encoder: src.Decoder, Decoder: src.Encoder},
		"twice the encoder":             {Encoder: src.Encoder, Decoder: src.Encoder},
		"a weight of another shape": changed(func(m *onnx.Model) {
			find(m, "layers.3.mlp.fc1.bias").Dims = []int64{2, 576}
		}),
		"a weight of another name": changed(func(m *onnx.Model) { find(m, "layer_norm.weight").Name = "norm.weight" }),
		"a scale of zero":          changed(func(m *onnx.Model) { find(m, "conv2.weight_scale").Raw = make([]byte, 4) }),
		"weights kept elsewhere":   changed(func(m *onnx.Model) { onnx.MoveOut(m, "elsewhere", 1000) }),
		"no products":              changed(func(m *onnx.Model) { m.Graph.Nodes = nil }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := Prepare(context.Background(), src, dir, Options{})
			if !errors.Is(err, ErrUnknownModel) || scout.CodeOf(err) != scout.CodeModelUnsupported {
				t.Errorf("%v (%s), want ErrUnknownModel", err, scout.CodeOf(err))
			}
			empty(t, dir)
		})
	}
}

// empty fails the test when dir holds anything.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind %v (%v)", entries, err)
	}
}

// A download that broke off anywhere is told as such: in the last part, which is a few bytes long, in the
// first, and in the weights between.
func TestPrepareRefusesTruncatedOriginals(t *testing.T) {
	t.Parallel()
	src := published(t)
	whole, err := os.ReadFile(src.Encoder)
	if err != nil {
		t.Fatal(err)
	}
	var cuts []int
	for _, n := range []int{1, 2, 3, 4, 5, 6, len(whole) / 2, len(whole) - 4096, len(whole) - 100, len(whole) - 10, len(whole)} {
		cuts = append(cuts, len(whole)-n)
	}
	for n := 5000; n < len(whole); n += len(whole) / 23 {
		cuts = append(cuts, n)
	}
	slices.SortFunc(cuts, func(a, b int) int { return b - a })
	path, dir := filepath.Join(t.TempDir(), "encoder_model.onnx"), t.TempDir()
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range cuts {
		if err := os.Truncate(path, int64(n)); err != nil {
			t.Fatal(err)
		}
		_, err := Prepare(context.Background(), Source{Encoder: path, Decoder: src.Decoder}, dir, Options{})
		if code := scout.CodeOf(err); code != scout.CodeModelCorrupt {
			t.Fatalf("first %d of %d bytes: %v (%s), want %s", n, len(whole), err, code, scout.CodeModelCorrupt)
		}
	}
	empty(t, dir)
}

// full is a file on a device without room after some bytes.
type full struct {
	atomicfile.File
	left int
}

// system makes its temporary files otherwise.
type system struct {
	atomicfile.OS
	create func(dir string, mode fs.FileMode) (atomicfile.File, error)
}

func (s system) CreateTemporary(dir string, mode fs.FileMode) (atomicfile.File, error) {
	return s.create(dir, mode)
}

func (f *full) Write(p []byte) (int, error) {
	if len(p) <= f.left {
		f.left -= len(p)
		return f.File.Write(p)
	}
	n, err := f.File.Write(p[:f.left])
	f.left = 0
	if err == nil {
		err = &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return n, err
}

func TestPrepareOnAFullDisk(t *testing.T) {
	t.Parallel()
	src, res := prepared(t)
	for name, room := range map[string]int{"for the first file": 0, "for the decoder": 2, "for the manifest": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, opt := clone(t, res), other(res) // one prepared otherwise is there already
			made := 0
			opt.system = system{create: func(dir string, mode fs.FileMode) (atomicfile.File, error) {
				f, err := atomicfile.OS{}.CreateTemporary(dir, mode)
				if made++; made <= room {
					return f, err
				}
				return &full{File: f, left: 10}, err
			}}
			_, err := Prepare(context.Background(), src, dir, opt)
			if scout.CodeOf(err) != scout.CodeDiskFull {
				t.Errorf("%v (%s), want %s", err, scout.CodeOf(err), scout.CodeDiskFull)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), atomicfile.Suffix) {
					t.Errorf("left %s behind", e.Name())
				}
			}
			if err := Check(dir, src, opt); !CanPrepare(err) {
				t.Errorf("a half-written model passes: %v", err)
			}
		})
	}
}

func TestPrepareFails(t *testing.T) {
	t.Parallel()
	src := published(t)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	occupied := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	denied := Options{system: system{create: func(dir string, _ fs.FileMode) (atomicfile.File, error) {
		return nil, &os.PathError{Op: "open", Path: dir, Err: syscall.EACCES}
	}}}
	for name, c := range map[string]struct {
		ctx  context.Context
		src  Source
		dir  string
		opt  Options
		want scout.Code
	}{
		"without an encoder":      {context.Background(), Source{Encoder: occupied + "s", Decoder: src.Decoder}, t.TempDir(), Options{}, scout.CodeFileNotFound},
		"without a decoder":       {context.Background(), Source{Encoder: src.Encoder, Decoder: occupied + "s"}, t.TempDir(), Options{}, scout.CodeFileNotFound},
		"with an empty encoder":   {context.Background(), Source{Encoder: occupied, Decoder: src.Decoder}, t.TempDir(), Options{}, scout.CodeModelCorrupt},
		"into a file":             {context.Background(), src, occupied, Options{}, scout.CodeFileNotFound},
		"where nothing may be":    {context.Background(), src, t.TempDir(), denied, scout.CodeFilePermission},
		"for a processor unknown": {context.Background(), src, t.TempDir(), Options{Variant: "vliw"}, scout.CodeInvalidArgument},
		"after cancel":            {cancelled, src, t.TempDir(), Options{}, scout.CodeCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Prepare(c.ctx, c.src, c.dir, c.opt)
			if got := scout.CodeOf(err); got != c.want {
				t.Errorf("%v (%s), want %s", err, got, c.want)
			}
		})
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for samples, want := range map[int]int{0: 1, 1024: 1, 1278: 1, 1279: 2, 16000: 40, 176000: 457, 30 * 16000: 1248} {
		if got := Frames(samples); got != want {
			t.Errorf("Frames(%d) = %d, want %d", samples, got, want)
		}
	}
}
