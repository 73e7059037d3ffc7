//go:build !linux

package footprint

// ReturnStartupPages does nothing on systems that do not list the pages of a process.
func ReturnStartupPages() error { return nil }

// EndHugePages does nothing on systems without that choice.
func EndHugePages() error { return nil }
