package transcribe

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/outfile"
)

// StandardInput is the name of standard input among the inputs.
const StandardInput = "-"

// Input is something to transcribe: a file or a stream.
type Input struct {
	// Path names a file; empty for a stream.
	Path string
	// Stream is read where Path is empty. It is not closed.
	Stream io.Reader
	// Label names a stream for people.
	Label string
}

// Name returns the name of the input for people.
func (in *Input) Name() string {
	if in.Path != "" {
		return in.Path
	}
	return in.Label
}

// open opens an input. Opening and reading end with ctx, even if the other end of a pipe does nothing.
func (t *Transcriber) open(ctx context.Context, in Input, options file.Options) (*opened, error) {
	options.Log = t.scope.Log()
	options.Panicked = func(decoder string, value any) { t.failures.Panicked("audio/"+decoder, value) }
	if in.Path == "" {
		reader, err := file.New(ctx, newReader(ctx, in.Stream), in.Name(), options)
		return &opened{Reader: reader}, err
	}
	regular, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	if regular {
		reader, err := file.Open(ctx, in.Path, options)
		return &opened{Reader: reader}, err
	}
	stream, err := outfile.OpenInput(ctx, in.Path)
	if err != nil {
		return nil, explainRead(in.Path, err)
	}
	reader, err := file.New(ctx, newReader(ctx, stream), in.Path, options)
	if err != nil {
		return nil, errors.Join(err, closeUnlessBusy(ctx, stream))
	}
	return &opened{reader, stream, ctx}, nil
}

// opened is a reader with the stream that it reads.
type opened struct {
	*file.Reader
	stream io.Closer // nil if the reader owns everything
	ctx    context.Context
}

// Close closes the reader and its stream.
func (o *opened) Close() error {
	err := o.Reader.Close()
	if o.stream != nil {
		err = errors.Join(err, closeUnlessBusy(o.ctx, o.stream))
	}
	return err
}

// closeUnlessBusy closes a stream. After ctx ended a read may hang in it, and closing would wait for that.
func closeUnlessBusy(ctx context.Context, stream io.Closer) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return stream.Close()
	}
}

// checkPath refuses what cannot be read, in plain words, and reports whether it is a regular file.
func checkPath(path string) (regular bool, err error) {
	if path == "" {
		return false, scout.Errorf(scout.CodeInvalidArgument, "the name of an input is empty").WithHint("name a file, or - for standard input")
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return false, explainRead(path, err)
	case info.IsDir():
		return false, scout.Errorf(scout.CodeFileIsDirectory, "%s is a folder", path)
	case !info.Mode().IsRegular():
		return false, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, explainRead(path, err)
	}
	return true, explainRead(path, f.Close())
}

func explainRead(path string, err error) error {
	var coded *scout.Error
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.As(err, &coded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return scout.Errorf(scout.CodeFileNotFound, "%s does not exist", path)
	}
	return scout.Errorf(scout.CodeOf(scout.FileError(scout.CodeReadFailed, "", err)), "cannot read %s: %s", path, scout.Reason(err))
}

// reader reads from a stream that may block for ever, such as a terminal or a pipe. A read ends with ctx.
type reader struct {
	ctx    context.Context
	stream io.Reader
	buf    []byte // owned by the goroutine during a read
	done   chan readResult
	rest   []byte // read and not returned yet, part of buf
	err    error  // that follows rest
}

type readResult struct {
	n   int
	err error
}

// readAhead is how much is read at a time.
const readAhead = 64 << 10

func newReader(ctx context.Context, stream io.Reader) *reader {
	return &reader{ctx: ctx, stream: stream, buf: make([]byte, readAhead), done: make(chan readResult, 1)}
}

// Read reads as io.Reader does. After ctx has ended the reader cannot be used.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 && r.err == nil {
		if r.ctx.Err() != nil {
			return 0, context.Cause(r.ctx)
		}
		go func() { // ends with the read, or with the process: a blocked read(2) cannot be called back
			n, err := r.stream.Read(r.buf)
			r.done <- readResult{n, err}
		}()
		select {
		case result := <-r.done:
			r.rest, r.err = r.buf[:result.n], result.err
		case <-r.ctx.Done():
			r.err = context.Cause(r.ctx)
			return 0, r.err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}
