// Package outfile writes to the path that a person named as an output. It looks first at what is there, so that a
// command can refuse before it works: no input and no file with something in it is ever replaced unasked. What it
// writes is whole or absent.
package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/scout-speech/scout"
)

// Place is where an output will be, as it was when At looked. It is a value and does not change.
type Place struct {
	// Path is the path as it was named.
	Path string
	// target is the path without symbolic links: a link stays, and what it points to is written.
	target string
	// info is what is there; nil for nothing.
	info os.FileInfo
	// fd is the number of a descriptor of this process that the path names, -1 for none.
	fd int
}

// At looks at a path. The folder must be there; the file need not.
//
//	scout.CodeInvalidArgument                     an empty name, a name that is too long
//	scout.CodeFileNotFound, CodeFilePermission    the folder is missing, or may not be looked into
//	scout.CodeFileIsDirectory                     it is a folder
func At(path string) (Place, error) {
	p := Place{Path: path, fd: descriptor(path)}
	if path == "" {
		return p, scout.Errorf(scout.CodeInvalidArgument, "the name of the output is empty").WithHint("name a file, or leave --output out")
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return p, scout.Errorf(scout.CodeFileIsDirectory, "%s is a folder", path).WithHint("name a file in it")
	case err == nil:
		p.info = info
		p.target, err = filepath.EvalSymlinks(path)
		if err != nil || p.fd >= 0 {
			p.target = path // /proc/self/fd/1 of a pipe leads to no path
		}
		return p, nil
	case errors.Is(err, syscall.ENAMETOOLONG):
		if err := checkName(path); err != nil {
			return p, err
		}
		return p, Explain("write "+path, err)
	case !errors.Is(err, fs.ErrNotExist):
		return p, Explain("write "+path, err)
	}
	if strings.HasSuffix(path, string(filepath.Separator)) {
		return p, scout.Errorf(scout.CodeFileNotFound, "the folder %s does not exist", path).WithHint("make it: mkdir -p %s", path)
	}
	p.target, err = missingTarget(path)
	if err != nil {
		return p, err
	}
	if err := checkName(p.target); err != nil {
		return p, err
	}
	return p, nil
}

// checkName refuses names that the file system does not take.
func checkName(path string) error {
	name := filepath.Base(path)
	if limit := nameLimit(filepath.Dir(path)); len(name) > limit {
		return scout.Errorf(scout.CodeInvalidArgument, "the name %s has %d bytes: at most %d are possible", name, len(name), limit).
			WithHint("choose a shorter name")
	}
	return nil
}

// maxLinks is how many symbolic links are followed, as Linux does.
const maxLinks = 40

// missingTarget returns where a file that does not exist will be: links that lead nowhere yet are followed, and
// the folder is looked for.
func missingTarget(path string) (string, error) {
	named := path
	for range maxLinks {
		link, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(path), link)
		}
		path = link
	}
	folder := filepath.Dir(path)
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", scout.Errorf(scout.CodeFileNotFound, "cannot write %s: the folder %s does not exist", named, folder).WithHint("check the path, or make the folder: mkdir -p %s", folder)
	case err != nil:
		return "", Explain("write "+named, err)
	case !info.IsDir():
		return "", scout.Errorf(scout.CodeInvalidArgument, "cannot write %s: %s is a file, not a folder", named, folder).WithHint("check the path")
	}
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return "", Explain("write "+named, err)
	}
	return filepath.Join(folder, filepath.Base(path)), nil
}

// descriptor returns the number of this process's descriptor that a path names: 1 for /dev/stdout, /dev/fd/1 and
// /proc/self/fd/1; -1 for any other path.
func descriptor(path string) int {
	clean := filepath.Clean(path)
	for name, fd := range map[string]int{"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2} {
		if clean == name {
			return fd
		}
	}
	for _, folder := range []string{"/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/", fmt.Sprintf("/proc/%d/fd/", os.Getpid())} {
		if number, found := strings.CutPrefix(clean, folder); found {
			if fd, err := strconv.Atoi(number); err == nil && fd >= 0 {
				return fd
			}
		}
	}
	return -1
}

