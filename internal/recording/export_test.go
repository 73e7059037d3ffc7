package recording

// StepForTest lets a test drive the pump without its ticker.
func StepForTest(p *Pump) { p.step(p.aligned.recording(p.ring.Head())) }
