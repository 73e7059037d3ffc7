//go:build !linux

package sqlite

import "time"

// sinceNow returns a function that tells how much time has passed since now.
func sinceNow() func() time.Duration {
	opened := time.Now()
	return func() time.Duration { return time.Since(opened) }
}
