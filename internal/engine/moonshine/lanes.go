package moonshine

import (
	"context"
	"errors"
	"sync"

	"github.com/scout-speech/scout"
)

// lanes hands out the free lanes, the one used last first: while one request runs at a time, only one lane's
// buffers grow.
type lanes struct {
	free chan struct{} // one for each lane in the stack

	mu    sync.Mutex
	stack []*lane
	made  map[*lane]struct{} // all there are, taken ones included
}

func newLanes(n int) *lanes {
	return &lanes{free: make(chan struct{}, n), made: map[*lane]struct{}{}}
}

// add puts a lane in, a new one or one that was taken. No more are made than newLanes was told.
func (s *lanes) add(l *lane) {
	s.mu.Lock()
	s.stack = append(s.stack, l)
	s.made[l] = struct{}{}
	s.mu.Unlock()
	s.free <- struct{}{}
}

// take waits for a free lane, or for ctx.
func (s *lanes) take(ctx context.Context) (*lane, error) {
	select {
	case <-s.free:
	case <-ctx.Done():
		return nil, scout.Errorf(scout.CodeOf(ctx.Err()), "wait for a lane: %w", ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	return l, nil
}

// close waits until all lanes are free and closes them. None can be taken afterwards.
func (s *lanes) close() error {
	s.mu.Lock()
	n := len(s.made)
	s.mu.Unlock()
	var errs []error
	for range n {
		<-s.free
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.made {
		errs = append(errs, l.close())
	}
	s.stack, s.made = nil, nil
	return errors.Join(errs...)
}
