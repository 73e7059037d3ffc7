package model

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
)

// bundle is a place on this machine that has files of a model: a folder, a package (a zip file, such as a Python wheel),
// or a folder with packages. A file may be cut into numbered parts, which may lie in different packages.
type bundle struct {
	from    string
	files   []*os.File
	choices map[string][]choice // by the name of the file
	broken  map[string]error    // files of which parts are missing
}

// choice is one way to get a file: whole, or from parts in their order.
type choice struct {
	label     string
	size      int64
	fragments []fragment
}

// fragment is a file or a part of one.
type fragment struct {
	label  string
	part   int // of a file that is cut into parts
	size   int64
	packed bool
	open   func() (io.ReadCloser, error)
}

const (
	// mostMembers and mostDirectoryBytes bound the directory of a package, which is read whole. Those of models have ten
	// members.
	mostMembers        = 4096
	mostDirectoryBytes = 1 << 20
	endRecordBytes     = 22
)

// isPackage reports by its name whether a file is a package.
func isPackage(name string) bool {
	return slices.Contains([]string{".whl", ".zip"}, strings.ToLower(path.Ext(name)))
}

// openBundle looks for files with these names. Of the names in a package only the last part counts, so that none leads
// anywhere; links and folders in it are passed over. The caller closes the bundle.
func openBundle(from string, names []string) (_ *bundle, err error) {
	b := &bundle{from: from, choices: map[string][]choice{}, broken: map[string]error{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	info, err := os.Stat(from)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "pull from", err)
	}
	parts := map[string][]fragment{}
	if !info.IsDir() {
		if !isPackage(from) {
			return nil, scout.Errorf(scout.CodeInvalidArgument,
				"--from %s is neither a folder nor an archive (.tar.bz2, .tar.gz), a package (.whl, .zip) or an http address", from)
		}
		if err := b.addPackage(from, names, parts); err != nil {
			return nil, err
		}
		b.join(parts)
		return b, nil
	}
	for _, name := range names {
		file := filepath.Join(from, filepath.FromSlash(name))
		if info, err := os.Stat(file); err == nil {
			b.add(name, choice{label: from + ":" + name, size: info.Size(), fragments: []fragment{plain(file, info.Size())}})
		}
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "pull from", err)
	}
	for _, e := range entries { // in the order of their names
		file := filepath.Join(from, e.Name())
		if name, part, ok := partOf(e.Name(), names); ok {
			info, err := os.Stat(file)
			if err != nil {
				return nil, scout.FileError(scout.CodeReadFailed, "pull from", err)
			}
			f := plain(file, info.Size())
			f.part = part
			parts[name] = append(parts[name], f)
		} else if isPackage(e.Name()) && !e.IsDir() {
			if err := b.addPackage(file, names, parts); err != nil {
				return nil, err
			}
		}
	}
	b.join(parts)
	return b, nil
}

