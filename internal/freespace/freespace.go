//go:build unix

// Package freespace says how much room a file system has.
package freespace

import (
	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
)

// Of returns the bytes that the file system of dir leaves to this user.
func Of(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, scout.FileError(scout.CodeReadFailed, "ask for free space in "+dir, err)
	}
	return int64(stat.Bavail) * int64(stat.Bsize), nil //nolint:unconvert // other types on other systems
}

// Shared reports whether two folders are on the same file system, so that what is written into one leaves less room in the other.
func Shared(a, b string) (bool, error) {
	var one, other unix.Stat_t
	for dir, stat := range map[string]*unix.Stat_t{a: &one, b: &other} {
		if err := unix.Stat(dir, stat); err != nil {
			return false, scout.FileError(scout.CodeReadFailed, "look at "+dir, err)
		}
	}
	return one.Dev == other.Dev, nil
}
