//go:build !linux

package intake

import "os"

// wakePipe returns the end that a callback in C writes to and the end that a goroutine reads. Both are non-blocking.
func wakePipe() (read, write *os.File, err error) { return os.Pipe() }
