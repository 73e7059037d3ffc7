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
// bound of the 99th percentile, because a machine under load may miss that, and a machine on which each waking takes long may take
// ten times that more: from the device to the listener five readers are woken.
func TestListenersAreWokenByTheDevice(t *testing.T) {
	t.Parallel()
	const blocks, block = 150, 320 // of 20 ms
	var mu sync.Mutex
	var delivered []time.Time
	rounds := make(map[string]int)
	wakings, woken := make(chan time.Time, 1), make(chan []time.Duration)
	go func() { // ends with the channel
		var took []time.Duration
		for sent := range wakings {
			took = append(took, time.Since(sent))
		}
		woken <- took
	}()
	f := run(t, func(o *recorder.Options) {
		o.Faults = func(goroutine string) error {
			mu.Lock()
			defer mu.Unlock()
			rounds[goroutine]++
			if goroutine == capture.GoroutineDevice {
				delivered = append(delivered, time.Now())
				select {
				case wakings <- time.Now():
				default:
				}
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
	mu.Lock()
	close(wakings)
	wakings = nil
	mu.Unlock()
	plain := <-woken
	slices.Sort(plain)
	one := plain[len(plain)/2]
	slices.Sort(late)
	p50, p99 := late[len(late)/2], late[len(late)*99/100]
	mu.Lock()
	defer mu.Unlock()
	perBlock := func(goroutine string) float64 {
		return float64(rounds[goroutine]) / float64(rounds[capture.GoroutineDevice])
	}
	t.Logf("device to listener: p50 %s, p99 %s, most %s, one waking %s; rounds for each block: session %.2f, pump %.2f, stream %.2f", p50, p99, late[len(late)-1], one,
		perBlock(capture.GoroutineOwner), perBlock(recording.GoroutinePump), perBlock(recorder.GoroutineStream))
	if p50 > 30*time.Millisecond+10*one {
		t.Errorf("half of the blocks take more than %s, and one waking %s", p50, one)
	}
	for _, goroutine := range []string{capture.GoroutineOwner, recording.GoroutinePump} {
		if n := perBlock(goroutine); n > 1.5 {
			t.Errorf("%s begins %.2f rounds for each block", goroutine, n)
		}
	}
}
