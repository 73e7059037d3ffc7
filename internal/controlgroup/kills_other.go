//go:build !linux

package controlgroup

// MemoryKills returns nothing: this system has no control groups.
func MemoryKills() []Kills { return nil }
