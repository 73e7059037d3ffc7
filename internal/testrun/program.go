package testrun

import (
	"os"
	"syscall"
)

// Unforked calls f while this process starts no other one. A process that is being started has a copy of every open descriptor until its
// program begins: what f opens and closes again is in none. f itself starts no process, and does not call Unforked.
func Unforked(f func() error) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return f()
}

// WriteProgram writes a program that the caller starts next. No process is forked while it is open for writing: one that has it open
// makes the start fail with "text file busy".
func WriteProgram(path string, content []byte) error {
	return Unforked(func() error { return os.WriteFile(path, content, 0o755) }) //nolint:gosec // it is run, also by other users
}
