package whisper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/model/ct2"
	"github.com/scout-speech/scout/internal/model/ct2/ct2test"
	"github.com/scout-speech/scout/internal/model/prepare"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) { os.Exit(testrun.Contain(m).Run()) }

// small is a model of random weights whose width is two blocks.
func small() ct2test.Size {
	return ct2test.Size{Width: 128, EncoderLayers: 2, DecoderLayers: 2, Mels: 80, Words: 20}
}

// written returns the folder of a model of random weights.
func written(t testing.TB, size ct2test.Size, kind ct2test.Kind) Source {
	t.Helper()
	dir := t.TempDir()
	ct2test.New(size, kind).Write(t, dir)
	return Source{Dir: dir}
}

func prepared(t testing.TB, src Source, opt Options) (string, Result) {
	t.Helper()
	dir := t.TempDir()
	res, err := Prepare(context.Background(), src, dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	return dir, res
}

// copied returns a copy of a folder.
func copied(t testing.TB, from string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPrepareGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	src := written(t, small(), ct2test.Float16)
	first, res := prepared(t, src, Options{})
	second, _ := prepared(t, src, Options{})
	entries, err := os.ReadDir(first)
	if err != nil || len(entries) != 6 {
		t.Fatalf("wrote %v (%v)", entries, err)
	}
	for _, e := range entries {
		if !bytes.Equal(read(t, filepath.Join(first, e.Name())), read(t, filepath.Join(second, e.Name()))) {
			t.Errorf("%s differs", e.Name())
		}
	}
	if err := Check(first, src, Options{}); err != nil {
		t.Error(err)
	}
	again, made, err := Ensure(context.Background(), src, first, Options{})
	if err != nil || made || again.Decoder != res.Decoder || again.Manifest.Model.Width != small().Width {
		t.Errorf("ensured again: made %v, %v, %+v", made, err, again)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	edit := func(key string, value any) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			var m map[string]any
			err := json.Unmarshal(read(t, path), &m)
			m[key] = value
			b, errEncode := json.Marshal(m)
			if err := errors.Join(err, errEncode); err != nil {
				t.Fatal(err)
			}
			write(t, path, b)
		}
	}
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	shorten := func(t *testing.T, path string) { b := read(t, path); write(t, path, b[:len(b)-1]) }
	halve := func(t *testing.T, path string) { b := read(t, path); write(t, path, b[:len(b)/2]) }
	flip := func(t *testing.T, path string) { b := read(t, path); b[len(b)/2] ^= 1; write(t, path, b) }
	other := prepare.VariantUnsigned
	if variant, err := (Options{}).variant(); err != nil || variant == other {
		other = prepare.VariantSigned
	}
	good := written(t, ct2test.Small(), ct2test.Float16)
	made, _ := prepared(t, good, Options{})
	for name, c := range map[string]struct {
		file   string // in the prepared folder, or of the source with a slash before it
		damage func(*testing.T, string)
		want   error
		sizes  bool // also seen by CheckSizes
	}{
		"no manifest":               {prepare.ManifestFile, remove, prepare.ErrMissing, true},
		"a manifest cut short":      {prepare.ManifestFile, halve, prepare.ErrCorrupt, true},
		"another recipe":            {prepare.ManifestFile, edit("recipe", Recipe+1), prepare.ErrStale, true},
		"another processor":         {prepare.ManifestFile, edit("variant", other), prepare.ErrStale, true},
		"nothing recorded":          {prepare.ManifestFile, edit("prepared", map[string]any{}), prepare.ErrCorrupt, true},
		"no features":               {MelFile, remove, prepare.ErrMissing, true},
		"an encoder cut short":      {EncoderFile, shorten, prepare.ErrCorrupt, true},
		"no weights of the decoder": {DecoderWeights, remove, prepare.ErrMissing, true},
		"weights with one bit more": {EncoderWeights, flip, prepare.ErrCorrupt, false},
		"other original weights":    {"/model.bin", flip, prepare.ErrForeign, false},
		"an original cut short":     {"/model.bin", shorten, prepare.ErrForeign, true},
		"another configuration":     {"/config.json", flip, prepare.ErrForeign, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, dir := Source{Dir: copied(t, good.Dir)}, copied(t, made)
			path := filepath.Join(dir, c.file)
			if strings.HasPrefix(c.file, "/") {
				path = filepath.Join(src.Dir, c.file)
			}
			c.damage(t, path)
			err := Check(dir, src, Options{})
			if !errors.Is(err, c.want) || !prepare.CanPrepare(err) || scout.CodeOf(err) != scout.CodeModelCorrupt {
				t.Errorf("Check: %v (%s), want %v", err, scout.CodeOf(err), c.want)
			}
			if err := CheckSizes(dir, src, Options{}); c.sizes && !errors.Is(err, c.want) {
				t.Errorf("CheckSizes: %v, want %v", err, c.want)
			}
			if c.sizes && !errors.Is(c.want, prepare.ErrForeign) {
				if _, made, err := Ensure(context.Background(), src, dir, Options{}); err != nil || !made || Check(dir, src, Options{}) != nil {
					t.Errorf("prepared again: %v, %v", made, err)
				}
			}
		})
	}
}

