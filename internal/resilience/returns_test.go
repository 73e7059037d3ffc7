package resilience_test

import (
	"errors"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/resilience"
)

// Clients that were refused come back one after the other, as places get free.
func TestReturnsAreSpaced(t *testing.T) {
	t.Parallel()
	var r resilience.Returns
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for i, want := range []time.Duration{time.Second, time.Second, 1200 * time.Millisecond, 1600 * time.Millisecond} {
		if got := r.After("a", now, 400*time.Millisecond, 400*time.Millisecond); got != want {
			t.Errorf("refusal %d: %s, want %s", i+1, got, want)
		}
	}
	if got := r.After("b", now, 400*time.Millisecond, 400*time.Millisecond); got != time.Second {
		t.Errorf("another client waits %s", got)
	}
	if got := r.After("a", now.Add(time.Second), 400*time.Millisecond, 400*time.Millisecond); got != time.Second {
		t.Errorf("a second later: %s, want the next free time, which is a second away", got)
	}
	if got := r.After("a", now.Add(time.Hour), 400*time.Millisecond, 400*time.Millisecond); got != time.Second {
		t.Errorf("an hour later: %s", got)
	}
	for range 1000 {
		r.After("a", now, 400*time.Millisecond, 400*time.Millisecond)
	}
	if got := r.After("a", now, 400*time.Millisecond, 400*time.Millisecond); got != resilience.MostPause {
		t.Errorf("after a thousand refusals: %s, want %s", got, resilience.MostPause)
	}
	if got := r.After("a", now.Add(-time.Hour), 400*time.Millisecond, 400*time.Millisecond); got != time.Second {
		t.Errorf("the clock was set back by an hour: %s", got)
	}
	if got := r.After("slow", now, time.Hour, time.Hour); got != resilience.MostPause {
		t.Errorf("jobs of an hour: %s, want %s", got, resilience.MostPause)
	}
	for i, want := range []time.Duration{2 * time.Second, 7 * time.Second, 12 * time.Second} {
		if got := r.After("a rate", now, 2*time.Second, 5*time.Second); got != want {
			t.Errorf("refusal %d where the first place is free in 2 s and then one every 5 s: %s, want %s", i+1, got, want)
		}
	}
	err := r.Refuse(scout.Errorf(scout.CodeRateLimit, "too many"), "now", 3*time.Second, time.Second)
	var later interface{ RetryAfter() time.Duration }
	if scout.CodeOf(err) != scout.CodeRateLimit || !errors.As(err, &later) || later.RetryAfter() != 3*time.Second {
		t.Errorf("%v", err)
	}
}
