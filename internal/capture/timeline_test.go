package capture

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/audio/ring"
)

func TestTimelineSeesThroughLateBlocks(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	l := newTimeline(48_000)
	if l.known() || l.expected(time.Hour) != 0 || l.deficit() != 0 {
		t.Error("something is known of nothing")
	}
	for i := range 3000 { // 30 s of blocks of 10 ms, up to 70 ms late
		at := time.Duration(i+1)*10*time.Millisecond + time.Duration(rng.Int64N(int64(70*time.Millisecond)))
		l.observe(ring.Position(480*(i+1)), at)
		if i == 1000 || i == 1100 { // and one block comes a second early, as an output renders ahead
			l.observe(ring.Position(480*(i+1)+48_000), at)
		}
		if d := l.deficit(); d != 0 {
			t.Fatalf("after %v: deficit of %d", at, d)
		}
	}
	if got := l.expected(31 * time.Second); math.Abs(float64(got)-31*48_000) > 200 {
		t.Errorf("expected %d, want %d", got, 31*48_000)
	}
}

func TestTimelineFindsWhatIsMissingOnce(t *testing.T) {
	t.Parallel()
	l := newTimeline(48_000)
	position := ring.Position(0)
	var filled uint64
	for i := range 3000 {
		at := time.Duration(i+1) * 10 * time.Millisecond
		position += 480
		if i == 1500 {
			position -= 4800 // 100 ms are lost
		}
		l.observe(position, at)
		if d := l.deficit(); d > 0 {
			position = position.Add(d)
			filled += d
			l.filled(d)
		}
	}
	if filled != 4800 {
		t.Errorf("%d frames filled, want 4800", filled)
	}
}

func TestTimelineHearsNothingBeforeTheDeviceIsOpen(t *testing.T) {
	t.Parallel()
	l := newTimeline(1000)
	l.heardSince(500, 10*time.Second)
	l.observe(2500, 10*time.Second+time.Millisecond) // two seconds of what is yet to come
	if got := l.expected(11 * time.Second); got != 1500 {
		t.Errorf("expected %d a second after the device was opened at 500", got)
	}
}
