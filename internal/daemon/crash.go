package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/controlgroup"
	"github.com/scout-speech/scout/internal/observe"
)

// CrashName is the file that is there while a daemon serves a data folder. When the daemon ends by itself, the runtime of Go writes
// the reason into it: a panic, a fatal signal, no memory. Its first line says how the daemon began.
const CrashName = "daemon.crash"

// eventCrashed is logged by the daemon that follows one that has ended by itself.
const eventCrashed = "daemon_crashed"

// mostOfCrash bounds what is read of the file.
const mostOfCrash = 1 << 20

// beginning is the first line of the file.
type beginning struct {
	PID int `json:"pid"`
	// Groups are the counts of controlgroup.MemoryKills.
	Groups []controlgroup.Kills `json:"groups,omitempty"`
}

// watchCrash finds out whether the daemon before ended by itself, and has the runtime write down if this one does. It returns what
// ends that; nil where it could not be done. With the error that the daemon before left nothing to read, the rest is done. Whoever calls it
// has the lock of the data folder.
//
// An end that another process wanted does not count: kill -9, which leaves nothing in the file, and SIGQUIT, on which the daemon tells the stacks
// of all goroutines and ends in order (cmd/scout). Who kills a process for want of memory is told by the control group.
func watchCrash(dir string, log *slog.Logger) (byItself bool, end func() error, err error) {
	path := filepath.Join(dir, CrashName)
	kills := controlgroup.MemoryKills()
	why, unread := crashIn(path, kills)
	if why != "" {
		byItself = true
		log.Error(eventCrashed, slog.String(observe.KeyReason, why))
	}
	// Not by atomicfile: the runtime writes into the open file at the moment of the crash.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return byItself, nil, scout.FileError(scout.CodeWriteFailed, "watch for a crash", err)
	}
	first := beginning{PID: os.Getpid(), Groups: kills}
	line, err := json.Marshal(first)
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	if err == nil {
		err = debug.SetCrashOutput(f, debug.CrashOptions{}) // it keeps a copy of the descriptor
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return byItself, nil, scout.FileError(scout.CodeWriteFailed, "watch for a crash", err)
	}
	return byItself, func() error {
		err := debug.SetCrashOutput(nil, debug.CrashOptions{})
		if removed := os.Remove(path); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
		return scout.FileError(scout.CodeWriteFailed, "stop watching for a crash", err)
	}, unread
}

// crashIn returns the reason for which a daemon ended by itself; empty if it did not. kills are the counts of controlgroup.MemoryKills now.
func crashIn(path string, kills []controlgroup.Kills) (reason string, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil // it ended in order
	}
	if err != nil {
		return "", scout.FileError(scout.CodeReadFailed, "look how the daemon before ended", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, mostOfCrash))
	if err != nil {
		return "", scout.FileError(scout.CodeReadFailed, "look how the daemon before ended", err)
	}
	line, output, _ := bytes.Cut(text, []byte("\n"))
	said, _, _ := bytes.Cut(bytes.TrimSpace(output), []byte("\n"))
	if len(said) > 0 {
		return string(said), nil
	}
	var first beginning
	if json.Unmarshal(line, &first) == nil && controlgroup.MoreKills(first.Groups, kills) { // it may have been killed while it wrote the line
		return "a process of its control group was killed for want of memory", nil
	}
	return "", nil
}
