//go:build linux && cgo

// Package preflight ends a program with one line if a limit of the system would end Go's runtime with a stack trace:
// too little address space (ulimit -v), data (ulimit -d), open files (ulimit -n) or threads (ulimit -u). Go's runtime
// reserves and opens what it needs before any code of the program runs, and cannot be asked whether there is enough.
// The check is a constructor in C, which runs before the runtime.
//
// It also prevents the loss of output when standard output is closed (scout … >&-). Go's runtime would open /dev/null
// in its place, and writing would succeed. With this package, writing to a closed standard output and reading from a
// closed standard input fail with EBADF.
//
// A program imports the package for this effect.
package preflight

// #cgo CFLAGS: -O2 -pthread
// #cgo LDFLAGS: -pthread
import "C"