// Stream is true where the output is a pipe, a device, a socket or an open descriptor: it is written to, and nothing
// can be lost there.
func (p *Place) Stream() bool {
	return p.fd >= 0 || p.info != nil && !p.info.Mode().IsRegular()
}

// filled is true for a regular file with something in it.
func (p *Place) filled() bool {
	return p.info != nil && p.info.Mode().IsRegular() && p.info.Size() > 0
}

// Target is the path of the file itself, without symbolic links.
func (p *Place) Target() string { return p.target }

// Same reports whether two places are one file.
func (p *Place) Same(other *Place) bool {
	if p.info != nil && other.info != nil {
		return os.SameFile(p.info, other.info)
	}
	return p.info == nil && other.info == nil && p.target == other.target
}

// Input is something that a command reads.
type Input struct {
	// Name is what people call it.
	Name string
	// place is the file; empty where there is none.
	place Place
}

// InputAt looks at a file that will be read. One that is missing is an input as well: no output may become it.
func InputAt(path string) Input {
	in := Input{Name: path}
	if path == "" {
		return in
	}
	place, err := At(path)
	if err == nil {
		in.place = place
	}
	return in
}

// InputFile is an input that is open already, for example standard input.
func InputFile(name string, file *os.File) Input {
	in := Input{Name: name}
	if info, err := file.Stat(); err == nil {
		in.place = Place{Path: name, info: info, fd: -1}
	}
	return in
}

// Rules say what an output may not replace.
type Rules struct {
	// Inputs are never replaced, whatever Force says.
	Inputs []Input
	// Own reports whether a path is one of Scout's own files (recordings, models), which are never replaced either;
	// nil for none.
	Own func(path string) bool
	// Force allows to replace a file with something in it.
	Force bool
}

// Check refuses an output that would destroy something. The error has the code invalid_argument and names the file
// and what helps.
func (r Rules) Check(p *Place) error {
	for i := range r.Inputs {
		in := &r.Inputs[i]
		if in.place.target == "" && in.place.info == nil {
			continue
		}
		if !p.Same(&in.place) || p.info != nil && p.info.Mode()&os.ModeCharDevice != 0 {
			continue // one terminal may be read and written
		}
		text := p.Path + " is the input"
		if in.Name != p.Path {
			text = fmt.Sprintf("%s is the same file as the input %s", p.Path, in.Name)
		}
		return scout.Errorf(scout.CodeInvalidArgument, "%s: it would be destroyed", text).WithHint("choose another name for --output")
	}
	if p.info == nil || p.Stream() {
		return nil
	}
	if r.Own != nil && r.Own(p.target) {
		return scout.Errorf(scout.CodeInvalidArgument, "%s belongs to Scout's own recordings or models: it is never replaced", p.Path).
			WithHint("choose another name for --output")
	}
	if p.filled() && !r.Force {
		return scout.Errorf(scout.CodeInvalidArgument, "%s exists already", p.Path).WithHint("choose another name, or replace it with --force")
	}
	return nil
}

// FitName returns stem+suffix, with the stem cut so that the name has at most limit bytes. No character is cut.
func FitName(stem, suffix string, limit int) string {
	if len(stem)+len(suffix) <= limit {
		return stem + suffix
	}
	cut := max(limit-len(suffix), 0)
	for cut > 0 && cut < len(stem) && stem[cut]&0xC0 == 0x80 { // the middle of a character of UTF-8
		cut--
	}
	return stem[:cut] + suffix
}

// usualNameLimit is NAME_MAX of almost all file systems.
const usualNameLimit = 255

// NameLimit is how many bytes a name in the folder may have.
func NameLimit(folder string) int { return nameLimit(folder) }

// CheckOpen refuses an open output that is one of the inputs.
func (r Rules) CheckOpen(name string, file *os.File) error {
	out := InputFile(name, file).place
	if out.info == nil || !out.info.Mode().IsRegular() {
		return nil
	}
	for i := range r.Inputs {
		in := &r.Inputs[i]
		if in.place.info != nil && os.SameFile(in.place.info, out.info) {
			return scout.Errorf(scout.CodeInvalidArgument, "%s is the same file as the input %s: it would be destroyed", name, in.Name).
				WithHint("send the output to another file")
		}
	}
	return nil
}
