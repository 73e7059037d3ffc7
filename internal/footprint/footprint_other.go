//go:build !linux

package footprint

// ReturnStartupPages does nothing where pages cannot be told apart.
func ReturnStartupPages() error { return nil }

// EndHugePages does nothing where a program cannot choose.
func EndHugePages() error { return nil }
