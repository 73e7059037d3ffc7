package rig

import (
	"context"
	"time"

	"github.com/scout-speech/scout/internal/bench"
)

// watch measures the processes of Scout.
type watch struct {
	booth  *Booth
	cancel context.CancelFunc
	done   chan struct{}
	before map[int]time.Duration // processor time of each process when it was seen first
	most   int64
}

// watchEvery is how often the memory is read, and lookEvery how often processes are looked for that are new: the engine
// comes with the first dictation, and that of the accurate model after it.
const (
	watchEvery = 500 * time.Millisecond
	lookAgain  = 6
	lookEvery  = 20
)

// watchProcesses begins to measure. stop ends it.
func watchProcesses(ctx context.Context, b *Booth) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{booth: b, cancel: cancel, done: make(chan struct{}), before: map[int]time.Duration{}}
	w.look(ctx, true)
	go func() { // ends with stop
		defer close(w.done)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for n := 1; ; n++ {
			var sum int64
			for pid := range w.before {
				sum += bench.ProportionalSize(pid)
			}
			w.most = max(w.most, sum)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if n == 2 || n == lookAgain || n%lookEvery == 0 {
				w.look(ctx, false)
			}
		}
	}()
	return w
}

// look notes the processes that are new. What they worked before counts only if the dictation has begun.
func (w *watch) look(ctx context.Context, atBegin bool) {
	s, err := w.booth.status(ctx)
	if err != nil {
		return // the daemon was killed, or the dictation is over
	}
	for _, pid := range s.pids() {
		if _, known := w.before[pid]; known {
			continue
		}
		w.before[pid] = 0
		if t, err := bench.ProcessorTime(pid); err == nil && atBegin {
			w.before[pid] = t
		}
	}
}

// stop ends measuring. It may be called repeatedly.
func (w *watch) stop() (cpu time.Duration, pss int64) {
	w.cancel()
	<-w.done
	for pid, before := range w.before {
		if t, err := bench.ProcessorTime(pid); err == nil { // those that are gone count as nothing
			cpu += max(0, t-before)
		}
	}
	return cpu, w.most
}
