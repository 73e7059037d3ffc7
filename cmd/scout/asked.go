package main

import "time"

// mostAgo is the longest time for which a start says how long ago it was asked for.
const mostAgo = 5 * time.Second

// begun returns when the person ran this command, as far as the system tells.
func begun() time.Time { return time.Now().Add(-age()) }

// agoOf returns for how many seconds a person has waited who asked at that time: a warm microphone has heard what was said since. What is
// older than a slow machine makes it is not told: the daemon had to be started first, and no microphone was warm.
func agoOf(asked time.Time) float64 {
	if ago := time.Since(asked); ago > 0 && ago < mostAgo {
		return ago.Seconds()
	}
	return 0
}
