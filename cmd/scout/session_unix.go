//go:build unix

package main

import "syscall"

// ownSession puts a child into a session of its own: no signal of the terminal reaches it.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
