package dictate

import "github.com/scout-speech/scout/internal/recording"

// Watch is told what a toggle does. Each of its functions may be nil.
type Watch struct {
	// Decided is called before anything happens.
	Decided func(Toggled)
	// Begins is called before the recording begins, and Begun when its frames are flowing.
	Begins, Begun func(recording.ID)
}

// Sessions returns how many dictations are open: recorded, or their text is being completed.
func (d *Dictations) Sessions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}
