package model

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
)

// swapDir puts the folder staged in the place of final. Where final exists the two change names in
// one step (renameat2, RENAME_EXCHANGE), so that there is a whole model under the name at any time;
// what final was is then called staged.
func swapDir(staged, final string) error {
	if _, err := os.Lstat(final); err != nil {
		return renameDir(staged, final)
	}
	// Not by atomicfile: they are folders, whose files are whole and synced.
	err := unix.Renameat2(unix.AT_FDCWD, staged, unix.AT_FDCWD, final, unix.RENAME_EXCHANGE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL): // an old kernel, a file system that cannot
		return swapInTwoSteps(staged, final)
	}
	return scout.FileError(scout.CodeWriteFailed, "replace "+final, err)
}
