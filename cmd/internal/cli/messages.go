package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/outfile"
)

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

// lengthExamples shows how to write a duration.
const lengthExamples = "write a length such as 500ms, 15s or 2m"