// full is a file on a device without room.
type full struct{ atomicfile.File }

func (f full) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
}

// system makes temporary files that are full after the first few.
type system struct {
	atomicfile.OS
	mu   *sync.Mutex
	room *int
}

func (s system) CreateTemporary(dir string, mode fs.FileMode) (atomicfile.File, error) {
	f, err := s.OS.CreateTemporary(dir, mode)
	s.mu.Lock()
	defer s.mu.Unlock()
	if *s.room--; *s.room < 0 && err == nil {
		return full{f}, nil
	}
	return f, err
}

func TestPrepareFails(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	src := written(t, ct2test.Small(), ct2test.Float32)
	cut := written(t, ct2test.Small(), ct2test.Float32)
	b := read(t, filepath.Join(cut.Dir, "model.bin"))
	write(t, filepath.Join(cut.Dir, "model.bin"), b[:len(b)/2])
	fullAfter := func(files int) Options { return Options{system: system{mu: &sync.Mutex{}, room: &files}} }
	for name, c := range map[string]struct {
		ctx  context.Context
		src  Source
		opt  Options
		want scout.Code
	}{
		"without a model":                 {context.Background(), Source{Dir: t.TempDir()}, Options{}, scout.CodeModelCorrupt},
		"with half a model":               {context.Background(), cut, Options{}, scout.CodeModelCorrupt},
		"for a processor unknown":         {context.Background(), src, Options{Variant: "vliw"}, scout.CodeInvalidArgument},
		"after cancel":                    {cancelled, src, Options{}, scout.CodeCancelled},
		"with too little room":            {context.Background(), src, Options{free: func(string) (int64, error) { return 1 << 20, nil }}, scout.CodeDiskFull},
		"on a disk full at once":          {context.Background(), src, fullAfter(0), scout.CodeDiskFull},
		"on a disk full in the encoder":   {context.Background(), src, fullAfter(1), scout.CodeDiskFull},
		"on a disk full at the decoder":   {context.Background(), src, fullAfter(4), scout.CodeDiskFull},
		"on a disk full for the manifest": {context.Background(), src, fullAfter(5), scout.CodeDiskFull},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := Prepare(c.ctx, c.src, dir, c.opt)
			if got := scout.CodeOf(err); got != c.want {
				t.Errorf("%v (%s), want %s", err, got, c.want)
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
			if err := Check(dir, src, Options{}); !prepare.CanPrepare(err) {
				t.Errorf("a half-written model passes: %v", err)
			}
		})
	}
}

