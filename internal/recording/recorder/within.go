package recorder

import (
	"context"
	"time"

	"github.com/scout-speech/scout"
)

// discardedWithin is how long cancelled work on a disk may take to be undone.
const discardedWithin = time.Second

// within runs work that may hang in a disk and returns when it is done, when limit is over (scout.CodeDiskStalled) or
// when ctx ends. A late result is discarded when the disk answers. If ctx has ended, within waits for that, up to discardedWithin: then
// nothing of the cancelled work is left when it returns.
func within[T any](ctx context.Context, limit time.Duration, doing string, work func() (T, error), discard func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result)
	over := make(chan struct{})
	go func() { // ends when the disk answers
		value, err := work()
		select {
		case done <- result{value, err}:
		case <-over:
			if err == nil && discard != nil {
				discard(value)
			}
		}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var none T
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		close(over)
		return none, scout.Errorf(scout.CodeDiskStalled, "%s: the disk has not answered for %s", doing, limit)
	case <-ctx.Done():
		undone := time.NewTimer(discardedWithin)
		defer undone.Stop()
		select {
		case r := <-done:
			if r.err == nil && discard != nil {
				discard(r.value)
			}
		case <-undone.C:
			close(over)
		}
		return none, context.Cause(ctx)
	}
}
