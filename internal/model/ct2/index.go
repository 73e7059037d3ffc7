package ct2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/scout-speech/scout"
)

const (
	newestVersion  = 6 // of the binary format
	newestRevision = 3 // of the specification of Whisper
	specification  = "WhisperSpec"
	// mostVersion is far above every version that can be expected: a larger number is no version.
	mostVersion = 1000
)

// kind is the type of a variable's elements.
type kind uint8

// The types as model.bin numbers them.
const (
	float32Kind kind = iota
	int8Kind
	int16Kind
	int32Kind
	float16Kind
	bfloat16Kind
	kinds // their number
)

// bytes is the size of an element.
func (k kind) bytes() int64 { return [kinds]int64{4, 1, 2, 4, 2, 2}[k] }

func (k kind) String() string {
	return [kinds]string{"float32", "int8", "int16", "int32", "float16", "bfloat16"}[k]
}

func (k kind) isFloat() bool { return k == float32Kind || k == float16Kind || k == bfloat16Kind }

// variable says where the data of a variable is in model.bin.
type variable struct {
	name   string
	shape  []int // empty for a scalar
	kind   kind
	offset int64
	size   int64 // bytes
}

func (v variable) elements() int64 { return v.size / v.kind.bytes() }

// index is everything in model.bin except the data.
type index struct {
	variables map[string]variable
	names     []string          // of the variables, in the order of the file
	aliases   map[string]string // other names
}

// find returns the variable of that name, or the one for which the name stands. An alias of X/weight stands for
// X/weight_scale as well.
func (x *index) find(name string) (variable, bool) {
	if target, ok := x.aliases[name]; ok {
		name = target
	} else if base, cut := cutScale(name); cut {
		if target, ok := x.aliases[base]; ok {
			name = target + scaleSuffix
		}
	}
	v, ok := x.variables[name]
	return v, ok
}

// scanner reads model.bin from front to back, without the data of the variables.
type scanner struct {
	path   string
	file   io.ReaderAt
	size   int64
	at     int64
	window []byte // bytes of the file from start on
	start  int64
}

const windowBytes = 1024

// take returns the next n bytes, at most 64 KiB; the slice is valid until the next call.
func (s *scanner) take(n int64, what string) ([]byte, error) {
	if left := s.size - s.at; left < n {
		return nil, corrupt(s.path, "it ends after %d bytes, within %s", s.size, what)
	}
	if s.at < s.start || s.at+n > s.start+int64(len(s.window)) {
		want := min(max(n, windowBytes), s.size-s.at)
		if int64(cap(s.window)) < want {
			s.window = make([]byte, want)
		}
		s.window, s.start = s.window[:want], s.at
		if err := readAt(s.file, s.window, s.at); err != nil {
			s.window = s.window[:0]
			return nil, readError(s.path, err)
		}
	}
	from := s.at - s.start
	s.at += n
	return s.window[from : from+n], nil
}

