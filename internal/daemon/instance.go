package daemon

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/filelock"
)

// Names of the daemon's files in the data folder.
const (
	LockName   = "daemon.lock"
	SocketName = "scout.sock"
	LogName    = "daemon.log"
	// OutputName gets what a daemon that a command started writes to its standard streams: a panic, why it did not start.
	OutputName = "daemon.output"
)

// Holder is who serves a data folder.
type Holder struct {
	PID       int       `json:"pid"`
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
}

// instance is the right to serve a data folder. It ends with the process that has it, however that ends.
type instance struct{ file *os.File }

// How long the lock is tried for.
const (
	askedFor   = 100 * time.Millisecond  // a program may be asking about it at this moment
	endingWait = 1500 * time.Millisecond // a daemon may be ending whose successor a command started
)

// takeInstance makes the data folder, readable for its owner alone, and takes its lock. Where another daemon has it for longer than patience the
// error has scout.CodeDaemonRunning and names its process.
func takeInstance(dir, version string, patience time.Duration) (*instance, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make the data folder", err)
	}
	path := filepath.Join(dir, LockName)
	// Not by atomicfile: it is a lock, and another file would be another lock.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "open the lock of the data folder", err)
	}
	got, err := filelock.Try(f)
	for began := time.Now(); err == nil && !got && time.Since(began) < patience; got, err = filelock.Try(f) {
		time.Sleep(5 * time.Millisecond) // nothing announces the end of somebody else's lock
	}
	switch {
	case err != nil:
		return nil, errors.Join(scout.Errorf(scout.CodeWriteFailed, "lock %s: %w", path, err).
			WithHint("the data folder must be on a file system with locks: choose another one with --data-dir"), f.Close())
	case !got:
		holder := readHolder(f)
		return nil, errors.Join(scout.Errorf(scout.CodeDaemonRunning, "a daemon (process %d) serves %s already", holder.PID, dir), f.Close())
	}
	data, err := json.Marshal(Holder{PID: os.Getpid(), Version: version, StartedAt: time.Now().UTC()})
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(data, 0)
	}
	if err != nil && scout.CodeOf(err) != scout.CodeDiskFull { // on a full disk the lock holds, and the name is missing
		return nil, errors.Join(scout.FileError(scout.CodeWriteFailed, "write "+path, err), filelock.Close(f))
	}
	return &instance{f}, nil
}

func (i *instance) close() error {
	return scout.FileError(scout.CodeWriteFailed, "unlock the data folder", filelock.Close(i.file))
}

func readHolder(f *os.File) Holder {
	var holder Holder
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	if err != nil || json.Unmarshal(data, &holder) != nil {
		return Holder{}
	}
	return holder
}

// HolderOf reports whether a daemon serves the data folder, and which. It changes nothing and makes no folder.
func HolderOf(dir string) (holder Holder, held bool, err error) {
	f, err := os.Open(filepath.Join(dir, LockName))
	if errors.Is(err, fs.ErrNotExist) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, scout.FileError(scout.CodeReadFailed, "look at the lock of the data folder", err)
	}
	defer func() { _ = f.Close() }() // it was only looked at
	held, err = filelock.Held(f)
	if err != nil || !held {
		return Holder{}, false, scout.FileError(scout.CodeReadFailed, "look at the lock of the data folder", err)
	}
	return readHolder(f), true, nil
}
