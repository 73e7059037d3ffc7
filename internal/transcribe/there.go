package transcribe

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/outfile"
	"github.com/scout-speech/scout/internal/text"
)

// Elsewhere makes the text of a file on another machine. name is that of the file, empty for a stream.
type Elsewhere func(ctx context.Context, i int, content io.ReaderAt, size int64, name string) (scout.Transcript, error)

// There has the texts of inputs made on another machine, one after the other, and passes each to the sink when it is complete: the same
// documents as those of Run with the same texts. Its errors are those of Run. A stream is written into a temporary file first.
func There(ctx context.Context, inputs []Input, make Elsewhere, sink Sink, watch Watch) error {
	return each(ctx, inputs, sink, watch, func(i int) (Result, error) { return oneThere(ctx, i, inputs[i], make, sink) })
}

func oneThere(ctx context.Context, i int, in Input, make Elsewhere, sink Sink) (result Result, err error) {
	began := time.Now()
	result.Input = in
	content, err := whole(ctx, in)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	info, err := content.Stat()
	if err != nil {
		return result, explainRead(in.Name(), err)
	}
	if info.Size() == 0 {
		return result, scout.Errorf(scout.CodeAudioEmpty, "%s is empty", in.Name())
	}
	name := ""
	if in.Path != "" {
		name = filepath.Base(in.Path)
	}
	transcript, err := make(ctx, i, content, info.Size(), name)
	if err != nil {
		return result, err
	}
	result.Transcript, result.Settled, result.TimeTaken = transcript, transcript.Duration, time.Since(began)
	if err := sink.Finish(ctx, i, text.Document{File: in.Path, Transcript: transcript, TimeTaken: result.TimeTaken}); err != nil {
		return result, err
	}
	return result, Incomplete(&transcript)
}

// wholeFile is all of an input. Close removes what was only made for it.
type wholeFile struct {
	*os.File
	temporary bool
}

// Close implements io.Closer.
func (w *wholeFile) Close() error {
	err := w.File.Close()
	if w.temporary {
		err = errors.Join(err, os.Remove(w.Name()))
	}
	return err
}

// whole opens an input. What is no file is read to its end, which ctx ends.
func whole(ctx context.Context, in Input) (*wholeFile, error) {
	source := in.Stream
	if in.Path != "" {
		regular, err := checkPath(in.Path)
		if err != nil {
			return nil, err
		}
		if regular {
			f, err := os.Open(in.Path)
			if err != nil {
				return nil, explainRead(in.Path, err)
			}
			return &wholeFile{File: f}, nil
		}
		stream, err := outfile.OpenInput(ctx, in.Path)
		if err != nil {
			return nil, explainRead(in.Path, err)
		}
		defer func() { _ = closeUnlessBusy(ctx, stream) }() // it was only read
		source = stream
	}
	// Not by atomicfile: it is removed when it was sent. Its mode is 0600.
	f, err := os.CreateTemp("", "scout-*.audio")
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "keep "+in.Name(), err)
	}
	kept := &wholeFile{f, true}
	if _, err := io.Copy(f, newReader(ctx, source)); err != nil {
		err = errors.Join(copyError(ctx, in, err), kept.Close())
		return nil, err
	}
	return kept, nil
}

// copyError says what went wrong with a copy of a stream: the end of ctx, the disk, or the stream.
func copyError(ctx context.Context, in Input, err error) error {
	var failed *os.PathError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &failed) && failed.Op == "write":
		return scout.FileError(scout.CodeWriteFailed, "keep "+in.Name(), err)
	}
	return explainRead(in.Name(), err)
}
