package scout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Error is a failure that callers act on: it carries a code and, if something can be done, a hint. Errorf creates it;
// CodeOf, HintOf and errors.As read it.
type Error struct {
	code Code
	hint string
	err  error
}

// Errorf returns an error with the code and the text of fmt.Errorf, %w included.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{code: code, err: fmt.Errorf(format, args...)}
}

// WithHint returns e with a hint that fits better than the general one of the code. It does not change e, which may be
// shared: errors.Is finds e in what it returns.
func (e *Error) WithHint(format string, args ...any) *Error {
	return &Error{code: e.code, hint: fmt.Sprintf(format, args...), err: e}
}

// Error returns the text, without code and hint.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the error that e was made from, with its cause.
func (e *Error) Unwrap() error { return e.err }

// Code returns the code.
func (e *Error) Code() Code { return e.code }

// Hint returns the hint of this error, or else the general one of its code.
func (e *Error) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	return e.code.Info().Hint
}

// CodeOf returns the code of the outermost coded error in the chain of err. Errors without a code are recognised if the
// standard library identifies them (context, file system, disk full). Everything else is CodeInternal. CodeOf(nil) is
// empty.
func CodeOf(err error) Code {
	var coded *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, context.Canceled):
		return CodeCancelled
	case errors.Is(err, context.DeadlineExceeded):
		return CodeDeadlineExceeded
	}
	if code := fileCode(err); code != "" {
		return code
	}
	return CodeInternal
}

// HintOf returns what can be done about err; it is empty if nothing is known.
func HintOf(err error) string {
	var coded *Error
	if errors.As(err, &coded) {
		return coded.Hint()
	}
	if err == nil {
		return ""
	}
	if hint := fileHint(err); hint != "" {
		return hint
	}
	return CodeOf(err).Info().Hint
}

// fileHint returns what can be done about an error of the file system where that is not what its code says; else it is empty.
func fileHint(err error) string {
	if errors.Is(err, syscall.EROFS) { // no right helps
		return "choose another folder, or mount the disk for writing"
	}
	return ""
}

// ClassOf returns the class of err's code. ClassOf(nil) is Permanent and means nothing.
func ClassOf(err error) Class { return CodeOf(err).Info().Class }

// FileError wraps an error of the file system with the code that fits it, or with fallback (CodeReadFailed or
// CodeWriteFailed) if none fits. An error that has a code keeps it. The text is "doing: err"; an operating-system error
// already names its path.
func FileError(fallback Code, doing string, err error) error {
	if err == nil {
		return nil
	}
	var coded *Error
	if errors.As(err, &coded) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	code := fileCode(err)
	if code == "" {
		code = fallback
	}
	failed := Errorf(code, "%s: %w", doing, err)
	if hint := fileHint(err); hint != "" {
		return failed.WithHint("%s", hint)
	}
	return failed
}

func fileCode(err error) Code {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return CodeOpenFiles
	case errors.Is(err, syscall.ENOMEM):
		return CodeOutOfMemory
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return CodeDiskFull
	case errors.Is(err, syscall.EISDIR):
		return CodeFileIsDirectory
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return CodeFileNotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return CodeFilePermission
	}
	return ""
}
