package recorder

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A cancelled start leaves nothing behind when it returns, unless the disk takes long.
func TestCancelledWorkIsUndone(t *testing.T) {
	t.Parallel()
	cancelled := errors.New("cancelled")
	for situation, c := range map[string]struct {
		takes    time.Duration
		returned time.Duration
		undone   bool // when it returns
	}{
		"the disk is about to answer": {100 * time.Millisecond, 100 * time.Millisecond, true},
		"the disk hangs":              {time.Minute, discardedWithin, false},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				cancel(cancelled)
				began, undone := time.Now(), make(chan string, 1)
				value, err := within(ctx, 10*time.Minute, "make a file", func() (string, error) {
					time.Sleep(c.takes)
					return "file", nil
				}, func(made string) { undone <- made })
				if value != "" || !errors.Is(err, cancelled) || time.Since(began) != c.returned || len(undone) == 1 != c.undone {
					t.Errorf("%q, %v after %s, undone: %v", value, err, time.Since(began), len(undone) == 1)
				}
				if made := <-undone; made != "file" {
					t.Errorf("undone was %q", made)
				}
			})
		})
	}
}
