package main

import (
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// keyByKey makes a terminal give each key at once and show none, and returns what undoes that. Output stays as it is.
func keyByKey(file *os.File) (restore func(), err error) {
	fd := int(file.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	raw := *before
	raw.Lflag &^= unix.ICANON | unix.ECHO | unix.ISIG | unix.IEXTEN
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETSF, before) }, nil // with what was typed and not read
}

// inForeground reports whether the keys of a terminal are for this program. One in the background would be stopped for reading them.
func inForeground(file *os.File) bool {
	group, err := unix.IoctlGetInt(int(file.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// stopHere stops this program and those beside it in its pipe, as Ctrl-Z does, and returns when it goes on.
func stopHere() {
	going := make(chan os.Signal, 1)
	signal.Notify(going, unix.SIGCONT)
	defer signal.Stop(going)
	if unix.Kill(0, unix.SIGTSTP) != nil {
		return
	}
	select { // an orphaned group is not stopped
	case <-going:
	case <-time.After(time.Second):
	}
}
