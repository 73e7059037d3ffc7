package record

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// lookEvery is how often to look for a recorder if the system does not report new files.
const lookEvery = 10 * time.Second

// Run follows the recorders of the folder until ctx ends, whoever starts them. It takes over what is being recorded and
// passes events on. While nothing is recorded, it waits for files to appear and asks nobody.
func (r *Recorder) Run(ctx context.Context) error {
	defer r.leaving.Wait()
	defer r.left("")
	appeared, failed, stop := r.watchFolder()
	defer stop()
	for ctx.Err() == nil {
		if r.follow(ctx) {
			continue // it ended: another one may be there already
		}
		r.left("")
		select {
		case <-appeared:
		case err := <-failed:
			return err
		case <-ctx.Done():
		}
	}
	return nil
}

// watchFolder returns a channel that gets a value when a recorder may have begun, and one that gets an error when nobody
// looks any more, which only a defect can cause. The caller calls stop.
func (r *Recorder) watchFolder() (appeared <-chan struct{}, failed <-chan error, stop func()) {
	signal, failures := make(chan struct{}, 1), make(chan error, 1)
	done := make(chan struct{})
	watch := func(look func()) { // ended by stop
		err := r.options.Failures.Guard("record", func() error { look(); return nil })
		if err != nil {
			select {
			case failures <- err:
			default: // one is enough
			}
		}
	}
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		if err = watcher.Add(r.folder.Dir()); err != nil {
			_ = watcher.Close() // it watches nothing
		}
	}
	if err != nil {
		r.log.Warn(eventNotWatched, slog.String(observe.KeyError, err.Error()))
		ticker := time.NewTicker(lookEvery)
		go watch(func() { forward(done, ticker.C, func(time.Time) bool { return true }, signal) })
		return signal, failures, func() { ticker.Stop(); close(done) }
	}
	begun := func(e fsnotify.Event) bool {
		return e.Has(fsnotify.Create) && filepath.Base(e.Name) == remote.EndpointName
	}
	go watch(func() { forward(done, watcher.Events, begun, signal) })
	go watch(func() { forward(done, watcher.Errors, func(error) bool { return true }, signal) }) // events were lost: it looks itself
	return signal, failures, func() {
		close(done)
		_ = watcher.Close() // it was only watched
	}
}

// forward sends a signal for every value that matters, until done is closed or the values end.
func forward[T any](done <-chan struct{}, values <-chan T, counts func(T) bool, signal chan<- struct{}) {
	for {
		select {
		case v, open := <-values:
			if !open {
				return
			}
			if counts(v) {
				select {
				case signal <- struct{}{}:
				default: // one is waiting
				}
			}
		case <-done:
			return
		}
	}
}

// follow listens to the events of the present recorder until it ends. It returns false if none runs.
func (r *Recorder) follow(ctx context.Context) bool {
	client, err := remote.Dial(ctx, r.folder.Dir(), remote.Options{Name: r.options.Launch.Name, Probe: true})
	if err != nil {
		return false
	}
	defer func() { _ = client.Close() }() // it was only listened to
	begun := func() bool {                // what happened before the events were heard is in the status
		if status, err := client.Status(ctx); err == nil && status.Recording != nil {
			r.adopt(ctx, *status.Recording)
		}
		r.orders.Lock() // whoever starts one at this moment looks by itself
		r.settle(ctx)
		r.orders.Unlock()
		return true
	}
	_ = client.WatchEventsFrom(ctx, begun, func(e recording.Event) bool { // it ends with the recorder, and the next one is looked for
		r.heard(ctx, client, e)
		return true
	})
	return ctx.Err() == nil
}

// heard acts on an event and passes it on.
func (r *Recorder) heard(ctx context.Context, client *remote.Client, e recording.Event) {
	switch e.Kind {
	case recording.KindStarted:
		if status, err := client.Status(ctx); err == nil && status.Recording != nil && status.Recording.ID == e.ID {
			r.adopt(ctx, *status.Recording)
		}
	case recording.KindStopped:
		r.left(e.ID)
	}
	if r.options.Happened != nil {
		r.options.Happened(e)
	}
}
