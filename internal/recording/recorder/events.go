package recorder

import (
	"sync"

	"github.com/scout-speech/scout/internal/recording"
)

// eventBuffer is how many events a client may be behind before it is told that it missed some.
const eventBuffer = 64

// subscriber is a client that hears of events.
type subscriber struct {
	events chan recording.Event
	missed uint64 // since the last one that fitted; guarded by the broadcast's mutex
}

// broadcast hands events to clients and waits for none of them: to one that is too slow the next
// event that fits tells how many it missed.
type broadcast struct {
	mu     sync.Mutex
	all    map[*subscriber]struct{}
	closed bool
}

func (b *broadcast) add() *subscriber {
	s := &subscriber{events: make(chan recording.Event, eventBuffer)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		close(s.events)
		return s
	}
	if b.all == nil {
		b.all = make(map[*subscriber]struct{})
	}
	b.all[s] = struct{}{}
	return s
}

func (b *broadcast) remove(s *subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.all[s]; ok {
		delete(b.all, s)
		close(s.events)
	}
}

func (b *broadcast) send(e recording.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.all {
		e.Missed = s.missed
		select {
		case s.events <- e:
			s.missed = 0
		default:
			s.missed++
		}
	}
}

func (b *broadcast) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for s := range b.all {
		delete(b.all, s)
		close(s.events)
	}
}
