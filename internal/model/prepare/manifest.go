package prepare

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
)

// Names of the files in a prepared folder.
const (
	EncoderFile    = "encoder.onnx"
	EncoderWeights = "encoder.weights"
	DecoderFile    = "decoder.onnx"
	DecoderWeights = "decoder.weights"
	ManifestFile   = "prepared.json"
)

// Recipe is the version of the graphs this package writes. It changes with every change to their bytes.
const Recipe = 3

// Manifest says what a prepared folder holds and what it was made from. It is written last: a folder without one, or
// whose files differ from it, is incomplete. The format is docs/formats/prepared-model.md.
type Manifest struct {
	// Recipe is the version of the recipe, see the constant.
	Recipe int `json:"recipe"`
	// Variant is the form of the encoder's weights.
	Variant Variant `json:"variant"`
	// Originals are the published files, by their role: "encoder" and "decoder".
	Originals map[string]File `json:"originals"`
	// Prepared are the files written, by their names.
	Prepared map[string]File `json:"prepared"`
	// Embedding says where tokens are looked up.
	Embedding EmbeddingPlace `json:"embedding"`
}

// File identifies the content of a file.
type File struct {
	SHA256 string `json:"sha256"` // of the whole file, in lower-case hexadecimal
	Bytes  int64  `json:"bytes"`
}

// The roles of the two graphs in a manifest.
const (
	roleEncoder = "encoder"
	roleDecoder = "decoder"
)

// describe returns the identity of a content.
func describe(content []byte) File {
	sum := sha256.Sum256(content)
	return File{SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(content))}
}

// describeFile returns the identity of a file's content.
func describeFile(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, scout.FileError(scout.CodeReadFailed, "check model", err)
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return File{}, scout.FileError(scout.CodeReadFailed, "check model", err)
	}
	return File{SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n}, nil
}

// ReadManifest reads the manifest of a prepared folder. It fails with ErrMissing if there is none and with ErrCorrupt
// if it cannot be read.
func ReadManifest(dir string) (Manifest, error) {
	path := filepath.Join(dir, ManifestFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, finding(ErrMissing, "%s does not exist", path)
	}
	if err != nil {
		return Manifest{}, scout.FileError(scout.CodeReadFailed, "read prepared model", err)
	}
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return Manifest{}, finding(ErrCorrupt, "read %s: %w", path, err)
	}
	return m, nil
}

// Check compares the prepared model in dir with its manifest and with the originals it should come from, byte by byte:
// about 70 MB are hashed. It fails with ErrMissing, ErrStale, ErrCorrupt or ErrForeign in the chain, or with the error
// of reading an original. The zero Options mean the variant of this processor.
func Check(dir string, src Source, opt Options) error {
	return check(dir, src, opt, describeFile)
}

// CheckSizes is Check by the sizes of files alone, which costs microseconds. At every start, after a Check at
// installation, it is enough to find a truncated or missing file and a changed recipe.
func CheckSizes(dir string, src Source, opt Options) error {
	return check(dir, src, opt, func(path string) (File, error) {
		info, err := os.Stat(path)
		if err != nil {
			return File{}, scout.FileError(scout.CodeReadFailed, "check model", err)
		}
		return File{Bytes: info.Size()}, nil
	})
}

func check(dir string, src Source, opt Options, identify func(string) (File, error)) error {
	m, err := ReadManifest(dir)
	if err != nil {
		return err
	}
	if m.Recipe != Recipe {
		return finding(ErrStale, "%s was made by recipe %d, not %d", dir, m.Recipe, Recipe)
	}
	variant, err := opt.variant()
	if err != nil {
		return err
	}
	if m.Variant != variant {
		return finding(ErrStale, "%s holds variant %q, this processor needs %q", dir, m.Variant, variant)
	}
	for _, f := range []struct {
		recorded File
		path     string
		absent   error // the finding if the file is missing; nil to report the failure itself
		differs  error
	}{
		{m.Originals[roleEncoder], src.Encoder, nil, ErrForeign},
		{m.Originals[roleDecoder], src.Decoder, nil, ErrForeign},
		{m.Prepared[EncoderFile], filepath.Join(dir, EncoderFile), ErrMissing, ErrCorrupt},
		{m.Prepared[EncoderWeights], filepath.Join(dir, EncoderWeights), ErrMissing, ErrCorrupt},
		{m.Prepared[DecoderFile], filepath.Join(dir, DecoderFile), ErrMissing, ErrCorrupt},
		{m.Prepared[DecoderWeights], filepath.Join(dir, DecoderWeights), ErrMissing, ErrCorrupt},
	} {
		got, err := identify(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && f.absent != nil:
			return finding(f.absent, "%s does not exist", f.path)
		case err != nil:
			return err
		case !got.matches(f.recorded):
			return finding(f.differs, "%s is not the file recorded in %s", f.path, filepath.Join(dir, ManifestFile))
		}
	}
	return nil
}

// matches reports whether f is the file that was recorded; its hash may be left out.
func (f File) matches(recorded File) bool {
	return f.Bytes == recorded.Bytes && (f.SHA256 == "" || f.SHA256 == recorded.SHA256)
}

// encode returns the manifest as it is stored; equal manifests give equal bytes.
func (m Manifest) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(b, '\n'), nil
}
