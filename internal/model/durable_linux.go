package model

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
)

// swapDir puts the folder staged in the place of final. If final exists, the two exchange names in one step (renameat2,
// RENAME_EXCHANGE), so there is a complete model under the name at any time. The old folder is then called staged.
func swapDir(staged, final string) error {
	if _, err := os.Lstat(final); err != nil {
		return renameDir(staged, final)
	}
	// Not by atomicfile: these are folders, whose files are complete and synced.
	err := unix.Renameat2(unix.AT_FDCWD, staged, unix.AT_FDCWD, final, unix.RENAME_EXCHANGE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL): // an old kernel, a file system that cannot
		return swapInTwoSteps(staged, final)
	}
	return scout.FileError(scout.CodeWriteFailed, "replace "+final, err)
}
