package ct2

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
)

// The files of a model folder.
const (
	WeightsName        = "model.bin"
	ConfigName         = "config.json"
	TokenizerName      = "tokenizer.json"
	VocabularyJSONName = "vocabulary.json"
	VocabularyTextName = "vocabulary.txt"
	PreprocessorName   = "preprocessor_config.json"
)

const (
	weightSuffix = "/weight"
	scaleSuffix  = "_scale"
	// chunkBytes is how much is read at a time; a multiple of the size of every element.
	chunkBytes = 256 << 10
)

// cutScale returns the name of the weight of which name is the scale.
func cutScale(name string) (weight string, ok bool) {
	base, cut := strings.CutSuffix(name, weightSuffix+scaleSuffix)
	return base + weightSuffix, cut
}

// Model is an open model folder that was verified. Its methods may be called from several goroutines.
type Model struct {
	path      string // of model.bin
	file      *os.File
	index     *index
	shape     Architecture
	config    Config
	tokenizer string
	languages []string
}

// Open opens the folder of a Whisper model and verifies all of it: it reads every number once. Symbolic links are
// followed. Errors:
//
//	scout.CodeModelCorrupt      a file is missing, damaged, or does not belong to the others
//	scout.CodeModelUnsupported  another format, architecture or version
//	those of the file system, or the cause of ctx
//
// The text names the file and what is wrong with it. The caller closes the model.
func Open(ctx context.Context, dir string) (*Model, error) {
	m, err := open(dir, dir)
	if err != nil {
		return nil, err
	}
	if err := m.finite(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Check is Open for a folder that people know under another name, which its errors use, and closes the model.
func Check(ctx context.Context, dir, name string) (err error) {
	m, err := open(dir, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	return m.finite(ctx)
}

// Look is Open without the numbers, which it does not read: it is quick for a model of any size.
func Look(dir string) (*Model, error) { return open(dir, dir) }

// otherWeights returns the name of a file with weights for another runtime; empty if there is none in the folder.
func otherWeights(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, entry := range entries {
		for _, pattern := range []string{"*.safetensors", "pytorch_model*.bin", "ggml-*.bin", "*.gguf", "*.onnx", "*.pt"} {
			if ok, err := filepath.Match(pattern, entry.Name()); ok && err == nil {
				return entry.Name()
			}
		}
	}
	return ""
}

// open verifies everything except the numbers.
func open(dir, name string) (model *Model, err error) {
	path := filepath.Join(name, WeightsName)
	file, err := os.Open(filepath.Join(dir, WeightsName))
	if errors.Is(err, os.ErrNotExist) {
		if other := otherWeights(dir); other != "" {
			return nil, unsupported(path, "it is missing; the folder has %s, the weights in another format", quoted(other))
		}
		return nil, corrupt(path, "it is missing")
	}
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open model", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "look at "+path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, corrupt(path, "it is not a file")
	}
	x, err := readIndex(path, file, info.Size())
	if err != nil {
		return nil, err
	}
	m := &Model{path: path, file: file, index: x}
	if m.shape, err = m.measure(); err != nil {
		return nil, err
	}
	read := func(path string) ([]byte, error) {
		return readText(filepath.Join(dir, filepath.Base(path)))
	}
	if err := m.describe(read, name); err != nil {
		return nil, err
	}
	m.tokenizer = filepath.Join(dir, filepath.Base(m.tokenizer))
	return m, nil
}

// Close closes model.bin.
func (m *Model) Close() error { return m.file.Close() }

// Shape returns the dimensions of the model.
func (m *Model) Shape() Architecture { return m.shape }

// Config returns what config.json says. The caller must not change the slices.
func (m *Model) Config() Config { return m.config }

// Tokenizer returns the path of tokenizer.json, or of vocabulary.json or vocabulary.txt if that is missing.
func (m *Model) Tokenizer() string { return m.tokenizer }

// Languages returns the codes of the languages that the model has tokens for, in their order; en alone for a model that
// knows only English. The caller owns the slice.
func (m *Model) Languages() []string { return slices.Clone(m.languages) }

// Floats returns the values of a variable, row-major, and its shape. Whatever type the file stores is converted to
// float32; quantised weights are divided by their scales. The caller owns both slices. name may be an alias. Errors:
// scout.CodeModelCorrupt if the model has no such variable or the file was changed since Open, those of the file system.
func (m *Model) Floats(name string) (values []float32, shape []int, err error) {
	v, err := m.get(name)
	if err != nil {
		return nil, nil, err
	}
	values = make([]float32, 0, v.elements())
	err = m.read(v, func(data []byte, _ int64) error {
		values = widen(values, data, v.kind)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if scaled, ok := m.index.find(name + scaleSuffix); ok && !v.kind.isFloat() {
		scales, err := m.scales(scaled)
		if err != nil {
			return nil, nil, err
		}
		row := len(values) / len(scales)
		for i, scale := range scales {
			for j := range values[i*row : (i+1)*row] {
				values[i*row+j] /= scale
			}
		}
	}
	return values, slices.Clone(v.shape), nil
}

// Rows8 returns a weight that the file stores as int8, without rounding it again: value = q * scale of its row.
//
//	q       row-major, shape[0] rows
//	scales  one for each row
//	ok      false if the file stores another type; Floats has the values then
//
// The caller owns the slices. Errors are those of Floats.
func (m *Model) Rows8(name string) (q []int8, scales []float32, shape []int, ok bool, err error) {
	v, err := m.get(name)
	if err != nil {
		return nil, nil, nil, false, err
	}
	scaled, known := m.index.find(name + scaleSuffix)
	if v.kind != int8Kind || !known {
		return nil, nil, nil, false, nil
	}
	if scales, err = m.scales(scaled); err != nil {
		return nil, nil, nil, false, err
	}
	for i := range scales {
		scales[i] = 1 / scales[i]
	}
	q = make([]int8, 0, v.size)
	err = m.read(v, func(data []byte, _ int64) error {
		for _, b := range data {
			q = append(q, int8(b))
		}
		return nil
	})
	if err != nil {
		return nil, nil, nil, false, err
	}
	return q, scales, slices.Clone(v.shape), true, nil
}

func (m *Model) get(name string) (variable, error) {
	v, ok := m.index.find(name)
	if !ok {
		return v, corrupt(m.path, "it has no variable %s", quoted(name))
	}
	return v, nil
}

// scales returns what the elements of a quantised weight are divided by: one number for each row, or one for all.
func (m *Model) scales(v variable) ([]float32, error) {
	scales := make([]float32, 0, v.elements())
	err := m.read(v, func(data []byte, _ int64) error {
		scales = widen(scales, data, v.kind)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, scale := range scales {
		if scale <= 0 || math.IsNaN(float64(scale)) {
			return nil, corrupt(m.path, "element %d of %s is %g: weights are divided by it", i, quoted(v.name), scale)
		}
	}
	return scales, nil
}

// read hands over the data of a variable in parts, each with the index of its first element. The part is valid during
// the call.
func (m *Model) read(v variable, use func(data []byte, first int64) error) error {
	buffer := make([]byte, min(chunkBytes, v.size))
	for done := int64(0); done < v.size; {
		part := buffer[:min(chunkBytes, v.size-done)]
		if err := readAt(m.file, part, v.offset+done); err != nil {
			return readError(m.path, err)
		}
		if err := use(part, done/v.kind.bytes()); err != nil {
			return err
		}
		done += int64(len(part))
	}
	return nil
}

// finite refuses numbers that are infinite or not a number, and scales that cannot be divided by.
func (m *Model) finite(ctx context.Context) error {
	for _, name := range m.index.names {
		v := m.index.variables[name]
		if !v.kind.isFloat() {
			continue
		}
		err := m.read(v, func(data []byte, first int64) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if i := notFinite(data, v.kind); i >= 0 {
				return corrupt(m.path, "element %d of %s is not a finite number", first+int64(i), quoted(name))
			}
			return nil
		})
		if err != nil {
			return err
		}
		if _, scales := cutScale(name); scales {
			if _, err := m.scales(v); err != nil {
				return err
			}
		}
	}
	return nil
}
