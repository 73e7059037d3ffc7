package file

import (
	"errors"
	"io"
	"os"
	"time"
)

// feeder writes frames to a process while its output is read, in the goroutine that reads it: nobody else reads what the frames come from.
type feeder struct {
	// next returns the next frame, valid until the next call. It waits for it, and returns io.EOF at the end.
	next func() ([]byte, error)
	// ready reports whether next does not wait.
	ready func() bool
	// frameBytes is what a frame becomes.
	frameBytes int64

	pipe  *os.File
	rest  []byte // of a frame, that the pipe did not take yet
	fed   int64  // frames
	lag   int64  // frames that the process keeps
	out   int64  // bytes that came
	ended bool
}

const (
	// feedAhead is how many frames a process gets beyond those that came back from it. It keeps feedLag of them, or up to mostLag.
	feedAhead, feedLag, mostLag = 64, 2, 16
	// feedPatience is how long is waited for frames that should have come back, before more are fed.
	feedPatience = time.Second
)

// ahead is how many frames have not come back.
func (f *feeder) ahead() int64 { return f.fed - f.out/f.frameBytes }

// end says that no more frames come.
func (f *feeder) end() {
	if !f.ended {
		f.ended = true
		_ = f.pipe.Close() // nothing is buffered here
	}
}

// read feeds the process until it has written something.
func (f *feeder) read(p *watchedPipe, b []byte) (n int, err error) {
	defer func() { f.out += int64(n) }()
	for waited := time.Duration(0); ; {
		if f.ended {
			return p.await(b)
		}
		if ahead := f.ahead(); len(f.rest) > 0 || ahead >= feedAhead || ahead > max(f.lag, feedLag) && !f.ready() {
			n, err := p.wait(b, min(feedPatience, p.left))
			if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				return n, err
			}
			f.lag = min(ahead, mostLag)
			if len(f.rest) > 0 {
				waited += feedPatience
			}
		}
		if waited >= p.stall || p.left <= 0 {
			return 0, p.tooLate(waited)
		}
		if len(f.rest) == 0 {
			frame, err := f.next()
			if err != nil {
				f.end()
				if !errors.Is(err, io.EOF) {
					return 0, err
				}
				continue
			}
			f.rest = frame
			f.fed++
		}
		if err := f.pipe.SetWriteDeadline(time.Now().Add(feedPatience)); err != nil {
			return 0, err
		}
		n, err := f.pipe.Write(f.rest)
		f.rest = f.rest[n:]
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			f.end() // the process has ended; its output says more
		}
	}
}
