package native

import (
	"cmp"
	"context"
	"errors"
	"slices"
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

const (
	// usualSlots is how many there are if the parent does not say: one for a request that somebody waits for, one for the
	// rest.
	usualSlots = 2
	// mostSlots is the limit, because each slot has its own buffers.
	mostSlots = 64
)

// NewSlots makes slots: as many as the parent wants, 0 for the usual number. If one cannot be made, those that were are
// closed.
func NewSlots[S Slot](wanted int, newSlot func() (S, error)) (*Slots[S], error) {
	n := min(max(cmp.Or(wanted, usualSlots), 1), mostSlots)
	s := &Slots[S]{free: make(chan struct{}, n), made: map[S]struct{}{}}
	for range n {
		l, err := newSlot()
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.made[l] = struct{}{}
		s.Add(l)
	}
	return s, nil
}

// Count returns how many slots there are, including taken ones.
func (s *Slots[S]) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.made)
}

// Add returns a slot that was taken to the stack.
func (s *Slots[S]) Add(l S) {
	s.mu.Lock()
	s.stack = append(s.stack, l)
	s.mu.Unlock()
	s.free <- struct{}{}
}

// Take waits for a free slot, or for ctx.
func (s *Slots[S]) Take(ctx context.Context) (S, error) {
	return s.Prefer(ctx, func(S) bool { return true })
}

// Prefer is Take that takes a free slot which is good, where there is one. good is called for slots that are free, and must only
// look at them.
func (s *Slots[S]) Prefer(ctx context.Context, good func(S) bool) (S, error) {
	var none S
	select {
	case <-s.free:
	case <-ctx.Done():
		return none, scout.Errorf(scout.CodeOf(ctx.Err()), "wait for a slot: %w", ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := len(s.stack) - 1
	for i, l := range slices.Backward(s.stack) {
		if good(l) {
			at = i
			break
		}
	}
	l := s.stack[at]
	s.stack = slices.Delete(s.stack, at, at+1)
	return l, nil
}

// Close waits until all slots are free and closes them. None can be taken afterwards.
func (s *Slots[S]) Close() error {
	var errs []error
	for range s.Count() {
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
