package moonshine

import (
	"context"
	"errors"
	"sync"

	"github.com/scout-speech/scout"
)

// slots hands out the free slots, the one used last first: while requests run one at a time, only one slot's buffers
// grow.
type slots struct {
	free chan struct{} // one for each slot in the stack

	mu    sync.Mutex
	stack []*slot
	made  map[*slot]struct{} // all slots, including taken ones
}

func newSlots(n int) *slots {
	return &slots{free: make(chan struct{}, n), made: map[*slot]struct{}{}}
}

// add returns a slot to the stack, a new one or one that was taken. There must never be more than newSlots was told.
func (s *slots) add(l *slot) {
	s.mu.Lock()
	s.stack = append(s.stack, l)
	s.made[l] = struct{}{}
	s.mu.Unlock()
	s.free <- struct{}{}
}

// take waits for a free slot, or for ctx.
func (s *slots) take(ctx context.Context) (*slot, error) {
	select {
	case <-s.free:
	case <-ctx.Done():
		return nil, scout.Errorf(scout.CodeOf(ctx.Err()), "wait for a slot: %w", ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	return l, nil
}

// close waits until all slots are free and closes them. None can be taken afterwards.
func (s *slots) close() error {
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
