package recording

import (
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

// LockName is the file whose lock belongs to the one program that records into the folder. The lock
// ends with the process that holds it, however it ends; the file stays.
const LockName = "recorder.lock"

// Lock is the right to record into a folder.
type Lock struct{ file *os.File }

// lockHolder is the content of the lock file, for the message to whoever comes second.
type lockHolder struct {
	PID int `json:"pid"`
	// Program is the name of its file: scout or scout-recorder.
	Program string `json:"program,omitempty"`
}

// Limits of waiting for the lock.
const (
	// askedFor is how long a lock is tried for that a program may be asking about at this moment.
	askedFor = 100 * time.Millisecond
	// RecorderWaits is how long a recorder that begins waits for a program that changes the folder.
	RecorderWaits = 2 * time.Second
	lockPause     = 5 * time.Millisecond
)

// TakeLock takes the lock of the folder. Where another program holds it the error has
// scout.CodeRecordingLocked and names its process.
func TakeLock(dir string) (*Lock, error) { return TakeLockWithin(dir, askedFor) }

// TakeLockWithin is TakeLock that waits for so long for a program that looks at the folder or changes it. For a recorder it
// does not wait: that stays.
func TakeLockWithin(dir string, patience time.Duration) (*Lock, error) {
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
	got, err := filelock.Try(f)
	for began := time.Now(); err == nil && !got && time.Since(began) < patience && !readHolder(f).stays(); got, err = filelock.Try(f) {
		time.Sleep(lockPause) // nothing announces the end of somebody else's lock
	}
	if err == nil && got {
		err = writeHolder(f)
	}
	if err != nil {
		return nil, errors.Join(scout.FileError(scout.CodeWriteFailed, "lock "+path, err), filelock.Close(f))
	}
	if !got {
		holder := readHolder(f)
		return nil, errors.Join(scout.Errorf(scout.CodeRecordingLocked, "folder %s is in use%s", dir, holder).WithHint("%s", holder.hint()), f.Close())
	}
	return &Lock{file: f}, nil
}

// Close gives the lock back.
func (l *Lock) Close() error {
	if err := filelock.Close(l.file); err != nil {
		return fmt.Errorf("unlock folder of recordings: %w", err)
	}
	return nil
}

// Renew takes the lock again where its file was deleted or replaced: until then another program could take
// it as well. Where one did, the error has scout.CodeRecordingLocked and this program goes on with what it
// records.
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
	return true, filelock.Close(old)
}

// writeHolder is informative only, so that a full disk does not keep anybody from taking the lock.
func writeHolder(f *os.File) error {
	holder := lockHolder{PID: os.Getpid()}
	if program, err := os.Executable(); err == nil {
		holder.Program = filepath.Base(program)
	}
	data, err := json.Marshal(holder)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.WriteAt(data, 0); err != nil && scout.CodeOf(err) != scout.CodeDiskFull {
		return err
	}
	return nil
}

// readHolder returns who held the lock last; nothing where nobody has said.
func readHolder(f *os.File) lockHolder {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1024))
	var holder lockHolder
	if err != nil || json.Unmarshal(data, &holder) != nil {
		return lockHolder{}
	}
	return holder
}

// recorderProgram is the name of the program that holds the lock for as long as it lives.
const recorderProgram = "scout-recorder"

// stays tells whether the holder is a recorder that lives. What a dead one left in the file says nothing.
func (h lockHolder) stays() bool {
	return h.Program == recorderProgram && h.PID > 0 && !errors.Is(syscall.Kill(h.PID, 0), syscall.ESRCH)
}

// String goes on after "in use".
func (h lockHolder) String() string {
	switch {
	case h.PID == 0:
		return ""
	case h.Program == "":
		return fmt.Sprintf(" by process %d", h.PID)
	}
	return fmt.Sprintf(" by process %d (%s)", h.PID, h.Program)
}

func (h lockHolder) hint() string {
	if h.Program == recorderProgram || h.PID == 0 {
		return ""
	}
	return fmt.Sprintf("if it is stopped, let it go on (kill -CONT %d) or end it (kill %d)", h.PID, h.PID)
}
