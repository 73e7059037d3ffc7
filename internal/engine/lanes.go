package engine

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/scout-speech/scout/internal/engine/schedule"
)

// Priority says who goes first when several callers wait.
type Priority int

const (
	// Batch is work that nobody looks at right now: files, uploads, repairs.
	Batch Priority = iota
	// Interactive is work that somebody waits for: dictation.
	Interactive
)

// priorityOf tells whether somebody waits for a class.
func priorityOf(class schedule.Class) Priority {
	if class == schedule.Batch || class == schedule.SecondPass {
		return Batch
	}
	return Interactive
}

// lanes hands out the engine's lanes. Interactive callers go before batch callers and may use every
// lane; where there is more than one lane, batch callers leave one free, so that dictation never
// waits behind a file. Within a priority the order is first come, first served.
//
// Where batch may have every lane (batch), it leaves one free only while interactive callers come; the
// first that finds none interrupts the batch caller that came last, who stands in line again at the front.
type lanes struct {
	batch   int           // most lanes for batch callers, 0 for all but one
	reserve time.Duration // how long after an interactive caller one lane stays free for the next

	mu          sync.Mutex
	total       int
	busy        [2]int       // by Priority
	waiting     [2]list.List // of *turn, by Priority
	served      list.List    // of *turn: batch callers with a lane that were not interrupted, the last one at the back
	interactive time.Time    // when the last interactive caller came or left
	quiet       []chan struct{}
}

// turn is a place in the queue, then a lane.
type turn struct {
	priority  Priority
	granted   chan struct{}
	interrupt func()
	place     *list.Element // in waiting, then in served
}

// resize sets the number of lanes, which is known once the engine said hello.
func (l *lanes) resize(total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total = max(total, 1)
	l.grant()
}

// acquire waits for a lane until ctx ends, at the front of its queue where again is set. The caller releases
// what it gets. interrupt asks a batch caller to do so soon; it may be called at any time, once, and must not
// block.
func (l *lanes) acquire(ctx context.Context, p Priority, again bool, interrupt func()) (*turn, error) {
	t := &turn{priority: p, granted: make(chan struct{}), interrupt: interrupt}
	l.mu.Lock()
	if again {
		t.place = l.waiting[p].PushFront(t)
	} else {
		t.place = l.waiting[p].PushBack(t)
	}
	if p == Interactive {
		l.interactive = time.Now()
	}
	l.grant()
	l.makeRoom()
	l.mu.Unlock()
	select {
	case <-t.granted:
		return t, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-t.granted: // at the same moment: hand it on
		l.give(t)
	default:
		l.waiting[p].Remove(t.place)
		l.tellQuiet()
	}
	return nil, context.Cause(ctx)
}

// release gives a lane back.
func (l *lanes) release(t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.give(t)
}

// give takes a lane back and hands it on. Called with the lock held.
func (l *lanes) give(t *turn) {
	l.busy[t.priority]--
	if t.place != nil {
		l.served.Remove(t.place)
	}
	if t.priority == Interactive {
		l.interactive = time.Now()
	}
	l.grant()
	l.tellQuiet()
}

// grant wakes as many waiters as there is room for. Called with the lock held.
func (l *lanes) grant() {
	total := max(l.total, 1)
	for l.busy[Batch]+l.busy[Interactive] < total {
		p := Interactive
		if l.waiting[Interactive].Len() == 0 {
			if l.busy[Batch] >= l.batchLimit() {
				return
			}
			p = Batch
		}
		front := l.waiting[p].Front()
		if front == nil {
			return
		}
		l.busy[p]++
		if t, ok := l.waiting[p].Remove(front).(*turn); ok {
			t.place = nil
			if p == Batch {
				t.place = l.served.PushBack(t)
			}
			close(t.granted)
		}
	}
}

// batchLimit is how many lanes batch callers may have now. Called with the lock held.
func (l *lanes) batchLimit() int {
	reserved := max(l.total-1, 1)
	if l.batch <= reserved || time.Since(l.interactive) < l.reserve {
		return reserved
	}
	return min(l.batch, max(l.total, 1))
}

// makeRoom interrupts a batch caller where interactive ones wait and batch has every lane. Called with the
// lock held.
func (l *lanes) makeRoom() {
	last := l.served.Back()
	if l.waiting[Interactive].Len() == 0 || last == nil || l.served.Len() < l.total || l.total < 2 {
		return
	}
	if t, ok := l.served.Remove(last).(*turn); ok {
		t.place = nil
		t.interrupt()
	}
}

// idle is true when no lane is busy and nobody waits.
func (l *lanes) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unused()
}

func (l *lanes) unused() bool {
	return l.busy[Batch]+l.busy[Interactive]+l.waiting[Batch].Len()+l.waiting[Interactive].Len() == 0
}

// becomeQuiet returns a channel that is closed once no lane is busy and nobody waits.
func (l *lanes) becomeQuiet() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := make(chan struct{})
	l.quiet = append(l.quiet, told)
	l.tellQuiet()
	return told
}

// tellQuiet wakes who waits for becomeQuiet. Called with the lock held.
func (l *lanes) tellQuiet() {
	if !l.unused() {
		return
	}
	for _, told := range l.quiet {
		close(told)
	}
	l.quiet = nil
}

// depth is the number of waiting callers of a priority.
func (l *lanes) depth(p Priority) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting[p].Len()
}
