// Package event is the daemon's log of what happened: numbered events, the newest of which can be read again. A reader goes
// through the log itself and is woken when there is more, so a slow one holds nobody up. One that fell behind what is kept is told
// to begin anew.
package event

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// Event is something that happened.
type Event struct {
	// ID grows by one with each event, over restarts too.
	ID   uint64
	Type string
	At   time.Time
	// Data is the object it is about, or its id, as JSON; nil for none.
	Data json.RawMessage
}

// Limits of what can be read again.
const (
	KeptEvents = 10_000
	KeptFor    = 24 * time.Hour
)

// Log keeps the newest events. It is safe for concurrent use.
type Log struct {
	now func() time.Time

	mu      sync.Mutex
	next    uint64  // ID of the next event
	events  []Event // in order, the newest last; at most KeptEvents
	changed chan struct{}
	closed  bool
}

// NewLog returns a log whose first event gets the number first. now is the clock.
func NewLog(first uint64, now func() time.Time) *Log {
	return &Log{now: now, next: first, changed: make(chan struct{})}
}

// Publish adds an event and wakes who waits for one. data is written as JSON; what cannot be is a defect of the caller, and the event goes
// without it. After Close it does nothing.
func (l *Log) Publish(kind string, data any) Event {
	var raw json.RawMessage
	if data != nil {
		raw, _ = json.Marshal(data)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return Event{}
	}
	e := Event{ID: l.next, Type: kind, At: l.now(), Data: raw}
	l.next++
	l.events = append(l.events, e)
	l.trim()
	close(l.changed)
	l.changed = make(chan struct{})
	return e
}

// trim drops what is too old or too much. The slice moves through its array, which append replaces now and then.
func (l *Log) trim() {
	drop := max(0, len(l.events)-KeptEvents)
	for drop < len(l.events) && l.now().Sub(l.events[drop].At) > KeptFor {
		drop++
	}
	clear(l.events[:drop])
	l.events = l.events[drop:]
}

// Close ends all followers once they have read what there is.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.changed)
	}
}

// Follower reads the log in order. It belongs to one goroutine.
type Follower struct {
	log  *Log
	next uint64
	lost bool // the position asked for is not in the log
}

// Follow returns a follower of the events from now on.
func (l *Log) Follow() *Follower {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Follower{log: l, next: l.next}
}

// FollowAfter returns a follower of the events after the one with that number. Where the log does not hold all of them, Next
// says so first.
func (l *Log) FollowAfter(id uint64) *Follower {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &Follower{log: l, next: id + 1}
	if id >= l.next || id+1 < l.oldest() {
		f.next, f.lost = l.next, true
	}
	return f
}

// oldest is the number of the oldest event that is kept, that of the next one where there is none.
func (l *Log) oldest() uint64 { return l.next - uint64(len(l.events)) }

// Next waits for the next event. With reset the follower missed events that are not kept any more: event has the number of the
// newest one and nothing else, and what follows comes after it. ok is false when ctx or the log ended.
func (f *Follower) Next(ctx context.Context) (e Event, reset, ok bool) {
	for {
		l := f.log
		l.mu.Lock()
		if f.next < l.oldest() {
			f.next, f.lost = l.next, true
		}
		if f.lost {
			f.lost = false
			e = Event{ID: f.next - 1, At: l.now()}
			l.mu.Unlock()
			return e, true, true
		}
		if f.next < l.next {
			e = l.events[f.next-l.oldest()]
			f.next++
			l.mu.Unlock()
			return e, false, true
		}
		changed, closed := l.changed, l.closed
		l.mu.Unlock()
		if closed {
			return Event{}, false, false
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Event{}, false, false
		}
	}
}
