//go:build !linux

package server

// inBackground runs work. Priorities of single threads exist on Linux only.
func inBackground(work func() error) error { return work() }
