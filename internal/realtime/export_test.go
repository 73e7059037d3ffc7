package realtime

import (
	"fmt"
	"os"
	"time"
)

// Owed is why a session has no text at the moment.
func Owed(s *Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owed
}

// BreakTape has all reads of a session's sound fail until mend is called. What is written is kept.
func BreakTape(s *Session) (mend func(), err error) {
	s.tape.mu.Lock()
	defer s.tape.mu.Unlock()
	at := len(s.tape.files) - 1
	whole := s.tape.files[at]
	broken, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", whole.Fd()), os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	s.tape.files[at] = broken
	return func() {
		s.tape.mu.Lock()
		defer s.tape.mu.Unlock()
		s.tape.files[at] = whole
		_ = broken.Close() // the other one stays
	}, nil
}

// OpenStart is where the open item of a machine begins.
func OpenStart(m *Machine) int64 { return m.open.Start }

// Lasting is how long so many samples take.
func Lasting(samples int64, rate int) time.Duration { return lasting(samples, rate) }
