package cli

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

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/outfile"
)

// PlainText returns the text of an error for people. The standard library's messages about files and numbers ("open x:
// no such file or directory", "strconv.ParseInt: …") become plain words; those of our own packages stay.
func PlainText(err error) string {
	text := OneLine(err)
	for _, e := range errorTree(err) {
		said, plain := "", ""
		switch e := e.(type) { //nolint:errorlint // each error of the tree is looked at
		case *fs.PathError:
			said, plain = e.Error(), e.Path+": "+outfile.Reason(e)
		case *os.LinkError:
			said, plain = e.Error(), e.New+": "+outfile.Reason(e.Err)
		case *os.SyscallError:
			said, plain = e.Error(), outfile.Reason(e.Err)
		case *net.OpError:
			said, plain = e.Error(), outfile.Reason(e.Err)
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

// namesStream rewrites an error about a standard stream to say so: the standard library calls it /dev/stdout.
func namesStream(err error) error {
	var path *fs.PathError
	if !errors.As(err, &path) {
		return err
	}
	switch {
	case path.Path == os.Stdout.Name() && path.Op == "write":
		return outfile.Explain("write to standard output", path)
	case path.Path == os.Stdin.Name() && errors.Is(path, syscall.EBADF):
		return scout.Errorf(scout.CodeReadFailed, "cannot read standard input: it is closed").WithHint("give it a file or a pipe: < FILE")
	}
	return err
}

// checkedWriter remembers the first failure to write, because the code that prints help ignores it.
type checkedWriter struct {
	io.Writer
	failed error
}

func (w *checkedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.failed == nil {
		w.failed = err
	}
	return n, err
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

// lengthExamples shows how to write a duration.
const lengthExamples = "write a length such as 500ms, 15s or 2m"
