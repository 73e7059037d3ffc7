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

// Clients that were refused come back one after the other, as places get free.
func TestReturnsAreSpaced(t *testing.T) {
	t.Parallel()
	var r returns
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for i, want := range []time.Duration{time.Second, time.Second, 1200 * time.Millisecond, 1600 * time.Millisecond} {
		if got := r.after("a", now, 400*time.Millisecond); got != want {
			t.Errorf("refusal %d: %s, want %s", i+1, got, want)
		}
	}
	if got := r.after("b", now, 400*time.Millisecond); got != time.Second {
		t.Errorf("another client waits %s", got)
	}
	if got := r.after("a", now.Add(time.Second), 400*time.Millisecond); got != time.Second {
		t.Errorf("a second later: %s, want the next free time, which is a second away", got)
	}
	if got := r.after("a", now.Add(time.Hour), 400*time.Millisecond); got != time.Second {
		t.Errorf("an hour later: %s", got)
	}
	for range 1000 {
		r.after("a", now, 400*time.Millisecond)
	}
	if got := r.after("a", now, 400*time.Millisecond); got != mostPause {
		t.Errorf("after a thousand refusals: %s, want %s", got, mostPause)
	}
	if got := r.after("a", now.Add(-time.Hour), 400*time.Millisecond); got != time.Second {
		t.Errorf("the clock was set back by an hour: %s", got)
	}
	if got := r.after("slow", now, time.Hour); got != mostPause {
		t.Errorf("jobs of an hour: %s, want %s", got, mostPause)
	}
}
