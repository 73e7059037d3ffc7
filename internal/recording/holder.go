package recording

import (
	"os"
	"path/filepath"

	"github.com/scout-speech/scout/internal/filelock"
)

// ParentLockName is the file in the folder of recordings whose lock belongs to the parent of a recorder: while it is
// held, a recorder that died is started again, and nobody else has to.
const ParentLockName = ownPrefix + "parent"

// Holder tells whether a process holds the folder, and which. It changes nothing and makes no folder.
func Holder(dir string) (holder Tenant, held bool) {
	f, err := os.Open(filepath.Join(dir, LockName))
	if err != nil {
		return Tenant{}, false
	}
	defer func() { _ = f.Close() }() // it was only looked at
	if held, err := filelock.Held(f); err != nil || !held {
		return Tenant{}, false
	}
	return readTenant(f), true
}

// Occupied returns who holds the folder as an error with scout.CodeRecordingLocked; nil where nobody does.
func Occupied(dir string) error {
	f, err := os.Open(filepath.Join(dir, LockName))
	if err != nil {
		return nil //nolint:nilerr // nobody ever held it
	}
	defer func() { _ = f.Close() }() // it was only looked at
	if held, err := filelock.Held(f); err != nil || !held {
		return nil //nolint:nilerr // what cannot be asked is not said
	}
	return lockedBy(dir, holderOf(f))
}

// holderOf returns who holds the lock of the file: as it says itself, or as the system tells where that one is dead.
func holderOf(f *os.File) Tenant {
	if holder := readTenant(f); holder.Lives() {
		return holder
	}
	return ownerOf(f)
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
