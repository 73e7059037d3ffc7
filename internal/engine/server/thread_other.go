//go:build !linux

package server

import "time"

// onThread runs work. Priorities of single threads exist on Linux only.
func onThread(_ bool, _ func(tid int), work func() error) error { return work() }

// queuedFor is not known here.
func queuedFor(int) time.Duration { return 0 }
