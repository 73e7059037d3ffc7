// Package fanout delivers values from one sender to many receivers. A slow receiver loses values, learns how many, and
// never delays the sender or the other receivers.
package fanout

import (
	"sync"
	"sync/atomic"
)

// Item is a value and the number of values that this receiver lost directly before it.
type Item[T any] struct {
	Value  T
	Missed uint64
}

// Hub is the sender's side. The zero value is ready to use. It is safe for concurrent use.
type Hub[T any] struct {
	// Dropped, if set before the first Send, is called for each value that a receiver lost. It must not block or call
	// the hub.
	Dropped func()

	mu     sync.Mutex
	all    map[*Subscription[T]]struct{}
	closed bool
}

// Subscription is the receiver's side.
type Subscription[T any] struct {
	hub    *Hub[T]
	items  chan Item[T]
	behind uint64 // lost since the last value that fitted; guarded by the hub's mutex
	missed atomic.Uint64
}

// Subscribe returns a subscription with a buffer of at least one value. Values sent before are not delivered. On a
// closed hub the subscription is closed.
func (h *Hub[T]) Subscribe(buffer int) *Subscription[T] {
	s := &Subscription[T]{hub: h, items: make(chan Item[T], max(buffer, 1))}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(s.items)
		return s
	}
	if h.all == nil {
		h.all = make(map[*Subscription[T]]struct{})
	}
	h.all[s] = struct{}{}
	return s
}

// Send delivers v to every receiver that has room. It never waits. After Close it does nothing.
func (h *Hub[T]) Send(v T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.all {
		select {
		case s.items <- Item[T]{v, s.behind}:
			s.behind = 0
		default:
			s.behind++
			s.missed.Add(1)
			if h.Dropped != nil {
				h.Dropped()
			}
		}
	}
}

// Receivers is the number of open subscriptions.
func (h *Hub[T]) Receivers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

// Close closes all subscriptions; values in their buffers can still be received.
func (h *Hub[T]) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.all {
		delete(h.all, s)
		close(s.items)
	}
}

// Items is the stream of values. It is closed when the hub or the subscription is.
func (s *Subscription[T]) Items() <-chan Item[T] { return s.items }

// Missed returns how many values this receiver has lost so far.
func (s *Subscription[T]) Missed() uint64 { return s.missed.Load() }

// Close ends the subscription. It may be called repeatedly.
func (s *Subscription[T]) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if _, open := s.hub.all[s]; open {
		delete(s.hub.all, s)
		close(s.items)
	}
}
