package prepare

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// file is what writing needs of an *os.File; tests put one in its place that fails.
type file interface {
	Name() string
	Write(p []byte) (int, error)
	Chmod(mode os.FileMode) error
	Sync() error
	Close() error
}

// createTemp creates a new file in dir, as os.CreateTemp does.
func createTemp(dir, pattern string) (file, error) { return os.CreateTemp(dir, pattern) }

// writeFile writes content to path such that after any crash path holds all of its old content or all of its
// new: into a temporary file beside it, fsync, close, rename, fsync of the folder. The temporary file is
// removed when a step fails.
func writeFile(path string, content []byte, create func(dir, pattern string) (file, error)) error {
	dir := filepath.Dir(path)
	f, err := create(dir, filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(dir)
}

// syncDir makes renames in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
