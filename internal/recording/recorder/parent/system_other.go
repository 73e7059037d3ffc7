//go:build unix && !linux

package parent

import (
	"errors"
	"os"
)

// beLazy does nothing on systems that decide the precision of timers themselves.
func beLazy() {}

// program is this program.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// makeMemory makes a file without a name, which lives as long as one of the processes that hold it.
func makeMemory() (*os.File, error) {
	// Not by atomicfile: the file has no name while it is in use.
	f, err := os.CreateTemp("", "scout-recorder-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
