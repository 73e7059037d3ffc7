package dictate

import (
	"maps"
	"slices"
	"time"

	"github.com/scout-speech/scout/internal/recording"
)

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

// IDs returns those of the same.
func (d *Dictations) IDs() []recording.ID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.open))
}

// Behind is how far the text of the dictation that is furthest behind is behind its sound.
func (d *Dictations) Behind() (most time.Duration) {
	for _, s := range d.sessions() {
		s.mu.Lock()
		live := s.live
		s.mu.Unlock()
		if live != nil {
			most = max(most, live.Behind())
		}
	}
	return most
}

// TellDegradation tells those who listen that Options.Degradation is another one.
func (d *Dictations) TellDegradation() {
	level := d.degradation()
	for _, s := range d.sessions() {
		s.tellDegradation(level)
	}
}

func (d *Dictations) degradation() int {
	if d.options.Degradation == nil {
		return 0
	}
	return d.options.Degradation()
}

// sessions are those that are open.
func (d *Dictations) sessions() []*session {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*session, 0, len(d.open))
	for _, s := range d.open {
		all = append(all, s)
	}
	return all
}
