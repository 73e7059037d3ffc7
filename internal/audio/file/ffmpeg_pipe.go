package file

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// watchedPipe ends reads that wait too long. Time in which nobody reads does not count: a decoder that waits for its
// reader is not slow.
type watchedPipe struct {
	file  *os.File
	stall time.Duration
	left  time.Duration // of all waiting
	late  error         // set once a deadline passed
	feed  *feeder       // what the process gets while its output is read; nil for nothing
}

func (p *watchedPipe) Read(b []byte) (int, error) {
	if p.late != nil {
		return 0, p.late
	}
	if p.feed != nil {
		return p.feed.read(p, b)
	}
	return p.await(b)
}

// await is wait with all the time that there is.
func (p *watchedPipe) await(b []byte) (int, error) {
	limit := min(p.stall, p.left)
	n, err := p.wait(b, limit)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = p.tooLate(limit)
	}
	return n, err
}

// wait reads, and waits for that long at most.
func (p *watchedPipe) wait(b []byte, limit time.Duration) (int, error) {
	begin := time.Now()
	if err := p.file.SetReadDeadline(begin.Add(limit)); err != nil {
		return 0, fmt.Errorf("watch the output of ffmpeg: %w", err)
	}
	n, err := p.file.Read(b)
	p.left -= time.Since(begin)
	return n, err
}

// tooLate notes that the process yields nothing.
func (p *watchedPipe) tooLate(limit time.Duration) error {
	p.late = scout.Errorf(scout.CodeDecoderTimeout, "ffmpeg produced nothing for %v", limit)
	return p.late
}

// decoderEnv returns the environment without variables that make ffmpeg write files.
func decoderEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "FFREPORT=") {
			env = append(env, v)
		}
	}
	return env
}
