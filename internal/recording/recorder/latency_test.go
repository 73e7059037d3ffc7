package recorder_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// From the device to a listener, each buffer wakes its reader; nothing polls. The figures are printed. The median must be within the
// bound of the 99th percentile, because a machine under load may miss that.
func TestListenersAreWokenByTheDevice(t *testing.T) {
	t.Parallel()
	const blocks, block = 150, 320 // of 20 ms
	var mu sync.Mutex
	var delivered []time.Time
	rounds := make(map[string]int)
	f := run(t, func(o *recorder.Options) {
		o.Faults = func(goroutine string) error {
			mu.Lock()
			defer mu.Unlock()
			rounds[goroutine]++
			if goroutine == capture.GoroutineDevice {
				delivered = append(delivered, time.Now())
			}
			return nil
		}
	})
	c := f.client(t)
	order := request()
	_, err := c.Start(t.Context(), order)
	check(t, err)
	stream, err := (remote.Live{Dir: f.Folder().Dir(), Name: "test"}).Listen(t.Context(), order.ID, 0)
	check(t, err)
	defer func() { check(t, stream.Close()) }()
	var late []time.Duration
	for pos := uint64(0); pos < blocks*block; {
		part, err := stream.Next()
		check(t, err)
		now := time.Now()
		pos = uint64(part.Position) + uint64(len(part.Frames)/speech.FrameBytes())
		if pos < 10*block || len(part.Frames) == 0 { // the beginning waits for the file
			continue
		}
		mu.Lock()
		late = append(late, now.Sub(delivered[pos/block-1]))
		mu.Unlock()
	}
	_, err = c.Stop(t.Context(), order.ID)
	check(t, err)
	slices.Sort(late)
	p50, p99 := late[len(late)/2], late[len(late)*99/100]
	mu.Lock()
	defer mu.Unlock()
	perBlock := func(goroutine string) float64 {
		return float64(rounds[goroutine]) / float64(rounds[capture.GoroutineDevice])
	}
	t.Logf("device to listener: p50 %s, p99 %s, most %s; rounds for each block: session %.2f, pump %.2f, stream %.2f", p50, p99, late[len(late)-1],
		perBlock(capture.GoroutineOwner), perBlock(recording.GoroutinePump), perBlock(recorder.GoroutineStream))
	if p50 > 30*time.Millisecond {
		t.Errorf("half of the blocks take more than %s", p50)
	}
	for _, goroutine := range []string{capture.GoroutineOwner, recording.GoroutinePump} {
		if n := perBlock(goroutine); n > 1.5 {
			t.Errorf("%s begins %.2f rounds for each block", goroutine, n)
		}
	}
}