// The room that is asked for is what the files take, and a little more.
func TestNeed(t *testing.T) {
	t.Parallel()
	for _, variant := range []prepare.Variant{prepare.VariantSigned, prepare.VariantUnsigned} {
		src := written(t, small(), ct2test.Float16)
		_, res := prepared(t, src, Options{Variant: variant})
		var sum int64
		for _, f := range res.Manifest.Prepared {
			sum += f.Bytes
		}
		m, err := ct2.Open(context.Background(), src.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if need := need(m.Shape(), variant); need < sum || need > sum+sum/10+2<<20 {
			t.Errorf("%s: asks for %d bytes, the files take %d", variant, need, sum)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Weights that the file holds as bytes are in the graphs as they are: a second rounding would cost accuracy.
func TestStoredBytesAreNotRoundedAgain(t *testing.T) {
	t.Parallel()
	src := written(t, small(), ct2test.Int8)
	m, err := ct2.Open(context.Background(), src.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // read only
	const name = "decoder/layer_0/ffn/linear_0/weight"
	q, scales, shape, ok, err := m.Rows8(name)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	g := &graph{model: m}
	w := g.matrix(name, shape[0], shape[1])
	blocks, blockScales, count := w.blocks()
	columns, _, _ := w.byRow().columns(prepare.VariantUnsigned)
	for i, b := range q {
		r, c := i/shape[1], i%shape[1]
		if got := blocks[r*count*blockSize+c]; got != uint8(b)^zero || blockScales[r*count+c/blockSize] != scales[r] {
			t.Fatalf("row %d, column %d: byte %d with scale %v, want %d with %v", r, c, got, blockScales[r*count+c/blockSize], b, scales[r])
		}
		if got := columns[c*shape[0]+r]; got != uint8(b)^zero {
			t.Fatalf("row %d, column %d: byte %d transposed, want %d", r, c, got, b)
		}
	}
}

// Rounding keeps every value to half a step, rows of zeros too.
func TestRounding(t *testing.T) {
	t.Parallel()
	m := matrix{rows: 3, cols: 200, values: make([]float32, 600)}
	for i := range 400 {
		m.values[i] = float32(math.Sin(float64(i*i))) * float32(1+i/200*10)
	}
	weights, scales, count := m.blocks()
	if count != 2 {
		t.Fatalf("%d blocks", count)
	}
	for i, v := range m.values {
		r, c := i/200, i%200
		scale := scales[r*count+c/blockSize]
		if got := float32(int(weights[r*count*blockSize+c])-zero) * scale; math.Abs(float64(got-v)) > float64(scale)*0.501 {
			t.Errorf("value %d is %v, want %v", i, got, v)
		}
	}
	if weights[count*blockSize-1] != zero {
		t.Error("the padding of a block is not zero")
	}
}

// Bands of the features are those of OpenAI's table: 80 for most models, 128 for large-v3.
func TestBands(t *testing.T) {
	t.Parallel()
	for mels, want := range map[int]map[[2]int]float32{ // [bin, band], from faster_whisper.feature_extractor
		80:  {{1, 0}: 0.02486259, {2, 0}: 0, {2, 1}: 0.02287177, {3, 2}: 0.02088095},
		128: {{1, 0}: 0.01237399, {1, 1}: 0.03039256, {2, 1}: 0},
	} {
		b := bands(mels)
		for m := range mels {
			sum := float32(0)
			for k := range bins {
				sum += b[k*mels+m]
			}
			if mels == 80 && !(sum > 0) {
				t.Errorf("band %d of %d hears nothing", m, mels)
			}
		}
		for at, v := range want {
			if got := b[at[0]*mels+at[1]]; math.Abs(float64(got-v)) > 1e-6 {
				t.Errorf("%d bands: bin %d in band %d counts %v, want %v", mels, at[0], at[1], got, v)
			}
		}
	}
}

// A manifest whose embedding lies outside the file is refused before a token is looked up.
func TestEmbeddingRefuses(t *testing.T) {
	t.Parallel()
	dir, res := prepared(t, written(t, ct2test.Small(), ct2test.Float16), Options{})
	for name, change := range map[string]func(*Manifest){
		"rows before the file": func(m *Manifest) { m.Embedding.Offset = -4096 },
		"rows behind the end":  func(m *Manifest) { m.Embedding.Offset = 1 << 40 },
		"no blocks":            func(m *Manifest) { m.Embedding.Blocks = 0 },
		"too narrow a row":     func(m *Manifest) { m.Model.Width = 1 << 20 },
		"more tokens":          func(m *Manifest) { m.Model.Vocabulary = 1 << 30 },
		"scales behind":        func(m *Manifest) { m.Embedding.Scales = 1 << 40 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := res.Manifest
			change(&m)
			if e, err := OpenEmbedding(dir, m); !errors.Is(err, prepare.ErrCorrupt) {
				t.Errorf("%v, %v", e, err)
			}
		})
	}
	e, err := OpenEmbedding(dir, res.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // read only
	for _, token := range []int64{-1, int64(res.Manifest.Model.Vocabulary)} {
		if _, err := e.Look(make([]float32, 64), []int64{token}, nil); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("token %d: %v", token, err)
		}
	}
}
