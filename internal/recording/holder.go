package recording

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout/internal/filelock"
)

// ParentLockName is the file in the folder of recordings whose lock belongs to the parent of a recorder: while it is
// held, a recorder that died is started again, and nobody else has to.
const ParentLockName = ownPrefix + "parent"

// Holder tells whether a process records into the folder, and which; 0 where it has not said. It changes nothing and
// makes no folder.
func Holder(dir string) (pid int, held bool) {
	f, err := os.OpenFile(filepath.Join(dir, LockName), os.O_RDWR, 0)
	if err != nil {
		return 0, false
	}
	if !heldByOther(f) {
		return 0, false
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 256))
	var holder lockHolder
	if err != nil || json.Unmarshal(data, &holder) != nil {
		return 0, true
	}
	return holder.PID, true
}

// HasParent tells whether a parent watches over the recorder of the folder.
func HasParent(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, ParentLockName), os.O_RDWR, 0)
	if err != nil || !heldByOther(f) {
		return false
	}
	_ = f.Close() // it was only looked at
	return true
}

// heldByOther tells whether another open file has the lock of f; where none has, f is closed.
func heldByOther(f *os.File) bool {
	got, err := filelock.Try(f)
	if got || err != nil {
		_ = filelock.Close(f) // it was only looked at
		return false
	}
	return true
}
