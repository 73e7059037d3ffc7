package dictate

import "github.com/scout-speech/scout/internal/recording"

// Reached is how far the stream of a dictation has come, in frames at 16 kHz.
func (d *Dictations) Reached(id recording.ID) int64 {
	s := d.find(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}
