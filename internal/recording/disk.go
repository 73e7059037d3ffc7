package recording

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

// File is what a Writer needs of an open file. The real one is *os.File with the platform's data sync as Sync. Tests
// use failing, full, slow and forgetful ones.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Truncate sets the size; added bytes read as zeros.
	Truncate(size int64) error
	// Sync returns when everything written before the call would survive a loss of power.
	Sync() error
	// Size returns the length of the file. It allocates nothing.
	Size() (int64, error)
	// Stat identifies the file, for os.SameFile.
	Stat() (os.FileInfo, error)
	io.Closer
}

// Disk is the part of the file system through which recordings are written.
type Disk interface {
	// OpenFile opens the file for reading and writing, and creates it if flag says so.
	OpenFile(path string, flag int) (File, error)
	// Replace writes data to the file at path so that after a crash at any moment either the old or the
	// new content is there.
	Replace(path string, data []byte) error
	// Space returns how much room is left on the device of dir.
	Space(dir string) (Space, error)
	// Stat identifies the file at path.
	Stat(path string) (os.FileInfo, error)
	// MakeFolder makes the folder at path and those above it.
	MakeFolder(path string) error
	// SyncFolder makes the names in the folder durable against a loss of power.
	SyncFolder(path string) error
}

// Space is the room on a device.
type Space struct {
	FreeBytes  uint64 // what this user may still write
	TotalBytes uint64
}

// Permissions of what Scout creates: recordings are private.
const (
	fileMode   fs.FileMode = 0o600
	folderMode fs.FileMode = 0o700
)

// OSDisk is the disk of the operating system.
type OSDisk struct{}

type osFile struct{ *os.File }

// Sync writes the data to the device, and the metadata that is needed to read it.
func (f osFile) Sync() error { return syncData(f.File) }

// WriteAt implements File. That of os.File does not count what the failing call wrote: on a full disk the file would be longer than
// reported.
func (f osFile) WriteAt(p []byte, off int64) (n int, err error) { return writeAt(f.File, p, off) }

// Size implements File.
func (f osFile) Size() (int64, error) { return sizeOf(f.File) }

// Stat implements Disk.
func (OSDisk) Stat(path string) (os.FileInfo, error) { return os.Stat(path) }

// MakeFolder implements Disk.
func (OSDisk) MakeFolder(path string) error { return os.MkdirAll(path, folderMode) }

// SyncFolder implements Disk.
func (OSDisk) SyncFolder(path string) error { return atomicfile.OS{}.SyncFolder(path) }

// OpenFile implements Disk.
// Not by atomicfile: the WAV of a recording grows, and is repaired, in its place.
func (OSDisk) OpenFile(path string, flag int) (File, error) {
	f, err := os.OpenFile(path, flag, fileMode)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Replace implements Disk, as package atomicfile writes files.
func (OSDisk) Replace(path string, data []byte) error {
	return atomicfile.Write(path, data, atomicfile.Options{Mode: atomicfile.Private})
}

// temporarySuffix ends the names of files that a crash may leave half-written.
const temporarySuffix = atomicfile.Suffix

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// makeFolder creates dir with everything above it and returns its absolute path.
func makeFolder(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("folder of recordings %s: %w", dir, err)
	}
	if err := os.MkdirAll(abs, folderMode); err != nil {
		return "", scout.FileError(scout.CodeWriteFailed, "create folder of recordings", err)
	}
	return abs, nil
}
