package atomicfile

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// OS is the file system of the operating system.
type OS struct{}

// CreateTemporary implements System. The name is short and has nothing of the final one, which may be as
// long as a name can be.
func (OS) CreateTemporary(dir string, mode fs.FileMode) (File, error) {
	for {
		name := filepath.Join(dir, ".scout-"+strconv.FormatUint(rand.Uint64(), 36)+Suffix)
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

// Rename implements System.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Link implements System.
func (OS) Link(from, to string) error { return os.Link(from, to) }

// Remove implements System.
func (OS) Remove(path string) error { return os.Remove(path) }

// SyncFolder implements System.
func (OS) SyncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
