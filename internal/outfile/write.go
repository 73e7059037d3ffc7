package outfile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/scout-speech/scout/internal/atomicfile"
)

// Write replaces the output with content, whole or not at all: when any step fails, what was there stays. A pipe, a
// device or an open descriptor is written to; waiting for its reader ends with ctx.
//
// What appeared at the path since At looked is not replaced, unless force says so.
func (p *Place) Write(ctx context.Context, content []byte, force bool) error {
	if p.Stream() {
		return p.writeStream(ctx, content)
	}
	err := p.replace(content, force)
	if p.info != nil && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EBUSY)) {
		// A file in a folder that takes no others, or one that is mounted by itself: it is written where it is.
		err = p.overwrite(content)
	}
	return Explain("write "+p.Path, err)
}

// replace puts a whole file in the place of what is there. Where nothing was there, nothing is replaced.
func (p *Place) replace(content []byte, force bool) error {
	options := p.options()
	if p.info != nil {
		options.Mode, options.ExactMode = p.info.Mode().Perm(), true
	}
	options.Exclusive = p.info == nil && !force
	options.Check = func(string) error {
		if now, err := os.Stat(p.target); p.info != nil && !force && err == nil && now.Size() > 0 {
			return &reasoned{"it was filled by another program meanwhile", fs.ErrExist}
		}
		return nil
	}
	err := atomicfile.Write(p.target, content, options)
	if options.Exclusive && errors.Is(err, fs.ErrExist) {
		return &reasoned{"another program made it meanwhile", fs.ErrExist}
	}
	return err
}

// options are those of every file in the folder of the target. Errors stay as they are, for Explain.
func (p *Place) options() atomicfile.Options {
	return atomicfile.Options{System: folders{}, Explain: func(_ string, err error) error { return err }}
}

// folders is the file system, with folders of the user's that may be written and not read: such a folder cannot be
// synced, and the file itself is.
type folders struct{ atomicfile.OS }

// SyncFolder implements atomicfile.System.
func (f folders) SyncFolder(dir string) error {
	if err := f.OS.SyncFolder(dir); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// overwrite writes into the file that is there. It was empty, or may be replaced.
// Not by atomicfile: the folder takes no second file, or the file is a mount that no other can replace.
func (p *Place) overwrite(content []byte) error {
	file, err := os.OpenFile(p.target, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Truncate(int64(len(content)))
	} else {
		err = errors.Join(err, file.Truncate(0))
	}
	return errors.Join(err, file.Sync(), file.Close())
}

// Probe tries whether the output can be written: only trying tells, since modes, read-only mounts, quotas and full
// disks all say no. Nothing is left behind.
func (p *Place) Probe() error {
	if p.Stream() {
		return nil
	}
	var err error
	if p.info != nil {
		// A file that may not be written is not replaced either, although its folder allows that.
		var there *os.File
		// Not by atomicfile: the file is opened to see whether that is possible, and nothing is written.
		if there, err = os.OpenFile(p.target, os.O_WRONLY, 0); err == nil {
			err = there.Close()
		}
	} else {
		var file *atomicfile.Writer
		if file, err = atomicfile.Create(p.target, p.options()); err == nil {
			err = file.Abort()
		}
	}
	return Explain("write "+p.Path, err)
}

// writeStream writes to something that is not a regular file.
func (p *Place) writeStream(ctx context.Context, content []byte) error {
	stream, err := p.Open(ctx)
	if err != nil {
		return err
	}
	_, err = stream.Write(ctx, content)
	return errors.Join(Explain("write to "+p.Path, err), stream.Close())
}

// Open opens a stream for writing. Waiting for a reader ends with ctx: the error is the cause of ctx then. The caller
// closes the result.
func (p *Place) Open(ctx context.Context) (*Writer, error) {
	if p.fd >= 0 {
		fd, err := syscall.Dup(p.fd)
		if err != nil {
			return nil, Explain("write to "+p.Path, err)
		}
		return NewWriter(os.NewFile(uintptr(fd), p.Path)), nil
	}
	file, err := openWaiting(ctx, p.target, os.O_WRONLY)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, Explain("write to "+p.Path, err)
	}
	return NewWriter(file), nil
}

// OpenInput opens a file for reading as os.Open does. Where it is a FIFO, waiting for a writer ends with ctx; the error
// is the cause of ctx then.
func OpenInput(ctx context.Context, path string) (*os.File, error) {
	return openWaiting(ctx, path, os.O_RDONLY)
}

// openWaiting opens a file. Opening a FIFO waits for its other end, until ctx ends.
func openWaiting(ctx context.Context, path string, mode int) (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	opened := make(chan result, 1)
	go func() { // ends when the other end is opened, at the latest by wake
		// Not by atomicfile: it is a pipe or a device, or is read.
		file, err := os.OpenFile(path, mode, 0)
		opened <- result{file, err}
	}()
	select {
	case r := <-opened:
		return r.file, r.err
	case <-ctx.Done():
	}
	other := os.O_WRONLY
	if mode == os.O_WRONLY {
		other = os.O_RDONLY
	}
	// The other end is opened for a moment, so that open(2) returns. It may not have begun to wait yet: again.
	for range 50 {
		// Not by atomicfile: it is a pipe, and nothing is written.
		if end, err := os.OpenFile(path, other|syscall.O_NONBLOCK, 0); err == nil {
			_ = end.Close() // nothing was read or written
		}
		select {
		case r := <-opened:
			if r.file != nil {
				_ = r.file.Close() // nothing was read or written
			}
			return nil, context.Cause(ctx)
		case <-time.After(wakeEvery):
		}
	}
	return nil, context.Cause(ctx) // a device that hangs in open(2): the process ends without it
}

// wakeEvery is the time between two attempts to end a wait in open(2).
const wakeEvery = 10 * time.Millisecond

// Writer writes to a file that may block for ever, such as a pipe whose reader hangs. It is safe for concurrent use.
type Writer struct {
	file io.Writer
	free chan struct{} // holds one token while no write is under way
}

// NewWriter returns a writer to file.
func NewWriter(file io.Writer) *Writer {
	w := &Writer{file: file, free: make(chan struct{}, 1)}
	w.free <- struct{}{}
	return w
}

// Write writes content. When ctx ends first it returns the cause at once, and every further call waits for the write
// that hangs: what the kernel has taken by then cannot be known.
func (w *Writer) Write(ctx context.Context, content []byte) (int, error) {
	select {
	case <-w.free:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	copied := bytes.Clone(content) // the write may outlive this call
	go func() {                    // ends with the reader, or with the process: a blocked write(2) cannot be called back
		n, err := w.file.Write(copied)
		done <- result{n, err}
		w.free <- struct{}{}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// Close closes the file where it can be closed. One in which a write hangs is left to the end of the process.
func (w *Writer) Close() error {
	select {
	case <-w.free:
	default:
		return nil
	}
	if closer, ok := w.file.(io.Closer); ok {
		return Explain("close the output", closer.Close())
	}
	return nil
}
