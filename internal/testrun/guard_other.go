//go:build !linux

package testrun

import "time"

// guard does nothing on systems that do not tell the environment of a process.
type guard struct{}

func startGuard(_, _ string) (*guard, error) { return nil, nil }
func becomeGuard()                           {}
func (*guard) left(time.Duration) []Process  { return nil }
func (*guard) dismiss() error                { return nil }
