package testrun

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// Walk calls look with each file and folder below root, as filepath.WalkDir does, where processes are at work that remove files meanwhile. What was
// removed after it was listed is left out: an error of look that is fs.ErrNotExist says so. root itself must be there.
func Walk(root string, look func(path string, entry fs.DirEntry) error) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = look(path, entry)
		}
		if path != root && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}
