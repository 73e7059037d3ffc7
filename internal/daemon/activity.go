package daemon

import (
	"sync"
	"time"

	"github.com/scout-speech/scout/internal/secondlook"
)

// activity counts what is open, and notices when nothing has been open for a while.
type activity struct {
	mu    sync.Mutex
	after time.Duration // 0: never
	open  int
	timer *time.Timer   // runs while nothing is open; nil where after is 0
	idle  chan struct{} // closed once nothing was open for after
	over  bool
	work  *secondlook.Work // what of it no second look may disturb
}

// newActivity returns a counter with nothing open.
func newActivity(after time.Duration) *activity {
	a := &activity{after: after, idle: make(chan struct{})}
	a.work = secondlook.NewWork(a.Begin)
	if after > 0 {
		a.timer = time.AfterFunc(after, a.expire)
	}
	return a
}

// setAfter changes how long nothing may be open. A daemon that never ends by itself, because nobody started it on demand, stays so.
func (a *activity) setAfter(after time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer == nil || a.after == after {
		return
	}
	a.after = after
	if a.timer.Stop(); after > 0 && a.open == 0 {
		a.timer.Reset(after)
	}
}

// After is how long nothing may be open; 0 for ever.
func (a *activity) After() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.after
}

// Begin notes that something is open until end is called. Calling end again does nothing.
func (a *activity) Begin() (end func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open++
	if a.timer != nil {
		a.timer.Stop()
	}
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.open--; a.open == 0 && a.timer != nil && a.after > 0 {
			a.timer.Reset(a.after)
		}
	})
}

// expire runs when the timer does. Something may have been opened at this very moment.
func (a *activity) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == 0 && a.after > 0 && !a.over {
		a.over = true
		close(a.idle)
	}
}

// Idle is closed when nothing has been open for that long.
func (a *activity) Idle() <-chan struct{} { return a.idle }

// Open returns how many things are open.
func (a *activity) Open() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}

// stop ends the timer.
func (a *activity) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
