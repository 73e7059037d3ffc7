//go:build !linux

package intake

import "os"

// wakePipe returns what a callback in C writes to and what a goroutine reads from. Both are non-blocking.
func wakePipe() (read, write *os.File, err error) { return os.Pipe() }
