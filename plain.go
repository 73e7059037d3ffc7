package scout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Plain returns the text of an error for people. The standard library's messages about files and numbers ("open x:
// no such file or directory", "strconv.ParseInt: …") become plain words; those of
// our own packages stay. What leaves a process or reaches a person is written with Plain: the far end has only the text.
func Plain(err error) string {
	text := err.Error()
	for _, e := range errorTree(err) {
		said, plain := "", ""
		switch e := e.(type) { //nolint:errorlint // each error of the tree is looked at
		case *fs.PathError:
			said, plain = e.Error(), e.Path+": "+Reason(e)
		case *os.LinkError:
			said, plain = e.Error(), e.New+": "+Reason(e.Err)
		case *os.SyscallError:
			said, plain = e.Error(), Reason(e.Err)
		case *net.OpError:
			said, plain = e.Error(), Reason(e.Err)
		case *strconv.NumError:
			said, plain = e.Error(), fmt.Sprintf("%q is not a number", e.Num)
		case *url.Error:
			said, plain = e.Error(), fmt.Sprintf("%s: %v", e.URL, e.Err)
		default:
			switch e { // the values themselves
			case context.Canceled: //nolint:errorlint // not one that wraps it
				said, plain = e.Error(), "interrupted"
			case context.DeadlineExceeded:
				said, plain = e.Error(), "it took too long"
			case io.ErrUnexpectedEOF:
				said, plain = e.Error(), "it ends too early"
			}
		}
		if said != "" {
			text = strings.ReplaceAll(text, said, plain)
		}
	}
	return once(text)
}

// Reason says in a few words why the operating system refused something. An error in the tree with a method Reason says it
// itself.
func Reason(err error) string {
	var said interface{ Reason() string }
	if errors.As(err, &said) {
		return said.Reason()
	}
	for _, known := range []struct {
		is   error
		text string
	}{
		{syscall.ENOSPC, "the disk is full (no space left on device)"},
		{syscall.EDQUOT, "the disk quota is used up"},
		{syscall.EFBIG, "the file would be larger than is allowed"},
		{syscall.EROFS, "it is on a read-only file system"},
		{syscall.EISDIR, "it is a folder"},
		{syscall.ENOTDIR, "a part of the path is a file, not a folder"},
		{syscall.ENAMETOOLONG, "the name is too long"},
		{syscall.ELOOP, "symbolic links lead in a circle"},
		{syscall.EPIPE, "nobody reads it any more"},
		{syscall.EBADF, "it is closed"},
		{syscall.EIO, "the device reports an error"},
		{syscall.ESTALE, "the network drive lost it"},
		{syscall.ETXTBSY, "it is a program that runs"},
		{syscall.EMFILE, "too many files are open (see: ulimit -n)"},
		{syscall.ENFILE, "too many files are open on this machine"},
		{syscall.ENXIO, "nothing is connected to it"},
		{os.ErrClosed, "it is closed"},
		{fs.ErrPermission, "permission denied"},
		{fs.ErrNotExist, "no such file or folder"},
		{syscall.ENOTEMPTY, "the folder is not empty"}, // before ErrExist, which it is for Go
		{fs.ErrExist, "it exists already"},
	} {
		if errors.Is(err, known.is) {
			return known.text
		}
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return strings.TrimSpace(err.Error())
}

// errorTree returns err and all errors below it.
func errorTree(err error) []error {
	all := []error{err}
	switch e := err.(type) { //nolint:errorlint // the tree is walked
	case interface{ Unwrap() error }:
		if next := e.Unwrap(); next != nil {
			all = append(all, errorTree(next)...)
		}
	case interface{ Unwrap() []error }:
		for _, next := range e.Unwrap() {
			if next != nil {
				all = append(all, errorTree(next)...)
			}
		}
	}
	return all
}

// once removes a part of a message that repeats the part before it: "decode x: decode x: it is text".
func once(text string) string {
	parts := strings.Split(text, ": ")
	kept := parts[:1]
	for _, part := range parts[1:] {
		if part != kept[len(kept)-1] {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ": ")
}
