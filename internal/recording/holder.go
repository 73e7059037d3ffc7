package recording

import (
	"os"
	"path/filepath"

	"github.com/scout-speech/scout/internal/filelock"
)

// ParentLockName is the file in the folder of recordings whose lock belongs to the parent of a recorder. While it is
// held, the parent restarts a recorder that died, and nobody else has to.
const ParentLockName = ownPrefix + "parent"

// Holder reports whether a process holds the folder, and which. It changes nothing and creates no folder.
func Holder(dir string) (holder Tenant, held bool) {
	f, err := os.Open(filepath.Join(dir, LockName))
	if err != nil {
		return Tenant{}, false
	}
	defer func() { _ = f.Close() }() // it was only read
	if held, err := filelock.Held(f); err != nil || !held {
		return Tenant{}, false
	}
	return readTenant(f), true
}

// Occupied returns an error with scout.CodeRecordingLocked that names the holder of the folder; nil if there is none.
func Occupied(dir string) error {
	f, err := os.Open(filepath.Join(dir, LockName))
	if err != nil {
		return nil // nobody ever held it
	}
	defer func() { _ = f.Close() }() // it was only read
	if held, err := filelock.Held(f); err != nil || !held {
		return nil // unknown counts as free
	}
	return lockedBy(dir, holderOf(f))
}

// holderOf returns the holder of the file's lock: from the file, or from the system if the process in the file is dead.
func holderOf(f *os.File) Tenant {
	if holder := readTenant(f); holder.Lives() {
		return holder
	}
	return ownerOf(f)
}

// HasParent reports whether a parent watches the recorder of the folder.
func HasParent(dir string) bool {
	f, err := os.Open(filepath.Join(dir, ParentLockName))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it was only read
	held, err := filelock.Held(f)
	return err == nil && held
}
