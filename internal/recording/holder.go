package recording

import (
	"os"
	"path/filepath"

	"github.com/scout-speech/scout/internal/filelock"
)

// ParentLockName is the file in the folder of recordings whose lock belongs to the parent of a recorder: while it is
// held, a recorder that died is started again, and nobody else has to.
const ParentLockName = ownPrefix + "parent"

// Holder tells whether a process holds the folder, and which; 0 where it has not said. It changes nothing and
// makes no folder.
func Holder(dir string) (pid int, held bool) {
	f, err := os.Open(filepath.Join(dir, LockName))
	if err != nil {
		return 0, false
	}
	defer func() { _ = f.Close() }() // it was only looked at
	if held, err := filelock.Held(f); err != nil || !held {
		return 0, false
	}
	return readHolder(f).PID, true
}

// HasParent tells whether a parent watches over the recorder of the folder.
func HasParent(dir string) bool {
	f, err := os.Open(filepath.Join(dir, ParentLockName))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it was only looked at
	held, err := filelock.Held(f)
	return err == nil && held
}
