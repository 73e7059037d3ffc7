package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/filelock"
)

// Suffixes of the files beside the database.
const (
	lockSuffix = ".lock"
	walSuffix  = "-wal"
	shmSuffix  = "-shm"
)

// fileLock is the right to have a database open. It ends with the process, however that ends.
//
// Its file also says how many events had been written when the last program wrote there, after each commit. A database that
// has fewer is an older one: its log was deleted after a crash, or somebody has put a copy in its place.
type fileLock struct {
	file *os.File
	// events is what the file said before; 0 where it said nothing.
	events uint64
}

// lockLine is what the file says; its length is always the same.
const lockLine = "events %020d\n"

// lockFile takes the lock of the database at path.
func lockFile(path string) (*fileLock, error) {
	doing := "open database " + path
	// Not by atomicfile: it is locked, and one line in it is overwritten.
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
	said, err := io.ReadAll(io.LimitReader(file, 100))
	if err != nil {
		return nil, errors.Join(scout.FileError(scout.CodeReadFailed, doing, err), filelock.Close(file))
	}
	l := &fileLock{file: file}
	if n, err := fmt.Sscanf(string(said), "events %d\n", &l.events); err != nil || n != 1 {
		l.events = 0 // a new file
	}
	return l, nil
}

// unsafe tells an error of locking apart from what can happen anywhere.
func unsafe(doing string, err error) error {
	if errors.Is(err, unix.ENODEV) || errors.Is(err, errNoLocks) { // ENODEV: it shares no memory
		return scout.Errorf(scout.CodeStoreUnsafe, "%s: the file system has no locks that work: %w", doing, err)
	}
	return scout.FileError(scout.CodeWriteFailed, doing, filelock.Explain(err))
}

var errNoLocks = errors.New("a lock keeps nobody out")

// checkLocks makes sure that a lock on this file system keeps others out, and that SQLite's own kinds of lock and shared memory
// are there: its files could be damaged otherwise.
func checkLocks(file *os.File) error {
	// Not by atomicfile: nothing is written.
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
	if err := checkByteLocks(file, other); err != nil {
		return err
	}
	return checkSharedMemory(file)
}

func checkSharedMemory(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		if _, err := fmt.Fprintf(file, lockLine, 0); err != nil {
			return err
		}
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("share memory: %w", err)
	}
	return unix.Munmap(memory)
}

// note writes how many events there are. It is not synced: after a loss of power the file says less than there is, which is no
// cause for alarm.
func (l *fileLock) note(events uint64) error {
	_, err := fmt.Fprintf(io.NewOffsetWriter(l.file, 0), lockLine, events)
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

// removeLeftovers removes what a crash has left of a copy that was being made: it holds all that was ever said.
func removeLeftovers(path string) error {
	dir, name := filepath.Split(path)
	found, err := filepath.Glob(globQuote(dir) + "." + globQuote(name) + "-*" + atomicfile.Suffix + "*")
	for _, leftover := range found {
		err = errors.Join(err, os.Remove(leftover))
	}
	return scout.FileError(scout.CodeWriteFailed, "remove what a crash has left", err)
}

// regular returns an error where there is no file that can be read as a database: nothing, a folder, a device, a pipe.
func regular(doing, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, doing, err)
	}
	if !info.Mode().IsRegular() {
		return scout.Errorf(scout.CodeStoreForeign, "%s: it is %s", doing, kindOf(info)).WithHint("name a database of Scout, or a backup of it")
	}
	return nil
}

// kindOf says what something is that is not a file.
func kindOf(info fs.FileInfo) string {
	switch {
	case info.IsDir():
		return "a folder"
	case info.Mode()&fs.ModeDevice != 0:
		return "a device"
	case info.Mode()&fs.ModeNamedPipe != 0:
		return "a pipe"
	case info.Mode()&fs.ModeSocket != 0:
		return "a socket"
	}
	return "not a file"
}

// prepareFile makes the file, readable for its owner alone, so that SQLite gives its other files the same mode.
func prepareFile(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // opening a pipe would wait for its other end
		return scout.Errorf(scout.CodeStoreForeign, "open database %s: %s is in its place", path, kindOf(info))
	}
	// Not by atomicfile: SQLite writes it.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "open database", err)
	}
	return scout.FileError(scout.CodeWriteFailed, "open database", file.Close())
}
