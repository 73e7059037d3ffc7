//go:build unix

package client

import "syscall"

// detached puts the child into a session of its own: no signal of a terminal reaches it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
