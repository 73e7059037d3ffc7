//go:build !linux

package controlgroup

// MemoryLimit returns 0: this system has no control groups.
func MemoryLimit() uint64 { return 0 }