func (b *bundle) close() error {
	var errs []error
	for _, f := range b.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func (b *bundle) add(name string, c choice) { b.choices[name] = append(b.choices[name], c) }

// plain is a file of the folder.
func plain(file string, size int64) fragment {
	return fragment{label: file, size: size, open: func() (io.ReadCloser, error) {
		f, err := os.Open(file)
		if err != nil {
			return nil, scout.FileError(scout.CodeReadFailed, "copy", err)
		}
		return f, nil
	}}
}

// partPattern is the end of the name of a part: model.bin.part1, model.bin.part-02, model.bin.001, model.bin.aa.
var partPattern = regexp.MustCompile(`^(.+)\.(?:part[-_.]?)?(?:(\d{1,4})|([a-z])([a-z]))$`)

// partOf returns the file of which base is a part, if it is one of the names, and the number of the part.
func partOf(base string, names []string) (name string, part int, ok bool) {
	found := partPattern.FindStringSubmatch(base)
	if found == nil {
		return "", 0, false
	}
	i := slices.IndexFunc(names, func(n string) bool { return path.Base(n) == found[1] })
	if i < 0 {
		return "", 0, false
	}
	if found[2] == "" {
		return names[i], 26*int(found[3][0]-'a') + int(found[4][0]-'a'), true
	}
	part, err := strconv.Atoi(found[2])
	return names[i], part, err == nil
}

// addPackage notes the members of a package that are among the names, or parts of them.
func (b *bundle) addPackage(file string, names []string, parts map[string][]fragment) error {
	f, err := os.Open(file)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "open package", err)
	}
	b.files = append(b.files, f)
	info, err := f.Stat()
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "open package", err)
	}
	if err := checkDirectory(f, info.Size()); err != nil {
		return brokenPackage(file, err)
	}
	packed, err := zip.NewReader(f, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // of names only the last part is used
		return brokenPackage(file, err)
	}
	for _, member := range packed.File {
		base := path.Base(path.Clean("/" + strings.ReplaceAll(member.Name, `\`, "/")))
		whole := slices.IndexFunc(names, func(n string) bool { return path.Base(n) == base })
		name, part, isPart := partOf(base, names)
		if whole < 0 && !isPart || member.Mode()&fs.ModeType != 0 {
			continue
		}
		const encrypted = 1
		if member.Flags&encrypted != 0 {
			return scout.Errorf(scout.CodeModelSource, "package %s: %s is encrypted", file, base).WithHint("unpack it and name the folder")
		}
		c := fragment{label: file + ":" + base, part: part, size: int64(min(member.UncompressedSize64, 1<<62)), packed: true, open: func() (io.ReadCloser, error) {
			r, err := member.Open()
			if err != nil {
				return nil, brokenPackage(file, err)
			}
			return r, nil
		}}
		if isPart {
			parts[name] = append(parts[name], c)
		} else {
			b.add(names[whole], choice{label: c.label, size: c.size, fragments: []fragment{c}})
		}
	}
	return nil
}

func brokenPackage(file string, err error) error {
	return scout.Errorf(scout.CodeModelSource, "read package %s: %w", file, err).WithHint("download the package again")
}

// checkDirectory refuses packages whose directory is larger than any of a model: archive/zip reads it whole. It must lie
// right ahead of the record at the end, as every ordinary program writes it.
func checkDirectory(file io.ReaderAt, size int64) error {
	tail := make([]byte, min(size, endRecordBytes+1<<16))
	if n, err := file.ReadAt(tail, size-int64(len(tail))); err != nil && n < len(tail) {
		return err
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || at+endRecordBytes > len(tail) {
		return errors.New("it is no zip file, or its end is missing")
	}
	record := tail[at:]
	members := binary.LittleEndian.Uint16(record[10:])
	length, offset := int64(binary.LittleEndian.Uint32(record[12:])), int64(binary.LittleEndian.Uint32(record[16:]))
	switch {
	case members > mostMembers || length > mostDirectoryBytes:
		return fmt.Errorf("it has %d members: the packages of models have a few", members)
	case offset+length != size-int64(len(tail)-at):
		return errors.New("its directory is not where it should be")
	}
	return nil
}

// join makes files of their parts: all that there are, in their order, from 0 or 1 on without a gap.
func (b *bundle) join(parts map[string][]fragment) {
	for name, of := range parts {
		slices.SortStableFunc(of, func(x, y fragment) int { return x.part - y.part })
		c := choice{label: of[0].label, fragments: of}
		first := min(of[0].part, 1)
		for i, f := range of {
			switch want := first + i; {
			case i > 0 && f.part == of[i-1].part:
				b.broken[name] = fmt.Errorf("%s and %s are both part %d of %s", of[i-1].label, f.label, f.part, name)
			case f.part != want && b.broken[name] == nil:
				b.broken[name] = fmt.Errorf("part %d of %s is missing", want, name)
			}
			c.size += f.size
		}
		if b.broken[name] == nil {
			b.add(name, c)
		}
	}
}

// reader returns the bytes of all fragments, one after another. Each is opened when it is reached.
func (c choice) reader() io.ReadCloser { return &fragmentReader{left: c.fragments} }

type fragmentReader struct {
	left []fragment
	open io.ReadCloser
}

func (r *fragmentReader) Read(p []byte) (int, error) {
	for len(r.left) > 0 {
		if r.open == nil {
			var err error
			if r.open, err = r.left[0].open(); err != nil {
				return 0, err
			}
		}
		n, err := r.open.Read(p)
		if err != nil {
			if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				if r.left[0].packed { // damaged in itself, as its checksum says
					err = scout.Errorf(scout.CodeModelSource, "%s: %w", r.left[0].label, err).WithHint("download the package again")
				}
				return n, err
			}
			err = r.Close()
			r.left = r.left[1:]
			if err != nil {
				return n, err
			}
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

// Close closes the fragment that is being read.
func (r *fragmentReader) Close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}
