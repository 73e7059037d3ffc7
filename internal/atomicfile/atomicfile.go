// Package atomicfile is the one way in which Scout writes a file: into a temporary file in the same folder, which is
// written, synced, closed, checked and renamed to its name; then the folder is synced. After a crash at any moment
// either the old or the new content is there, never a part. When a step fails, the file that had the name is unchanged
// and the temporary file is removed.
//
// Some files cannot be written this way: the WAV of a recording grows over hours, a log is appended to, a
// lock holds nothing. Code that writes such a file gives its reason in a comment: "Not by
// atomicfile: ...". A test in the root of the repository finds the code that does not.
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
	// Private is for private files, such as manifests of recordings.
	Private fs.FileMode = 0o600
	// Shared is for files that other users may read. The umask removes some of its bits, as for any file a user makes.
	Shared fs.FileMode = 0o666
)

// Options say how a file is written. The zero value means the defaults given at each field.
type Options struct {
	// Mode is the permission of the file, minus the umask, whether it is new or replaced; default Shared.
	Mode fs.FileMode
	// ExactMode gives the file Mode whatever the umask is, for example the mode of a file that is replaced.
	ExactMode bool
	// Unsynced omits both syncs. The file is still replaced in one step, but a loss of power may leave it empty or
	// remove it. It is for files that are of no use after that, or are made again.
	Unsynced bool
	// Check checks the complete file, under its temporary name, before the rename; an error prevents the rename.
	Check func(path string) error
	// Exclusive refuses to replace a file: the error matches fs.ErrExist.
	Exclusive bool
	// Explain makes the error that is returned out of the one of the step that failed. By default it names
	// path, drops the name of the temporary file, and has the code of the failure or scout.CodeWriteFailed.
	Explain func(path string, err error) error
	// System is the file system; default OS. Tests put one that fails in its place.
	System System
}

// File is an open temporary file. *os.File is the real one.
type File interface {
	io.WriteCloser
	Name() string
	// Chmod sets the permissions, whatever the umask is.
	Chmod(mode fs.FileMode) error
	// Sync returns when everything written so far would survive a loss of power.
	Sync() error
}

// System is the part of the file system that is used.
type System interface {
	// CreateTemporary makes a new file in dir whose name ends in Suffix.
	CreateTemporary(dir string, mode fs.FileMode) (File, error)
	Rename(from, to string) error
	// RenameNew is a Rename that fails with fs.ErrExist where the new name is taken.
	RenameNew(from, to string) error
	Remove(path string) error
	// SyncFolder makes the names in dir survive a loss of power.
	SyncFolder(dir string) error
}

// Write writes content to path. For its errors see Options.Explain.
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
		return errors.Join(w.fail(err), w.Abort())
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
	if options.Mode == 0 && !options.ExactMode {
		options.Mode = Shared
	}
	if options.System == nil {
		options.System = OS{}
	}
	if options.Explain == nil {
		options.Explain = explain
	}
	w := &Writer{path: path, options: options}
	var err error
	if w.file, err = options.System.CreateTemporary(filepath.Dir(path), options.Mode); err != nil {
		return nil, w.fail(err)
	}
	if options.ExactMode {
		if err := w.file.Chmod(options.Mode); err != nil {
			return nil, errors.Join(w.fail(err), w.Abort())
		}
	}
	return w, nil
}

// Write writes to the temporary file.
func (w *Writer) Write(p []byte) (int, error) { return w.file.Write(p) }

// Commit makes the file durable and gives it its name. When it fails, nothing is under the name that was
// not there before, unless only the last step failed: then the new file is, and may not survive a loss of
// power.
func (w *Writer) Commit() error {
	if w.done {
		return w.fail(os.ErrClosed)
	}
	w.done = true
	var err error
	if !w.options.Unsynced {
		err = w.file.Sync()
	}
	if err = errors.Join(err, w.file.Close()); err == nil && w.options.Check != nil {
		err = w.options.Check(w.file.Name())
	}
	if err == nil {
		err = w.publish()
	}
	if err != nil {
		return w.fail(errors.Join(err, w.remove()))
	}
	if w.options.Unsynced {
		return nil
	}
	return w.fail(w.options.System.SyncFolder(filepath.Dir(w.path)))
}

// publish gives the temporary file its name.
func (w *Writer) publish() error {
	if w.options.Exclusive {
		return w.options.System.RenameNew(w.file.Name(), w.path)
	}
	return w.options.System.Rename(w.file.Name(), w.path)
}

// Abort removes the temporary file. After Commit it does nothing.
func (w *Writer) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	return w.fail(errors.Join(w.file.Close(), w.remove()))
}

func (w *Writer) remove() error {
	if err := w.options.System.Remove(w.file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (w *Writer) fail(err error) error {
	if err == nil {
		return nil
	}
	return w.options.Explain(w.path, err)
}

// explain names the file that a person asked for and drops the name of the temporary one.
func explain(path string, err error) error {
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
