// Package wake tells goroutines that there is something new, so that nobody has to look again and again.
package wake

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Bell wakes whoever listens to it. The zero value is ready. Ring waits for nobody and allocates nothing;
// all methods may be called from any goroutine.
type Bell struct {
	listeners atomic.Pointer[[]chan struct{}]
	mu        sync.Mutex // guards changes of listeners
}

// Ring puts a token into the channel of each listener that has none yet.
func (b *Bell) Ring() {
	all := b.listeners.Load()
	if all == nil {
		return
	}
	for _, c := range *all {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Listen returns a channel that has a token after each Ring since the last one was taken, and what ends
// that. Who listens looks once before waiting: a Ring before Listen is not heard.
func (b *Bell) Listen() (rung <-chan struct{}, end func()) {
	c := make(chan struct{}, 1)
	b.change(func(all []chan struct{}) []chan struct{} { return append(all, c) })
	return c, func() {
		b.change(func(all []chan struct{}) []chan struct{} {
			return slices.DeleteFunc(all, func(x chan struct{}) bool { return x == c })
		})
	}
}

func (b *Bell) change(change func([]chan struct{}) []chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []chan struct{}
	if now := b.listeners.Load(); now != nil {
		all = slices.Clone(*now)
	}
	all = change(all)
	b.listeners.Store(&all)
}
