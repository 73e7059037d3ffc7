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

// Record is the part of a manifest that every family of models has: what was made from what. A manifest is written
// last: a folder without one, or whose files differ from it, is incomplete.
type Record struct {
	// Recipe is the version of the graphs.
	Recipe int `json:"recipe"`
	// Variant is the form of the encoder's weights.
	Variant Variant `json:"variant"`
	// Originals are the published files, by their role.
	Originals map[string]File `json:"originals"`
	// Prepared are the files written, by their names.
	Prepared map[string]File `json:"prepared"`
}

// File identifies the content of a file.
type File struct {
	SHA256 string `json:"sha256"` // of the whole file, in lower-case hexadecimal
	Bytes  int64  `json:"bytes"`
}

// matches reports whether f is the file that was recorded; its hash may be left out.
func (f File) matches(recorded File) bool {
	return f.Bytes == recorded.Bytes && (f.SHA256 == "" || f.SHA256 == recorded.SHA256)
}

// describe returns the identity of a content.
func describe(content []byte) File {
	sum := sha256.Sum256(content)
	return File{SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(content))}
}

// Identifier returns the identity of a file's content.
type Identifier func(path string) (File, error)

// Identify reads the whole file.
func Identify(path string) (File, error) {
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

// Measure gives the size alone.
func Measure(path string) (File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return File{}, scout.FileError(scout.CodeReadFailed, "check model", err)
	}
	return File{Bytes: info.Size()}, nil
}

// ReadRecord reads the manifest of a prepared folder. It fails with ErrMissing if there is none and with ErrCorrupt if
// it cannot be read.
func ReadRecord[M any](dir string) (M, error) {
	var m M
	path := filepath.Join(dir, ManifestFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, Finding(ErrMissing, "%s does not exist", path)
	}
	if err != nil {
		return m, scout.FileError(scout.CodeReadFailed, "read prepared model", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, Finding(ErrCorrupt, "read %s: %w", path, err)
	}
	return m, nil
}

// EncodeRecord returns a manifest as it is stored; equal manifests give equal bytes.
func EncodeRecord(manifest any) ([]byte, error) {
	b, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// Original is a published file and its role.
type Original struct{ Role, Path string }

// Expected is what a prepared folder should hold.
type Expected struct {
	Recipe    int
	Variant   Variant
	Originals []Original
	Prepared  []string // names of files
}

// Check compares the folder dir, which r describes, with what is expected of it. It fails with ErrMissing, ErrStale,
// ErrCorrupt or ErrForeign in the chain, or with the error of reading an original.
func (r Record) Check(dir string, want Expected, identify Identifier) error {
	if r.Recipe != want.Recipe {
		return Finding(ErrStale, "%s was made by recipe %d, not %d", dir, r.Recipe, want.Recipe)
	}
	if r.Variant != want.Variant {
		return Finding(ErrStale, "%s holds variant %q, this processor needs %q", dir, r.Variant, want.Variant)
	}
	for _, o := range want.Originals {
		got, err := identify(o.Path)
		if err != nil {
			return err
		}
		if !got.matches(r.Originals[o.Role]) {
			return Finding(ErrForeign, "%s is not the file recorded in %s", o.Path, filepath.Join(dir, ManifestFile))
		}
	}
	for _, name := range want.Prepared {
		path := filepath.Join(dir, name)
		got, err := identify(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return Finding(ErrMissing, "%s does not exist", path)
		case err != nil:
			return err
		case !got.matches(r.Prepared[name]):
			return Finding(ErrCorrupt, "%s is not the file recorded in %s", path, filepath.Join(dir, ManifestFile))
		}
	}
	return nil
}
