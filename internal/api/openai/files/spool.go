package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/freespace"
)

const blockBytes = 32 << 10

// blocks are the buffers of requests that write.
var blocks = sync.Pool{New: func() any { return new([blockBytes]byte) }} //nolint:gochecknoglobals // a pool is shared

// spool is a file that is received: counted, hashed, and read by others while it grows. It has no name, so that nothing of it stays
// behind, whatever becomes of the process.
type spool struct {
	file  *os.File
	path  string // by which this process, and those that it starts, can open it
	named bool   // it has a name, on systems that cannot open it otherwise
	grant *freespace.Grant
	most  int64
	hash  hash.Hash

	mu      sync.Mutex
	written int64
	ended   bool
	err     error // why it ended too early
	grown   chan struct{}
	awaited bool // somebody waits for grown
}

// newSpool makes a file in a folder.
func newSpool(dir string, budget *freespace.Budget, most int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make the folder of files that are received", err)
	}
	// Not by atomicfile: it grows with what the client sends, and is nobody else's.
	f, err := os.CreateTemp(dir, "request-*")
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make a file for what is received", err)
	}
	s := &spool{file: f, path: f.Name(), named: true, grant: budget.New(), most: most, hash: sha256.New(), grown: make(chan struct{})}
	if runtime.GOOS == "linux" {
		if err := os.Remove(f.Name()); err == nil {
			s.path, s.named = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), false
		}
	}
	return s, nil
}

// close removes it.
func (s *spool) close() {
	s.end(errors.New("the request has ended"))
	s.grant.Close()
	if s.named {
		_ = os.Remove(s.file.Name()) // it is in a folder that is emptied at the start
	}
	_ = s.file.Close() // nobody reads it any more
}

// writeError is a failure of the file, and not of what is read.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// take appends what r yields. An error of r is returned as it is, any other one as a *writeError.
func (s *spool) take(r io.Reader) error {
	block, _ := blocks.Get().(*[blockBytes]byte)
	defer blocks.Put(block)
	for {
		n, err := r.Read(block[:])
		if n > 0 {
			if err := s.write(block[:n]); err != nil {
				return &writeError{err}
			}
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *spool) write(p []byte) error {
	size, over := s.state()
	if over != nil {
		return over
	}
	if size+int64(len(p)) > s.most {
		return scout.Errorf(scout.CodeRequestTooLarge, "the file has more than %d bytes", s.most).WithHint("the setting limits.upload_bytes allows more")
	}
	if err := s.grant.Room(int64(len(p)), s.most-size); err != nil {
		return err
	}
	n, err := s.file.Write(p)
	s.grant.Wrote(int64(n))
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write what is received", err)
	}
	_, _ = s.hash.Write(p) // a hash takes everything
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written += int64(n)
	s.tell()
	return nil
}

// tell wakes those who wait for more. The caller holds mu.
func (s *spool) tell() {
	if s.awaited {
		close(s.grown)
		s.grown, s.awaited = make(chan struct{}), false
	}
}

// end says that no more comes. Only the first call counts.
func (s *spool) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.err = true, err
	s.tell()
}

// complete reports whether all of it has come.
func (s *spool) complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended && s.err == nil
}

// state is how much was written, and why no more of it is wanted.
func (s *spool) state() (size int64, over error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written, s.err
}

func (s *spool) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

// sum is the checksum of what was received.
func (s *spool) sum() string { return hex.EncodeToString(s.hash.Sum(nil)) }

// follow reads the file from its beginning, also what is still to come.
func (s *spool) follow(ctx context.Context) io.Reader { return &follower{ctx: ctx, spool: s} }

type follower struct {
	ctx   context.Context //nolint:containedctx // that of the one reading
	spool *spool
	at    int64
}

// Read implements io.Reader.
func (f *follower) Read(p []byte) (int, error) {
	s := f.spool
	for {
		s.mu.Lock()
		there, ended, err, grown := s.written-f.at, s.ended, s.err, s.grown
		s.awaited = s.awaited || there == 0 && !ended
		s.mu.Unlock()
		switch {
		case there > 0:
			n, err := s.file.ReadAt(p[:min(int64(len(p)), there)], f.at)
			f.at += int64(n)
			if errors.Is(err, io.EOF) && n > 0 {
				err = nil
			}
			return n, err
		case ended && err != nil:
			return 0, err
		case ended:
			return 0, io.EOF
		}
		select {
		case <-grown:
		case <-f.ctx.Done():
			return 0, context.Cause(f.ctx)
		}
	}
}
