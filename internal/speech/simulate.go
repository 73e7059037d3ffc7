package speech

import (
	"context"
	"time"

	"github.com/scout-speech/scout"
)

// Simulation is a dictation on a simulated clock, for benchmarks and tests: audio comes at the rate of speech on that
// clock, a decode takes there as long as Cost says, and everything else takes no time. An hour of speech needs only the
// time of its decodes.
type Simulation struct {
	// Samples is what is said.
	Samples []float32
	// StopAt is when the person stops, on the simulated clock, which begins with the first frame.
	StopAt time.Duration
	// Block is the length of the blocks in which audio comes, Latency how long after its last frame a block comes.
	Block, Latency time.Duration
	// Cost returns how long the decode took that has just ended. It is called after each.
	Cost func() time.Duration

	now time.Duration
}

// Now returns the simulated time. Callbacks of the Live may call it.
func (s *Simulation) Now() time.Duration { return s.now }

// Simulate transcribes a simulated dictation in place of Run, and returns how long after the stop the text was complete.
// Calls of Write, Gap, Stop and End are not allowed.
func (l *Live) Simulate(ctx context.Context, s *Simulation) (final LiveFinal, late time.Duration, err error) {
	began := time.Unix(0, 0)
	at := began.Add
	var written int64 // frames
	var current *task
	var done outcome
	var ready time.Duration // when current is done
	stopped := false
	for {
		for int(written) < len(s.Samples) {
			n := min(int64(s.Block)*scout.EngineSampleRateHz/int64(time.Second), int64(len(s.Samples))-written)
			if comes := s.comes(written + n); comes > s.now {
				break
			}
			l.intake.write(written, s.Samples[written:written+n])
			written += n
		}
		if !stopped && s.now >= s.StopAt {
			stopped = true
			l.intake.stop(int64(s.StopAt)*scout.EngineSampleRateHz/int64(time.Second), false, at(s.now))
		}
		if current != nil && s.now >= ready {
			finished := current
			current = nil
			told, err := l.growth.done(finished, done, at(s.now))
			if err != nil {
				return LiveFinal{}, 0, err
			}
			l.pass(told)
		}
		missing, wake, err := l.growth.feed(l.intake, at(s.now))
		if err != nil {
			return LiveFinal{}, 0, err
		}
		l.pass(l.growth.due(l.intake))
		if current != nil && l.growth.supersedes(current, l.intake, at(s.now)) {
			l.growth.abandon(current)
			current = nil
		}
		if current == nil {
			if l.growth.finished() {
				return l.growth.final(), s.now - s.StopAt, nil
			}
			var later time.Time
			if current, later = l.growth.plan(l.intake, missing, at(s.now)); current != nil {
				done = current.perform(ctx, l.decoder, l.options.Recorded)
				if ctx.Err() != nil {
					return LiveFinal{}, 0, context.Cause(ctx)
				}
				ready = s.now + s.Cost()
			}
			wake = earlier(wake, later)
		}
		next := s.now + lookEvery
		if !stopped {
			next = min(next, s.StopAt)
		}
		if current != nil {
			next = min(next, ready)
		}
		if int(written) < len(s.Samples) {
			n := min(int64(s.Block)*scout.EngineSampleRateHz/int64(time.Second), int64(len(s.Samples))-written)
			next = min(next, s.comes(written+n))
		}
		if !wake.IsZero() {
			next = min(next, wake.Sub(began))
		}
		s.now = max(next, s.now)
	}
}

// comes returns when a block that ends before a frame comes.
func (s *Simulation) comes(frame int64) time.Duration {
	return time.Duration(frame)*time.Second/scout.EngineSampleRateHz + s.Latency
}
