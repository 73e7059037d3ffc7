//go:build !linux

package outfile

import "syscall"

// nameLimit is how many bytes a name in the folder may have.
func nameLimit(string) int { return 255 }

// renameNew is not known here: a hard link does the same.
func renameNew(string, string) error { return syscall.ENOSYS }
