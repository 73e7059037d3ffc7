package recognize

// Ease is by how much engines reduce what they do, because the machine has too little of something.
type Ease struct {
	// FastOnly makes the fast model do the work of the accurate one, where nobody names a model and it knows the language.
	FastOnly bool
	// OneSlot runs one request at a time, whatever it is.
	OneSlot bool
	// Hold, if it is not nil, is why no model is loaded: requests fail with it.
	Hold error
}

// Ease sets by how much engines reduce what they do.
func (e *Engines) Ease(to Ease) {
	e.mu.Lock()
	before := e.ease
	e.ease = to
	e.mu.Unlock()
	most := 0
	if to.OneSlot {
		most = 1
	}
	e.scheduler.Limit(most)
	if (before.Hold == nil) != (to.Hold == nil) {
		e.pool.Hold(to.Hold)
		e.Wake()
	}
}

// roleFor is the role whose model does the work.
func (e *Engines) roleFor(role Role) Role {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ease.FastOnly {
		return Fast
	}
	return role
}

// UnloadIdlest ends the process of the model that was idle for longest, and reports whether there was one.
func (e *Engines) UnloadIdlest() bool { return e.pool.UnloadIdlest() }

// ThrottleBatch lets background work have the slots of the machine for that share of the time, from 0 to 1.
func (e *Engines) ThrottleBatch(share float64) { e.scheduler.Throttle(share) }
