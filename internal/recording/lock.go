package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
}

// TakeLock takes the lock of the folder. Where another program holds it the error has
// scout.CodeRecordingLocked and names its process.
func TakeLock(dir string) (*Lock, error) {
	dir, err := makeFolder(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, LockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "open lock file", err)
	}
	got, err := filelock.Try(f)
	if err == nil && got {
		err = writeHolder(f)
	}
	if err != nil {
		return nil, errors.Join(scout.FileError(scout.CodeWriteFailed, "lock "+path, err), filelock.Close(f))
	}
	if !got {
		holder := readHolder(f)
		return nil, errors.Join(scout.Errorf(scout.CodeRecordingLocked, "folder %s is in use%s", dir, holder), f.Close())
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
	data, err := json.Marshal(lockHolder{PID: os.Getpid()})
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

func readHolder(f *os.File) string {
	data, err := io.ReadAll(io.LimitReader(io.NewSectionReader(f, 0, 256), 256))
	var holder lockHolder
	if err != nil || json.Unmarshal(data, &holder) != nil || holder.PID == 0 {
		return ""
	}
	return fmt.Sprintf(" by process %d", holder.PID)
}
