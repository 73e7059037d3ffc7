package resilience

import (
	"context"
	"time"
)

// Sleep waits for d. If ctx ends before, it returns ctx's cause at once.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
