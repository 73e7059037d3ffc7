package webhook

import (
	"math/rand/v2"
	"time"

	"github.com/scout-speech/scout/internal/store"
)

// pauses are those after the first attempt, the second, and so on: a receiver may be down for a day. Its attempts take 31 hours.
var pauses = []time.Duration{5 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}

const (
	// jitter is by which part a pause is shorter or longer, so that what failed together does not come back together.
	jitter = 0.1
	// longestPause bounds a pause with its jitter, also one that a receiver asks for.
	longestPause = 27 * time.Hour
	// longestWait bounds the time in which a delivery is tried, also one for which a host that rests was not asked: what a dead host leaves
	// behind is bounded.
	longestWait = 72 * time.Hour
)

// latest is the last time for which a delivery can wait. One that waits longer was given its time by a clock that was set back since.
func latest(now time.Time) time.Time { return now.Add(longestPause) }

// pauseAfter is how long to wait after so many attempts; last is true where there is no further one.
func pauseAfter(attempts int, asked time.Duration) (pause time.Duration, last bool) {
	if attempts > len(pauses) {
		return 0, true
	}
	pause = pauses[attempts-1]
	pause += time.Duration((2*rand.Float64() - 1) * jitter * float64(pause)) //nolint:gosec // no secret
	return max(pause, asked), false
}

// settle changes a delivery by the outcome of an attempt.
func settle(d *store.Delivery, o outcome, now time.Time) {
	if d.State != store.DeliveryWaiting && o.err != nil {
		return // it was given up meanwhile
	}
	d.Attempts++
	d.Status, d.Error = o.status, nil
	if o.err == nil {
		d.State, d.EndedAt = store.DeliveryDelivered, now
		return
	}
	d.Error = store.JobErrorOf(o.err)
	pause, last := pauseAfter(d.Attempts, o.after)
	if last || o.never || o.gone || now.Sub(d.Since) >= longestWait {
		d.State, d.EndedAt = store.DeliveryDead, now
		return
	}
	d.NextAt = now.Add(pause)
}
