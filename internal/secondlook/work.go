package secondlook

import (
	"sync"
	"time"
)

// Work counts what others do that a second look must not disturb: dictations, recordings, promised texts.
type Work struct {
	begin func() (end func())

	mu      sync.Mutex
	open    int
	since   time.Time     // nothing has been open
	changed chan struct{} // closed and replaced when something begins, or the last of it ends
}

// NewWork returns a counter. begin is called as well for everything that begins, and what it returns at its end; nil for nothing.
func NewWork(begin func() (end func())) *Work {
	return &Work{begin: begin, since: time.Now(), changed: make(chan struct{})}
}

// Begin notes that something is open until end is called. Calling end again does nothing.
func (w *Work) Begin() (end func()) {
	other := func() {}
	if w.begin != nil {
		other = w.begin()
	}
	w.add(1)
	return sync.OnceFunc(func() {
		w.add(-1)
		other()
	})
}

func (w *Work) add(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open += n
	w.since = time.Now()
	if w.open == 0 || w.open == n {
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// state returns for how long nothing has been open, below 0 while something is, and what is closed when that changes.
func (w *Work) state() (idle time.Duration, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open > 0 {
		return -1, w.changed
	}
	return time.Since(w.since), w.changed
}
