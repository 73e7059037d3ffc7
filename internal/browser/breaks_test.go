package browser_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/recording"
)

// Connections break at random places, connections take the place of others, daemons end, and the stop comes when it likes: every word of what
// was sent is in the text.
func TestConnectionsThatBreak(t *testing.T) {
	t.Parallel()
	rounds := 24
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("%d, seed %d", round, seed), func(t *testing.T) {
			t.Parallel()
			breaks(newStudio(t), rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

// breaks sends a random number of words in random pieces over connections that break.
func breaks(s *studio, random *rand.Rand) {
	frames := random.IntN(20*wordFrames) + 1
	c := s.start(order(rate))
	at, stopped := 0, false
	stop := func() {
		stopped = true
		if err := c.Stop(uint64(frames)); err != nil {
			s.Fatal(err)
		}
	}
	for at < frames {
		n := min(1+random.IntN(6000), frames-at)
		s.write(c, max(0, at-random.IntN(500)), at+n)
		at += n
		switch random.IntN(12) {
		case 0: // what was not acknowledged is sent again
			c.Close()
			c = s.resumes(c.ID())
			at = int(c.Safe())
		case 1: // the end of the connection is noticed late
			c = s.resumes(c.ID())
			at = int(c.Safe())
		case 2:
			if stopped {
				break // the next daemon is told again
			}
			s.again()
			c = s.resumes(c.ID())
			at = int(c.Safe())
		case 3:
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond) //nolint:forbidigo // speech takes time
		case 4:
			if !stopped {
				stop() // frames are missing still
			}
		}
	}
	if !stopped {
		stop()
	}
	id := c.ID()
	switch random.IntN(3) {
	case 0:
		c.Close() // it does not wait for the text
	case 1:
		if random.IntN(2) == 0 {
			s.finished(c) // the recording is complete, and its text may not be
		}
		s.end()
		s.begin()
		s.stopsAgain(id, frames)
	}
	if got, want := s.text(id), script(frames/wordFrames); got != want {
		s.Errorf("text %q of %d frames, want %q", got, frames, want)
	}
	m, err := s.folder.Verify(id)
	if err != nil || int(m.Frames) != frames || len(m.Gaps) > 0 {
		s.Errorf("%d frames, gaps %v, %v; want %d frames", m.Frames, m.Gaps, err, frames)
	}
}

// stopsAgain repeats the stop of a session, as a client does that got no final text.
func (s *studio) stopsAgain(id recording.ID, frames int) {
	s.Helper()
	c := s.resumes(id)
	if int(c.Safe()) < frames {
		s.write(c, int(c.Safe()), frames)
	}
	if err := c.Stop(uint64(frames)); err != nil {
		s.Fatal(err)
	}
}
