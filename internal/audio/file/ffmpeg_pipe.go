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
}

func (p *watchedPipe) Read(b []byte) (int, error) {
	if p.late != nil {
		return 0, p.late
	}
	begin := time.Now()
	limit := min(p.stall, p.left)
	if err := p.file.SetReadDeadline(begin.Add(limit)); err != nil {
		return 0, fmt.Errorf("watch the output of ffmpeg: %w", err)
	}
	n, err := p.file.Read(b)
	p.left -= time.Since(begin)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.late = scout.Errorf(scout.CodeDecoderTimeout, "ffmpeg produced nothing for %v", limit)
		return n, p.late
	}
	return n, err
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
