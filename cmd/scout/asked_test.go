package main

import (
	"testing"
	"time"
)

// The age of a process is the time since it was created.
func TestTheAgeOfAProcess(t *testing.T) {
	t.Parallel()
	before := age()
	if before <= 0 {
		t.Skip("the system does not tell when a process was created")
	}
	time.Sleep(50 * time.Millisecond) // what passes is what is tested
	if passed := age() - before; passed < 40*time.Millisecond {
		t.Errorf("%v passed", passed)
	}
	if ago := agoOf(time.Now().Add(-time.Second)); ago < 1 || ago >= mostAgo.Seconds() {
		t.Errorf("asked a second ago: %g s", ago)
	}
	for _, asked := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(-time.Hour)} {
		if ago := agoOf(asked); ago != 0 {
			t.Errorf("asked at %v: %g s ago", asked, ago)
		}
	}
}
