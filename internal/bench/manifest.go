package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// ManifestName is the name of the list of clips in a folder.
const ManifestName = "manifest.tsv"

// manifestLine limits a line of the manifest: a megabyte holds the words of a hundred hours.
const manifestLine = 1 << 20

// Entry is a clip and what is said in it.
type Entry struct {
	// File is the path of the clip, relative to the folder of the manifest and inside it.
	File string
	// Reference is what is said, as written down. It may be empty: then nobody speaks.
	Reference string
	// Language is the code of what is spoken; empty if the manifest does not say.
	Language string
}

// ReadManifest reads the manifest of a folder. The error has the code of the failure. For a manifest that cannot be
// used it is manifest_invalid, with the line.
func ReadManifest(dir string) (entries []Entry, err error) {
	path := filepath.Join(dir, ManifestName)
	file, err := os.Open(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read manifest", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = scout.FileError(scout.CodeReadFailed, "close manifest", closeErr)
		}
	}()
	entries, err = ParseManifest(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return entries, nil
}

// ParseManifest reads lines of fields separated by tabs. The first line names the columns, of which "file" and
// "reference" are required, in any position; "language" is used, others are ignored. There is no quoting: a quotation mark is part of the
// text. A byte order mark, CR before LF and blank lines are accepted. A column or file named twice, a path that leaves
// the folder and text that is not UTF-8 are refused.
func ParseManifest(r io.Reader) ([]Entry, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), manifestLine)
	var columns *manifestColumns
	var entries []Entry
	seen := map[string]int{}
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if number == 1 {
			line = strings.TrimPrefix(line, "\uFEFF")
		}
		if !utf8.ValidString(line) {
			return nil, manifestError(number, "not UTF-8")
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Split(line, "\t")
		if columns == nil {
			c, err := parseColumns(fields, number)
			if err != nil {
				return nil, err
			}
			columns = c
			continue
		}
		entry, err := columns.entry(fields, number)
		if err != nil {
			return nil, err
		}
		if first, ok := seen[entry.File]; ok {
			return nil, manifestError(number, "file %q stands in line %d already", entry.File, first)
		}
		seen[entry.File] = number
		entries = append(entries, entry)
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, scout.Errorf(scout.CodeManifestInvalid, "a line is longer than %d bytes", manifestLine)
		}
		return nil, scout.FileError(scout.CodeReadFailed, "read manifest", err)
	}
	if columns == nil {
		return nil, scout.Errorf(scout.CodeManifestInvalid, "empty: no header line")
	}
	if len(entries) == 0 {
		return nil, scout.Errorf(scout.CodeManifestInvalid, "no files listed")
	}
	return entries, nil
}

func manifestError(line int, format string, args ...any) error {
	return scout.Errorf(scout.CodeManifestInvalid, "line %d: "+format, append([]any{line}, args...)...)
}

// manifestColumns are the positions of the columns that are used.
type manifestColumns struct{ file, reference, language int } // language is -1 without one

func parseColumns(fields []string, line int) (*manifestColumns, error) {
	place := func(name string, required bool) (int, error) {
		at := -1
		for i, f := range fields {
			if strings.TrimSpace(f) != name {
				continue
			}
			if at >= 0 {
				return 0, manifestError(line, "column %q stands there twice", name)
			}
			at = i
		}
		if at < 0 && required {
			return 0, manifestError(line, "no column %q (separated by tabs)", name)
		}
		return at, nil
	}
	file, err := place("file", true)
	if err != nil {
		return nil, err
	}
	reference, err := place("reference", true)
	if err != nil {
		return nil, err
	}
	language, err := place("language", false)
	if err != nil {
		return nil, err
	}
	return &manifestColumns{file, reference, language}, nil
}

func (c *manifestColumns) entry(fields []string, line int) (Entry, error) {
	if last := max(c.file, c.reference, c.language); last >= len(fields) {
		return Entry{}, manifestError(line, "%d fields, at least %d needed", len(fields), last+1)
	}
	e := Entry{File: strings.TrimSpace(fields[c.file]), Reference: strings.TrimSpace(fields[c.reference])}
	if c.language >= 0 {
		e.Language = strings.TrimSpace(fields[c.language])
	}
	switch {
	case e.File == "":
		return Entry{}, manifestError(line, "no file named")
	case strings.ContainsRune(e.File, 0) || !filepath.IsLocal(filepath.FromSlash(e.File)):
		return Entry{}, manifestError(line, "file %q is not inside the folder", e.File)
	}
	e.File = filepath.Clean(filepath.FromSlash(e.File))
	if e.File == "." {
		return Entry{}, manifestError(line, "file %q is the folder itself", fields[c.file])
	}
	return e, nil
}
