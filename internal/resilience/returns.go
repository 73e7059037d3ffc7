package resilience

import (
	"sync"
	"time"
)

// Bounds of a pause that a client is asked for. Source: the clients of OpenAI obey one of up to 60 s.
const (
	LeastPause = time.Second
	MostPause  = time.Minute
)

// Returns spaces the times at which clients come back that were refused because there was no place. Places get free one after the other: of
// all that came back at the same time, one would find a place, and the others would have come, or sent their files, for nothing.
//
// It is the virtual scheduling algorithm of ITU-T I.371 for a single rate, with refusals in the place of cells. The zero value has refused nobody.
// It is safe for concurrent use.
type Returns struct {
	mu   sync.Mutex
	last map[string]time.Time // when the one comes back that was refused last, by line
}

// After is how long the next one that is refused waits, from LeastPause to MostPause.
//
//	line   names those who wait for the same places: a client that has used up its share, or "" for everybody
//	first  is how long the one waits before whom nobody waits
//	every  is how often a place gets free
func (r *Returns) After(line string, now time.Time, first, every time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	for of, at := range r.last {
		if !at.After(now) {
			delete(r.last, of)
		}
	}
	if r.last == nil {
		r.last = make(map[string]time.Time)
	}
	at := now.Add(min(first, MostPause))
	if last, ok := r.last[line]; ok && last.Sub(now) <= MostPause { // one further away is of a clock that was set back
		if behind := last.Add(min(every, MostPause)); behind.After(at) {
			at = behind
		}
	}
	if most := now.Add(MostPause); at.After(most) {
		at = most
	}
	r.last[line] = at
	return max(at.Sub(now), LeastPause)
}

// Refuse wraps err with the pause of After, as RetryAfter does.
func (r *Returns) Refuse(err error, line string, first, every time.Duration) error {
	return RetryAfter(err, r.After(line, time.Now(), first, every))
}
