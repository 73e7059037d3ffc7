package atomicfile

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
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

// RenameNew implements System. Where the system has no such rename, a hard link does the same; where the
// file system has no hard links either, another program can still make the file between a look and the rename.
func (OS) RenameNew(from, to string) error {
	err := renameNew(from, to)
	if errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return renameByLink(from, to)
	}
	return err
}

func renameByLink(from, to string) error {
	err := os.Link(from, to)
	if err == nil {
		return os.Remove(from)
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, statErr := os.Lstat(to); !errors.Is(statErr, fs.ErrNotExist) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}

// Remove implements System.
func (OS) Remove(path string) error { return os.Remove(path) }

// SyncFolder implements System. A file system that cannot sync folders is not an error: it keeps names in a
// way of its own, and nothing more can be done.
func (OS) SyncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, folder.Close())
}
