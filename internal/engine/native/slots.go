package native

import (
	"context"
	"errors"
	"sync"

	"github.com/scout-speech/scout"
)

// Slot is the state of one running request.
type Slot interface {
	comparable
	Close() error
}

// Slots hands out the free slots, the one used last first: while requests run one at a time, only one slot's buffers
// grow.
type Slots[S Slot] struct {
	free chan struct{} // one for each slot in the stack

	mu    sync.Mutex
	stack []S
	made  map[S]struct{} // all slots, including taken ones
}

// NewSlots returns an empty stack for n slots.
func NewSlots[S Slot](n int) *Slots[S] {
	return &Slots[S]{free: make(chan struct{}, n), made: map[S]struct{}{}}
}

// Add returns a slot to the stack, a new one or one that was taken. There must never be more than NewSlots was told.
func (s *Slots[S]) Add(l S) {
	s.mu.Lock()
	s.stack = append(s.stack, l)
	s.made[l] = struct{}{}
	s.mu.Unlock()
	s.free <- struct{}{}
}

// Take waits for a free slot, or for ctx.
func (s *Slots[S]) Take(ctx context.Context) (S, error) {
	var none S
	select {
	case <-s.free:
	case <-ctx.Done():
		return none, scout.Errorf(scout.CodeOf(ctx.Err()), "wait for a slot: %w", ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	return l, nil
}

// Close waits until all slots are free and closes them. None can be taken afterwards.
func (s *Slots[S]) Close() error {
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
		errs = append(errs, l.Close())
	}
	s.stack, s.made = nil, nil
	return errors.Join(errs...)
}
