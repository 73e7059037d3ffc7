//go:build !linux

package controlgroup

// MemoryKills returns nothing: this system has no control groups.
func MemoryKills() (n uint64, known bool) { return 0, false }
