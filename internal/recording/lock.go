package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/filelock"
)

// LockName is the file whose lock belongs to the one program that records into the folder. The lock ends with the
// process that holds it, however that ends; the file stays.
const LockName = "recorder.lock"

// Lock is the right to record into a folder. Only a recorder takes it, for as long as it lives. Commands that change a
// recording claim only that recording, so a start never waits for a command.
type Lock struct{ file *os.File }

// Tenant is the process that holds a folder, as recorded in the lock file. The zero value means that nothing is
// recorded.
type Tenant struct {
	PID int `json:"pid,omitempty"`
	// Program is the name of its file.
	Program string `json:"program,omitempty"`
	// Serving is true if its socket has been ready; before that it is still starting.
	Serving bool `json:"serving,omitempty"`
}

// Lives reports whether the process exists. If it does not, but the file is locked, the holder is not a recorder.
func (t Tenant) Lives() bool {
	return t.PID > 0 && !errors.Is(syscall.Kill(t.PID, 0), syscall.ESRCH)
}

// Limits of waiting for the lock.
const (
	// askedFor is how long to try for a lock that another program may be testing at this moment.
	askedFor  = 100 * time.Millisecond
	lockPause = 5 * time.Millisecond
	// tenantBytes is the length of a lock file: it is written in one piece, so that nobody reads half of it.
	tenantBytes = 256
)

// TakeLock takes the lock of the folder. If another program holds it, the error has scout.CodeRecordingLocked and names
// its process.
func TakeLock(dir string) (*Lock, error) {
	dir, err := makeFolder(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, LockName)
	// Not by atomicfile: it is a lock, and must stay the same file.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "open lock file", err)
	}
	lock := &Lock{file: f}
	got, err := filelock.Try(f)
	for began := time.Now(); err == nil && !got && time.Since(began) < askedFor && !readTenant(f).Lives(); got, err = filelock.Try(f) {
		time.Sleep(lockPause) // nothing announces the end of another process's lock
	}
	if err == nil && got {
		err = lock.write(false)
	}
	if err != nil && got {
		return nil, errors.Join(scout.FileError(scout.CodeWriteFailed, "lock "+path, err), filelock.Close(f))
	}
	if err != nil { // there is nothing to unlock
		return nil, errors.Join(scout.FileError(scout.CodeWriteFailed, "lock "+path, err), f.Close())
	}
	if !got {
		return nil, errors.Join(lockedBy(dir, holderOf(f)), f.Close())
	}
	return lock, nil
}

// lockedBy returns the error for a folder that holder holds.
func lockedBy(dir string, holder Tenant) error {
	return scout.Errorf(scout.CodeRecordingLocked, "folder %s is in use%s", dir, holder).WithHint("%s", holder.hint())
}

// Serves records in the lock file that the recorder can be reached now.
func (l *Lock) Serves() error {
	if err := l.write(true); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write lock file", err)
	}
	return nil
}

// Close releases the lock.
func (l *Lock) Close() error {
	if err := filelock.Close(l.file); err != nil {
		return fmt.Errorf("unlock folder of recordings: %w", err)
	}
	return nil
}

// Renew takes the lock again if its file was deleted or replaced: until then another program could also take it. If one
// did, the error has scout.CodeRecordingLocked, and this program continues its recording.
func (l *Lock) Renew(dir string) (renewed bool, err error) {
	there, err := os.Stat(filepath.Join(dir, LockName))
	if err == nil {
		if mine, err := l.file.Stat(); err != nil || os.SameFile(there, mine) {
			return false, err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return false, scout.FileError(scout.CodeReadFailed, "look at lock", err)
	}
	next, err := TakeLock(dir)
	if err != nil {
		return false, err
	}
	old := l.file
	l.file = next.file
	return true, errors.Join(l.Serves(), filelock.Close(old))
}

// write records who holds the lock. It is only information, so a full disk does not prevent anybody from taking the
// lock.
func (l *Lock) write(serving bool) error {
	tenant := Tenant{PID: os.Getpid(), Serving: serving}
	if program, err := os.Executable(); err == nil {
		tenant.Program = filepath.Base(program)
	}
	data, err := json.Marshal(tenant)
	if err != nil {
		return err
	}
	data = append(data, bytes.Repeat([]byte{' '}, max(tenantBytes-1-len(data), 0))...)
	if _, err = l.file.WriteAt(append(data, '\n'), 0); err == nil {
		err = l.file.Truncate(int64(len(data) + 1))
	}
	if scout.CodeOf(scout.FileError(scout.CodeWriteFailed, "write lock file", err)) == scout.CodeDiskFull {
		return nil
	}
	return err
}

// readTenant returns the last recorded holder of the lock, zero if there is none.
func readTenant(f *os.File) Tenant {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 4*tenantBytes))
	var tenant Tenant
	if err != nil || json.Unmarshal(data, &tenant) != nil {
		return Tenant{}
	}
	return tenant
}

// String returns the holder in words, to follow "in use".
func (t Tenant) String() string {
	switch {
	case t.PID == 0:
		return ""
	case t.Program == "":
		return fmt.Sprintf(" by process %d", t.PID)
	}
	return fmt.Sprintf(" by process %d (%s)", t.PID, t.Program)
}

func (t Tenant) hint() string {
	if t.PID == 0 {
		return ""
	}
	return fmt.Sprintf("if it is suspended, continue it (kill -CONT %d) or end it (kill %d)", t.PID, t.PID)
}
