package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/scout-speech/scout/cmd/internal/cli"
)

// slowStart is how long a start may take before the user is told what the command waits for.
const slowStart = 2 * time.Second

// wait tells the user when the engine starts slowly, the first time and later. r is nil where another machine has the engine.
type wait struct {
	ctx    context.Context
	cancel context.CancelFunc
	show   *cli.Console
	r      *cli.Recognizer
	quiet  bool
	began  bool
	shown  sync.WaitGroup // goroutines that report a start, and the first start

	mu  sync.Mutex
	end func() // removes what is shown
}

func newWait(ctx context.Context, show *cli.Console, r *cli.Recognizer, quiet bool) *wait {
	w := &wait{show: show, r: r, quiet: quiet, end: func() {}}
	w.ctx, w.cancel = context.WithCancel(ctx)
	return w
}

// start starts the engine at the first call, and begins to wait for it.
func (w *wait) start() {
	if w.began || w.quiet {
		return
	}
	w.began = true
	w.r.Loadings.Tell(w.loading)
	w.shown.Go(func() { // ends with the engine's start or with close
		_, _ = w.r.Engine.Load(w.ctx) // a caller that needs the engine gets the error
	})
}

// loading reports a slow start until the returned function is called.
func (w *wait) loading(limit time.Duration) (over func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	gone := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil { // closed
		return cancel
	}
	w.end = func() { cancel(); <-gone }
	w.shown.Go(func() {
		defer close(gone)
		w.tell(ctx, limit)
	})
	return cancel
}

func (w *wait) tell(ctx context.Context, limit time.Duration) {
	timer := time.NewTimer(slowStart)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	began := time.Now().Add(-slowStart)
	text := fmt.Sprintf("waiting for the engine to load the model %s, at most %.0f s", w.r.Model.ID, limit.Seconds())
	if !w.show.Live {
		w.show.Linef("scout: %s", text)
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		w.show.Draw(fmt.Sprintf("%s: %d s", text, int(time.Since(began).Seconds())))
		select {
		case <-ctx.Done():
			w.show.Clear()
			return
		case <-ticker.C:
		}
	}
}

// over removes the message, because something else is shown now.
func (w *wait) over() {
	w.mu.Lock()
	end := w.end
	w.end = func() {}
	w.mu.Unlock()
	end()
}

// close ends everything.
func (w *wait) close() {
	if w.r != nil {
		w.r.Loadings.Tell(nil)
	}
	w.mu.Lock()
	w.cancel()
	w.mu.Unlock()
	w.shown.Wait()
}
