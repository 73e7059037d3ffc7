package job

import (
	"testing"
	"time"
)

// A file whose header says that it has a single sample does not make hours out of the rest of the others.
func TestAMomentSaysLittleAboutThePace(t *testing.T) {
	t.Parallel()
	var p pace
	for range 10 {
		p.done(time.Minute, 6*time.Second)
	}
	p.done(22*time.Microsecond, 2*time.Second)
	if left := p.remaining(10 * time.Minute); left < 50*time.Second || left > 2*time.Minute {
		t.Errorf("%s for 10 minutes, after a minute took 6 s", left)
	}
	if wait, known := p.wait(10*time.Minute, 2); !known || wait > time.Minute {
		t.Errorf("%s, %v for 10 minutes by two", wait, known)
	}
}
