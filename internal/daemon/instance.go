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
	// SessionsName keeps the sessions of browsers, by the hashes of their cookies.
	SessionsName = "sessions.json"
)

// Holder is who serves a data folder.
type Holder struct {
	PID       int       `json:"pid"`
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	// OnDemand is one that ends by itself when it has had nothing to do for a while.
	OnDemand bool `json:"on_demand,omitempty"`
	// Addresses are those for HTTP that a flag gave it, as they were given; empty for those of the settings. A daemon that takes its place gets
	// them, too.
	Addresses string `json:"addresses,omitempty"`
	// StoppingAt is when it began to stop; nil before. The next daemon waits for its end.
	StoppingAt *time.Time `json:"stopping_at,omitempty"`
}

// Stopping reports whether the daemon is ending.
func (h Holder) Stopping() bool { return h.StoppingAt != nil }

// instance is the right to serve a data folder. It ends with the process that has it, however that ends.
type instance struct {
	file   *os.File
	holder Holder
}

// How long the lock is tried for.
const (
	askedFor   = 100 * time.Millisecond  // a program may be asking about it at this moment
	endingWait = 1500 * time.Millisecond // a daemon may be about to end whose successor a command started
)

// StopsWithin is more than the budgets of all stages together: a daemon that has begun to stop has ended by then, unless it
// hangs.
const StopsWithin = 25 * time.Second

// takeInstance makes the data folder, readable for its owner alone, and takes its lock. Where another daemon has it for longer than patience the
// error has scout.CodeDaemonRunning and names its process. The process and the time of start are those of this one.
func takeInstance(dir string, holder Holder, patience time.Duration) (*instance, error) {
	return takeInstanceBy(filelock.Try, dir, holder, patience)
}

// takeInstanceBy is takeInstance with another way to take a lock, for tests.
func takeInstanceBy(try func(*os.File) (bool, error), dir string, holder Holder, patience time.Duration) (*instance, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make the data folder", err)
	}
	path := filepath.Join(dir, LockName)
	// Not by atomicfile: it is a lock, and another file would be another lock.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "open the lock of the data folder", err)
	}
	got, err := try(f)
	for began := time.Now(); err == nil && !got && time.Since(began) < patience; got, err = try(f) {
		if readHolder(f).Stopping() {
			patience = StopsWithin
		}
		time.Sleep(5 * time.Millisecond) // nothing announces the end of somebody else's lock
	}
	switch {
	case err != nil:
		return nil, errors.Join(scout.FileError(scout.CodeWriteFailed, "lock "+path, err), f.Close())
	case !got:
		holder := readHolder(f)
		return nil, errors.Join(scout.Errorf(scout.CodeDaemonRunning, "a daemon (process %d) serves %s already", holder.PID, dir), f.Close())
	}
	holder.PID, holder.StartedAt = os.Getpid(), time.Now().UTC()
	i := &instance{f, holder}
	err = i.write()
	if err != nil && scout.CodeOf(err) != scout.CodeDiskFull { // on a full disk the lock holds, and the name is missing
		return nil, errors.Join(scout.FileError(scout.CodeWriteFailed, "write "+path, err), filelock.Close(f))
	}
	return i, nil
}

// write writes the holder into the lock. Whoever reads at this moment may see none.
func (i *instance) write() error {
	data, err := json.Marshal(i.holder)
	if err == nil {
		err = i.file.Truncate(0)
	}
	if err == nil {
		_, err = i.file.WriteAt(data, 0)
	}
	return err
}

// stopping tells commands and the next daemon that this one ends. Where it cannot be written they wait less long.
func (i *instance) stopping() {
	now := time.Now().UTC()
	i.holder.StoppingAt = &now
	_ = i.write() // see above
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
