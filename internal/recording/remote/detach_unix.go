//go:build unix

package remote

import "syscall"

// detached puts the child into its own session, so that no signal of a terminal reaches it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
