package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/scout-speech/scout/internal/engine"
)

// slowStart is when the user is told what is awaited.
const slowStart = 2 * time.Second

// wait tells what is awaited when the engine starts slowly.
type wait struct {
	ctx     context.Context
	cancel  context.CancelFunc
	show    *console
	r       *recognizer
	quiet   bool
	began   bool
	watcher sync.WaitGroup
}

func newWait(ctx context.Context, show *console, r *recognizer, quiet bool) *wait {
	w := &wait{show: show, r: r, quiet: quiet}
	w.ctx, w.cancel = context.WithCancel(ctx)
	return w
}

// start begins to wait for the engine, at the first call.
func (w *wait) start() {
	if w.began || w.quiet {
		return
	}
	w.began = true
	w.watcher.Go(func() { // ended by over, which waits for it
		loaded := make(chan struct{})
		w.watcher.Go(func() { // ends with the engine's start or with over
			_, _ = w.r.Engine.Load(w.ctx) // whoever needs the engine gets the error
			close(loaded)
		})
		timer := time.NewTimer(slowStart)
		defer timer.Stop()
		select {
		case <-loaded:
			return
		case <-timer.C:
		}
		began := time.Now().Add(-slowStart)
		text := fmt.Sprintf("waiting for the engine to load the model %s, at most %.0f s", w.r.Model.ID, engine.DefaultLoadTimeout.Seconds())
		if !w.show.live {
			w.show.linef("scout: %s", text)
			<-loaded
			return
		}
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			w.show.draw(fmt.Sprintf("%s: %d s", text, int(time.Since(began).Seconds())))
			select {
			case <-loaded:
				w.show.clear()
				return
			case <-ticker.C:
			}
		}
	})
}

// over ends the wait: something else is shown now.
func (w *wait) over() {
	w.cancel()
	w.watcher.Wait()
}

func (w *wait) close() { w.over() }
