package engine

import (
	"container/list"
	"context"
	"sync"
)

// Priority says who goes first when several callers wait.
type Priority int

const (
	// Batch is work that nobody looks at right now: files, uploads, repairs.
	Batch Priority = iota
	// Interactive is work that somebody waits for: dictation.
	Interactive
)

// String returns the name used as a metric label.
func (p Priority) String() string {
	if p == Interactive {
		return "interactive"
	}
	return "batch"
}

// lanes hands out the engine's lanes. Interactive callers go before batch callers and may use every
// lane; where there is more than one lane, batch callers leave one free, so that dictation never
// waits behind a file. Within a priority the order is first come, first served.
type lanes struct {
	mu      sync.Mutex
	total   int
	busy    [2]int       // by Priority
	waiting [2]list.List // of chan struct{}, by Priority
}

// resize sets the number of lanes, which is known once the engine said hello.
func (l *lanes) resize(total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total = max(total, 1)
	l.grant()
}

// acquire waits for a lane until ctx ends. The caller releases it with the same priority.
func (l *lanes) acquire(ctx context.Context, p Priority) error {
	turn := make(chan struct{})
	l.mu.Lock()
	place := l.waiting[p].PushBack(turn)
	l.grant()
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-turn: // granted at the same moment: hand it on
		l.busy[p]--
		l.grant()
	default:
		l.waiting[p].Remove(place)
	}
	return context.Cause(ctx)
}

// release gives a lane back.
func (l *lanes) release(p Priority) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy[p]--
	l.grant()
}

// grant wakes as many waiters as there is room for. Called with the lock held.
func (l *lanes) grant() {
	total := max(l.total, 1)
	batchLimit := max(total-1, 1)
	for l.busy[Batch]+l.busy[Interactive] < total {
		p := Interactive
		if l.waiting[Interactive].Len() == 0 {
			if l.busy[Batch] >= batchLimit {
				return
			}
			p = Batch
		}
		front := l.waiting[p].Front()
		if front == nil {
			return
		}
		if turn, ok := l.waiting[p].Remove(front).(chan struct{}); ok {
			close(turn)
		}
		l.busy[p]++
	}
}

// idle is true when no lane is busy and nobody waits.
func (l *lanes) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy[Batch]+l.busy[Interactive]+l.waiting[Batch].Len()+l.waiting[Interactive].Len() == 0
}

// depth is the number of waiting callers of a priority.
func (l *lanes) depth(p Priority) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting[p].Len()
}
