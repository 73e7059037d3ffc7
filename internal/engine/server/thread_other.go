//go:build !linux

package server

// onThread runs work. Priorities of single threads exist on Linux only.
func onThread(_ bool, _ func(tid int), work func() error) error { return work() }

// timesOf is not known here.
func timesOf(int) times { return times{} }
