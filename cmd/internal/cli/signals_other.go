//go:build !linux

package cli

import "syscall"

func ignoredByParent(syscall.Signal) bool { return false }

func defaultAction(syscall.Signal) {}
