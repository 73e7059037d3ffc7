package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/filelock"
)

// Suffixes of the files beside the database.
const (
	lockSuffix = ".lock"
	walSuffix  = "-wal"
	shmSuffix  = "-shm"
)

// What the lock file says about the last program that had the database open.
const (
	stateOpen   = "open\n"   // it has not closed it: its log must be there
	stateClosed = "closed\n" // it has closed it
)

// fileLock is the right to have a database open. It ends with the process, however that ends.
type fileLock struct {
	file *os.File
	// left is what the file said before: stateOpen after a crash.
	left string
}

// lockFile takes the lock of the database at path.
func lockFile(path string) (*fileLock, error) {
	doing := "open database " + path
	file, err := os.OpenFile(path+lockSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	ok, err := filelock.Try(file)
	if err == nil && ok {
		err = checkLocks(file)
	}
	switch {
	case err != nil:
		return nil, errors.Join(unsafe(doing, err), file.Close())
	case !ok:
		return nil, errors.Join(scout.Errorf(scout.CodeStoreLocked, "%s: another Scout has it open", doing).
			WithHint("use that one, or end it first: scout serve stop"), file.Close())
	}
	left, err := io.ReadAll(io.LimitReader(file, 16))
	if err != nil {
		return nil, errors.Join(scout.FileError(scout.CodeReadFailed, doing, err), filelock.Close(file))
	}
	return &fileLock{file: file, left: string(left)}, nil
}

// unsafe tells an error of locking apart from what can happen anywhere.
func unsafe(doing string, err error) error {
	for _, missing := range []error{unix.ENOLCK, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL, unix.ENODEV, errNoLocks} {
		if errors.Is(err, missing) {
			return scout.Errorf(scout.CodeStoreUnsafe, "%s: the file system has no locks that work: %w", doing, err)
		}
	}
	return scout.FileError(scout.CodeWriteFailed, doing, err)
}

var errNoLocks = errors.New("a lock keeps nobody out")

// checkLocks makes sure that a lock on this file system keeps others out, and that SQLite's own kinds of lock and shared memory
// are there: its files could be damaged otherwise.
func checkLocks(file *os.File) error {
	other, err := os.OpenFile(file.Name(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = other.Close() }() // it was only to look
	held, err := filelock.Held(other)
	if err != nil {
		return err
	}
	if !held {
		return errNoLocks
	}
	// Locks of open files, not of the process: closing `other` must not end those of SQLite in this process.
	region := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: 100, Len: 1}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &region); err != nil {
		return fmt.Errorf("lock a byte: %w", err)
	}
	probe := region
	if err := unix.FcntlFlock(other.Fd(), unix.F_OFD_GETLK, &probe); err != nil {
		return fmt.Errorf("look at the lock of a byte: %w", err)
	}
	if probe.Type == unix.F_UNLCK {
		return errNoLocks
	}
	region.Type = unix.F_UNLCK
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &region); err != nil {
		return fmt.Errorf("unlock a byte: %w", err)
	}
	return checkSharedMemory(file)
}

func checkSharedMemory(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		if _, err := file.WriteAt([]byte(stateClosed), 0); err != nil {
			return err
		}
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("share memory: %w", err)
	}
	return unix.Munmap(memory)
}

// logMissing tells whether the database at path was open when its last program ended, and its log is gone: what was in the log
// is lost, and nothing in the database tells of it.
func (l *fileLock) logMissing(path string) (bool, error) {
	if l.left != stateOpen {
		return false, nil
	}
	for _, suffix := range []string{"", walSuffix} {
		_, err := os.Stat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			return suffix == walSuffix, nil
		} else if err != nil {
			return false, scout.FileError(scout.CodeReadFailed, "open database", err)
		}
	}
	return false, nil
}

// note writes the state into the lock file.
func (l *fileLock) note(state string) error {
	_, err := l.file.WriteAt([]byte(state), 0)
	if err == nil {
		err = l.file.Truncate(int64(len(state)))
	}
	return scout.FileError(scout.CodeWriteFailed, "note the state of the database", err)
}

func (l *fileLock) released() bool { return l == nil || l.file == nil }

func (l *fileLock) close() error {
	if l.released() {
		return nil
	}
	file := l.file
	l.file = nil
	return scout.FileError(scout.CodeWriteFailed, "unlock database", filelock.Close(file))
}

// prepareFile makes the file, readable for its owner alone, so that SQLite gives its other files the same mode.
func prepareFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "open database", err)
	}
	return scout.FileError(scout.CodeWriteFailed, "open database", file.Close())
}
