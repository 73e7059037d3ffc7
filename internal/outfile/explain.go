package outfile

import (
	"context"
	"errors"
	"os"
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
	reason := scout.Reason(err)
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

// Reason is the text without anything around it.
func (r *reasoned) Reason() string { return r.text }
func (r *reasoned) Unwrap() error  { return r.err }

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
