package recording

import "os"

// StepForTest lets a test drive the pump without its ticker.
func StepForTest(p *Pump) { p.step(p.ring.Head()) }

// FileForTest is the file whose lock l is.
func FileForTest(l *Lock) *os.File { return l.file }