func (s *scanner) uint8(what string) (uint8, error) {
	b, err := s.take(1, what)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (s *scanner) uint32(what string) (uint32, error) {
	b, err := s.take(4, what)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

// string reads a length that includes a closing zero byte, the bytes and that zero.
func (s *scanner) string(what string) (string, error) {
	b, err := s.take(2, what)
	if err != nil {
		return "", err
	}
	n := int64(binary.LittleEndian.Uint16(b))
	if n == 0 {
		return "", corrupt(s.path, "%s at byte %d has no length", what, s.at-2)
	}
	if b, err = s.take(n, what); err != nil {
		return "", err
	}
	for i, c := range b {
		if (c == 0) != (i == len(b)-1) {
			return "", corrupt(s.path, "%s at byte %d does not end where it should", what, s.at-n)
		}
	}
	return string(b[:n-1]), nil
}

// readIndex reads the structure of a model.bin of size bytes. It allocates in proportion to what the file holds, never
// to what the file says that it holds.
func readIndex(path string, file io.ReaderAt, size int64) (*index, error) {
	s := &scanner{path: path, file: file, size: size}
	version, err := s.header()
	if err != nil {
		return nil, err
	}
	x := &index{variables: map[string]variable{}, aliases: map[string]string{}}
	count, err := s.uint32("the number of variables")
	if err != nil {
		return nil, err
	}
	for range count {
		v, err := s.variable(version)
		if err != nil {
			return nil, err
		}
		if _, twice := x.variables[v.name]; twice {
			return nil, corrupt(path, "variable %s is there twice", quoted(v.name))
		}
		x.variables[v.name] = v
		x.names = append(x.names, v.name)
	}
	if version >= 3 {
		if err := s.aliases(x); err != nil {
			return nil, err
		}
	}
	if s.at != size {
		return nil, corrupt(path, "%d bytes follow the end of the model", size-s.at)
	}
	return x, nil
}

// header reads version, specification and revision, and returns the version.
func (s *scanner) header() (version uint32, err error) {
	if version, err = s.uint32("its first number"); err != nil {
		return 0, err
	}
	switch {
	case version == binary.LittleEndian.Uint32([]byte("vers")): // version https://git-lfs.github.com/spec/v1
		return 0, corrupt(s.path, "it is a pointer of Git LFS and not the model itself")
	case version == 0 || version > mostVersion:
		return 0, unsupported(s.path, "it is not a model of CTranslate2: it does not begin with a version")
	case version > newestVersion:
		return 0, unsupported(s.path, "it has version %d of CTranslate2's format; Scout reads versions 1 to %d", version, newestVersion)
	case version == 1:
		return version, nil // there is no name yet: the variables decide
	}
	name, err := s.string("the name of the architecture")
	if err != nil {
		return 0, err
	}
	if name != specification {
		return 0, unsupported(s.path, "its architecture is %s and not %s", quoted(name), specification)
	}
	revision, err := s.uint32("the revision")
	if err != nil {
		return 0, err
	}
	if revision == 0 || revision > newestRevision {
		return 0, unsupported(s.path, "it has revision %d of %s; Scout reads revisions 1 to %d", revision, specification, newestRevision)
	}
	return version, nil
}

// variable reads the description of a variable and leaves out its data.
func (s *scanner) variable(version uint32) (variable, error) {
	v := variable{}
	var err error
	if v.name, err = s.string("the name of a variable"); err != nil {
		return v, err
	}
	what := "variable " + quoted(v.name)
	rank, err := s.uint8(what)
	if err != nil {
		return v, err
	}
	dimensions, err := s.take(4*int64(rank), what)
	if err != nil {
		return v, err
	}
	elements := int64(1)
	v.shape = make([]int, rank)
	for i := range v.shape {
		d := int64(binary.LittleEndian.Uint32(dimensions[4*i:]))
		if d > 0 && elements > s.size/d {
			return v, corrupt(s.path, "it ends after %d bytes, and %s alone would be larger", s.size, what)
		}
		elements *= d
		v.shape[i] = int(d)
	}
	declared, err := s.kindAndSize(&v, version, what)
	if err != nil {
		return v, err
	}
	if v.size = elements * v.kind.bytes(); declared != v.size {
		return v, corrupt(s.path, "%s has %d bytes and not the %d of its shape %v", what, declared, v.size, v.shape)
	}
	if v.size > s.size-s.at {
		return v, corrupt(s.path, "it ends after %d bytes, within %s", s.size, what)
	}
	v.offset = s.at
	s.at += v.size
	return v, nil
}

// kindAndSize reads the type of a variable and the number of its bytes.
func (s *scanner) kindAndSize(v *variable, version uint32, what string) (int64, error) {
	number, err := s.uint8(what)
	if err != nil {
		return 0, err
	}
	amount, err := s.uint32(what)
	if err != nil {
		return 0, err
	}
	if version >= 4 {
		v.kind = kind(number)
		if v.kind >= kinds {
			return 0, corrupt(s.path, "%s has the unknown type %d", what, number)
		}
		return int64(amount), nil
	}
	switch number { // the size of an element
	case 4:
		v.kind = float32Kind
	case 2:
		v.kind = int16Kind
	case 1:
		v.kind = int8Kind
	default:
		return 0, corrupt(s.path, "%s has elements of %d bytes", what, number)
	}
	return int64(amount) * v.kind.bytes(), nil
}

func (s *scanner) aliases(x *index) error {
	count, err := s.uint32("the number of aliases")
	if err != nil {
		return err
	}
	for range count {
		alias, err := s.string("an alias")
		if err != nil {
			return err
		}
		target, err := s.string("an alias")
		if err != nil {
			return err
		}
		_, taken := x.variables[alias]
		_, twice := x.aliases[alias]
		if taken || twice {
			return corrupt(s.path, "the name %s is given twice", quoted(alias))
		}
		if _, ok := x.variables[target]; !ok {
			return corrupt(s.path, "the alias %s stands for %s, which is not there", quoted(alias), quoted(target))
		}
		x.aliases[alias] = target
	}
	return nil
}

// readAt fills the buffer from the offset on.
func readAt(file io.ReaderAt, buffer []byte, offset int64) error {
	n, err := file.ReadAt(buffer, offset)
	if n == len(buffer) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// readError tells a file that became shorter while it was read from a disk that cannot be read.
func readError(path string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return corrupt(path, "it became shorter while it was read")
	}
	return scout.FileError(scout.CodeReadFailed, fmt.Sprintf("read %s", path), err)
}
