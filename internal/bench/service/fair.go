package service

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/scout-speech/scout/internal/bench"
)

// clipsOfAKey is how many jobs of each key wait or run at any time.
const clipsOfAKey = 3

// fairLengths are how long the clips of the keys are, in turn: who sends long files is no more and no less served.
func fairLengths() []time.Duration {
	return []time.Duration{4 * time.Second, 6 * time.Second, 9 * time.Second}
}

// fair measures how much of each key's audio becomes text while all keys always have work.
func fair(ctx context.Context, o Options, into *bench.Service) error {
	return in(ctx, o, func(h *house) error {
		f := &fairly{house: h, clips: newClips(o.Speech), open: make(chan struct{}), served: make([]time.Duration, o.Keys)}
		found := &bench.ServiceFair{}
		keys := make([]string, o.Keys)
		for n := range keys {
			var err error
			if keys[n], err = h.key(ctx, fmt.Sprint("key ", n), false); err != nil {
				return err
			}
			found.Clips = append(found.Clips, fairLengths()[n%len(fairLengths())])
		}
		h.tell("fair: %d keys begin", o.Keys)
		all, end := context.WithCancel(ctx)
		defer end()
		var wait, ready sync.WaitGroup
		for n, key := range keys {
			for range clipsOfAKey {
				ready.Add(1)
				wait.Go(func() { f.keepsBusy(all, key, n, found.Clips[n], ready.Done) })
			}
		}
		ready.Wait() // all keys have all their jobs in the queue
		began := time.Now()
		close(f.open)
		h.tell("fair: all keys have work, for %s", o.Time)
		over := time.NewTimer(o.Time)
		defer over.Stop()
		select {
		case <-over.C:
		case <-ctx.Done():
		}
		f.mu.Lock()
		found.Took, found.Served = time.Since(began), append(found.Served, f.served...)
		f.mu.Unlock()
		end()
		wait.Wait()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		found.Errors = f.errors.all()
		into.Fair = found
		return nil
	})
}

type fairly struct {
	*house
	clips  *clips
	open   chan struct{} // closed when all keys have work
	errors tally

	mu     sync.Mutex
	served []time.Duration
}

// keepsBusy has one job of a key in the queue at any time, until ctx ends.
//
//	ready  is called when the first one is there
func (f *fairly) keepsBusy(ctx context.Context, key string, n int, length time.Duration, ready func()) {
	once := sync.OnceFunc(ready)
	defer once()
	c := f.client(key)
	defer c.close()
	for ctx.Err() == nil {
		made, _, err := c.insist(ctx, f.clips.cut(length))
		if err != nil {
			f.errors.failed(ctx, err)
			return
		}
		once()
		done, err := c.follow(ctx, made.ID)
		if err != nil {
			f.errors.failed(ctx, err)
			return
		}
		if done.State != "succeeded" {
			f.errors.add("a job is " + done.State)
		}
		select {
		case <-f.open:
			f.mu.Lock()
			f.served[n] += length
			f.mu.Unlock()
		default: // before all had work
		}
	}
}
