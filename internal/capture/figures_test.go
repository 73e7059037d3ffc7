package capture_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/fanout"
)

// durations are measurements of one kind.
type durations []time.Duration

func (d *durations) add(x time.Duration) { *d = append(*d, x) }

func (d durations) most() time.Duration {
	if len(d) == 0 {
		return 0
	}
	return slices.Max(d)
}

// String shows median and maximum.
func (d durations) String() string {
	if len(d) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(d))
	return fmt.Sprintf("p50 %v, most %v", sorted[len(sorted)/2].Round(time.Millisecond/10), d.most().Round(time.Millisecond/10))
}

// awaitOneOf waits for an event of one of the kinds.
func awaitOneOf(tb testing.TB, sub *fanout.Subscription[capture.Event], kinds ...capture.EventKind) capture.Event {
	tb.Helper()
	timeout := time.NewTimer(15 * time.Second)
	defer timeout.Stop()
	for {
		select {
		case item := <-sub.Items():
			if e := item.Value; slices.Contains(kinds, e.Kind) {
				return e
			}
		case <-timeout.C:
			tb.Fatalf("no event of %v", kinds)
		}
	}
}
