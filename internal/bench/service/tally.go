package service

import (
	"context"
	"errors"
	"io"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
)

// tally counts things by name, from many goroutines.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[string]int)
	}
	t.counts[name]++
}

// all are the counts, nil for none.
func (t *tally) all() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// failed counts an error of a connection, unless ctx has ended.
func (t *tally) failed(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		t.add(broken(err))
	}
}

// broken names what became of a connection, without its address.
func broken(err error) string {
	var of *url.Error
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, syscall.EPIPE):
		return "broken pipe"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "answer cut off"
	case errors.Is(err, io.EOF):
		return "connection closed without an answer"
	case errors.As(err, &of):
		return scout.Plain(of.Err)
	}
	return scout.Plain(err)
}

// times collects durations from many goroutines.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, d)
}

func (t *times) list() []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all
}
