// Package wake tells goroutines that there is something new, so that they need not poll.
package wake

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Bell wakes its listeners. The zero value is ready to use. Ring never waits or allocates; all methods may be called
// from any goroutine.
type Bell struct {
	listeners atomic.Pointer[[]chan struct{}]
	mu        sync.Mutex // guards changes of listeners
}

// Ring puts a token into the channel of each listener that has none.
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

// Listen returns a channel that receives a token after a Ring, and a function that ends the subscription. Rings since
// the last token was taken give one token together. A listener must check its condition once before waiting: it does
// not receive a Ring from before Listen.
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
