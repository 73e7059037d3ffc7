package speech

import (
	"context"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Simulate hears a simulated dictation in place of Run, and returns how long after the stop the last piece was decoded. Nothing else
// runs on the simulated clock: what a first pass takes after the stop comes to that. Calls of Write, Gap, Stop and End are not allowed.
func (s *Second) Simulate(ctx context.Context, sim *Simulation) (text SecondText, late time.Duration, err error) {
	s.grows = true
	end := min(int64(sim.StopAt)*scout.EngineSampleRateHz/int64(time.Second), int64(len(sim.Samples)))
	var free time.Duration // when the last decode ends
	for stopped := false; ; {
		if n := min(int64(sim.Block)*scout.EngineSampleRateHz/int64(time.Second), end-s.pos); n > 0 {
			sim.now = sim.comes(s.pos + n)
			if err := s.cutter.Write(sim.Samples[s.pos : s.pos+n]); err != nil {
				return text, 0, err
			}
			s.pos += n
		} else {
			stopped, sim.now = true, max(sim.now, sim.StopAt)
			if err := s.cutter.Close(); err != nil {
				return text, 0, err
			}
		}
		for len(s.queue) > 0 {
			free = max(free, sim.now)
			if free >= sim.StopAt {
				s.intake.stop(end, true, time.Time{}) // what is decoded from here on knows it
			}
			if err := s.next(ctx); err != nil {
				return text, 0, err
			}
			free += sim.Cost()
		}
		if stopped {
			s.joiner.Finish()
			s.text.Duration = segment.Duration(s.pos)
			return s.text, max(free, sim.now) - sim.StopAt, nil
		}
	}
}
