package testrun

import (
	"os"
	"syscall"
)

// WriteProgram writes a program that the caller starts next. No process is forked while it is open for writing: one that has it open
// makes the start fail with "text file busy".
func WriteProgram(path string, content []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, content, 0o755) //nolint:gosec // it is run, also by other users
}
