package outfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/scout-speech/scout"
)

// Explain turns an error of the file system into one for people: "cannot write x.txt: the disk is full". The operation
// of the standard library and the names of temporary files do not appear; the cause can still be found with errors.Is.
//
//	doing  an infinitive: "write x.txt"
func Explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	var coded *scout.Error
	if errors.As(err, &coded) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	reason := Reason(err)
	explained := scout.Errorf(codeOf(err), "cannot %s: %w", doing, &reasoned{reason, err})
	if hint := hintOf(err); hint != "" {
		explained = explained.WithHint("%s", hint)
	}
	return explained
}

// reasoned is an error with a text for people.
type reasoned struct {
	text string
	err  error
}

func (r *reasoned) Error() string { return r.text }
func (r *reasoned) Unwrap() error { return r.err }

// Reason says in a few words why the file system refused something.
func Reason(err error) string {
	var said *reasoned
	if errors.As(err, &said) {
		return said.text
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

func codeOf(err error) scout.Code {
	if errors.Is(err, syscall.EFBIG) {
		return scout.CodeWriteFailed
	}
	return scout.CodeOf(scout.FileError(scout.CodeWriteFailed, "", err))
}

func hintOf(err error) string {
	switch {
	case errors.Is(err, syscall.EFBIG):
		return "see the limit of this shell: ulimit -f"
	case errors.Is(err, syscall.ENAMETOOLONG):
		return "choose a shorter name"
	case errors.Is(err, syscall.EROFS):
		return "choose another folder"
	case errors.Is(err, syscall.EPIPE):
		return "start the program that reads it again"
	case errors.Is(err, syscall.EBADF), errors.Is(err, os.ErrClosed):
		return "send the output to a file or a pipe"
	}
	return ""
}
