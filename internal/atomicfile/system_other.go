//go:build !linux

package atomicfile

import "syscall"

// renameNew is not known here: a hard link does the same.
func renameNew(string, string) error { return syscall.ENOSYS }
