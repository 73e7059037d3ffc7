//go:build !linux

package recording

import "os"

// syncData is Go's Sync, which on macOS asks the drive to empty its cache (F_FULLFSYNC).
func syncData(f *os.File) error { return f.Sync() }
