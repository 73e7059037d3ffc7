// Package atomicfile is the one way in which Scout writes a file that must be whole: into a temporary
// file in the same folder, which is written, synced, closed, checked and renamed to its name; then the
// folder is synced. After a crash at any moment the old content is there or the new, never a part.
// When a step fails, what stood under the name is untouched and the temporary file is removed.
//
// What is written bit by bit over a long time, such as the WAV of a recording, is not written this way.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
)

// Suffix ends the names of temporary files. A crash may leave such files behind; they may be removed.
const Suffix = ".tmp"

// Permissions for Options.Mode.
const (
	// Private is for what is nobody else's business, such as manifests of recordings.
	Private fs.FileMode = 0o600
	// Shared is for what other users may read. The umask takes its bits away, as for any file a user makes.
	Shared fs.FileMode = 0o666
)

// Options say how a file is written. The zero value means the defaults beside each field.
type Options struct {
	// Mode is the permission of a new file, less the umask; default Shared. A file that is replaced gets it as well.
	Mode fs.FileMode
	// Check looks at the complete file, under its temporary name, before it gets its own; an error keeps it from that.
	Check func(path string) error
	// Exclusive refuses to replace a file: the error matches fs.ErrExist.
	Exclusive bool
	// System is the file system; default OS. Tests put one that fails in its place.
	System System
}

// File is an open temporary file. *os.File is the real one.
type File interface {
	io.WriteCloser
	Name() string
	// Sync returns when everything written so far would survive a loss of power.
	Sync() error
}

// System is the part of the file system that is used.
type System interface {
	// CreateTemporary makes a new file in dir whose name ends in Suffix.
	CreateTemporary(dir string, mode fs.FileMode) (File, error)
	Rename(from, to string) error
	// Link gives a file a second name; it fails with fs.ErrExist where the name is taken.
	Link(from, to string) error
	Remove(path string) error
	// SyncFolder makes the names in dir survive a loss of power.
	SyncFolder(dir string) error
}

// Write writes content to path. Errors have the code of the failure, or else scout.CodeWriteFailed.
func Write(path string, content []byte, options Options) error {
	return WriteFrom(path, options, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// WriteFrom writes what fill writes to path. An error of fill is returned as it is where it has a code.
func WriteFrom(path string, options Options, fill func(io.Writer) error) error {
	w, err := Create(path, options)
	if err != nil {
		return err
	}
	if err := fill(w); err != nil {
		return errors.Join(fail(path, err), w.Abort())
	}
	return w.Commit()
}

// Writer is a file on its way. Either Commit or Abort must be called. It is not safe for concurrent use.
type Writer struct {
	path    string
	options Options
	file    File
	done    bool
}

// Create makes the temporary file for path, whose folder must exist.
func Create(path string, options Options) (*Writer, error) {
	if options.Mode == 0 {
		options.Mode = Shared
	}
	if options.System == nil {
		options.System = OS{}
	}
	file, err := options.System.CreateTemporary(filepath.Dir(path), options.Mode)
	if err != nil {
		return nil, fail(path, err)
	}
	return &Writer{path: path, options: options, file: file}, nil
}

// Write writes to the temporary file.
func (w *Writer) Write(p []byte) (int, error) { return w.file.Write(p) }

// Commit makes the file durable and gives it its name. When it fails, nothing is under the name that was
// not there before, unless only the last step failed: then the new file is, and may not survive a loss of
// power.
func (w *Writer) Commit() error {
	if w.done {
		return fail(w.path, os.ErrClosed)
	}
	err := w.file.Sync()
	w.done = true
	if err = errors.Join(err, w.file.Close()); err == nil && w.options.Check != nil {
		err = w.options.Check(w.file.Name())
	}
	if err == nil {
		err = w.publish()
	}
	if err != nil {
		return fail(w.path, errors.Join(err, w.remove()))
	}
	return fail(w.path, w.options.System.SyncFolder(filepath.Dir(w.path)))
}

// publish gives the temporary file its name.
func (w *Writer) publish() error {
	if !w.options.Exclusive {
		return w.options.System.Rename(w.file.Name(), w.path)
	}
	if err := w.options.System.Link(w.file.Name(), w.path); err != nil {
		return err
	}
	return w.options.System.Remove(w.file.Name())
}

// Abort removes the temporary file. After Commit it does nothing.
func (w *Writer) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	return fail(w.path, errors.Join(w.file.Close(), w.remove()))
}

func (w *Writer) remove() error {
	if err := w.options.System.Remove(w.file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// fail names the file that a person asked for and drops the name of the temporary one.
func fail(path string, err error) error {
	if err == nil {
		return nil
	}
	var coded *scout.Error
	if errors.As(err, &coded) {
		return err
	}
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		err = pathErr.Err
	case errors.As(err, &linkErr):
		err = linkErr.Err
	}
	return scout.FileError(scout.CodeWriteFailed, fmt.Sprintf("write %s", path), err)
}
