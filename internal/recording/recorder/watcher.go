package recorder

import (
	"context"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// watcher runs the watch of the current stretch, and restarts it if it fails.
type watcher struct {
	ctx     context.Context
	take    *take
	stretch *stretch
	cancel  context.CancelFunc
	ended   chan struct{}
}

func newWatcher(ctx context.Context, t *take) *watcher { return &watcher{ctx: ctx, take: t} }

// follow makes the watcher watch the stretch.
func (w *watcher) follow(s *stretch) {
	if w.stretch == s {
		return
	}
	w.end()
	w.replace(s)
}

// replace begins a new goroutine, whatever state the last one is in.
func (w *watcher) replace(s *stretch) {
	if w.cancel != nil {
		w.cancel()
	}
	ctx, cancel := context.WithCancel(w.ctx)
	w.stretch, w.cancel, w.ended = s, cancel, make(chan struct{})
	s.heard.Store(w.take.now())
	go w.run(ctx, s, w.ended) // ends with ctx, which end cancels
}

// run watches, and again after a pause if that failed.
func (w *watcher) run(ctx context.Context, s *stretch, ended chan struct{}) {
	defer close(ended)
	for n := 0; ; n++ {
		err := w.take.recorder.failures.Guard(GoroutineEvents, func() error { return s.watch(ctx) })
		if err == nil {
			return
		}
		w.take.log.Error(recording.EventHelperFailed, slog.String("goroutine", GoroutineEvents),
			slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		s.heard.Store(w.take.now())
		timer := time.NewTimer(min(w.take.pauseAfter(n), stuckAfter/2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// silent returns how long the watch has begun no round.
func (w *watcher) silent() time.Duration {
	select {
	case <-w.ended:
		return 0
	default:
		return time.Duration(w.take.now() - w.stretch.heard.Load())
	}
}

// end ends the goroutine and waits for it, unless it hangs.
func (w *watcher) end() {
	if w.cancel == nil {
		return
	}
	w.cancel()
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-w.ended:
	case <-timer.C:
	}
	w.cancel, w.stretch = nil, nil
}
