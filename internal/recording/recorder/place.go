package recorder

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
	"github.com/scout-speech/scout/internal/unixsocket"
)

// eventPlaceRestored is logged when one of the recorder's own files was deleted and made again.
const eventPlaceRestored = "recorder_file_restored"

// placeEvery is how often, while recording, the recorder checks that its own files are still there.
const placeEvery = time.Second

// serveOn accepts clients from the listener until it is closed. A listener that was made while the recorder began to
// end is closed at once.
func (r *Recorder) serveOn(ctx context.Context, listener net.Listener) {
	r.mu.Lock()
	if r.deaf {
		r.mu.Unlock()
		_ = listener.Close() // nobody has used it
		return
	}
	r.sockets, r.serving = append(r.sockets, listener), ctx
	r.mu.Unlock()
	r.connections.Go(func() { r.accept(ctx, listener, &r.connections) }) // ended by the listener's close
}

func (r *Recorder) closeListeners() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.sockets {
		err = errors.Join(err, l.Close())
	}
	r.serving, r.deaf = nil, true
	return err
}

// lookAfterPlace makes the lock, the socket and the endpoint file again if somebody deleted them. Otherwise another
// recorder could begin in the same folder, and nobody could stop this one. It does not wait for the disk.
func (r *Recorder) lookAfterPlace(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.placing || r.serving == nil {
		return
	}
	r.placing = true
	serving := r.serving
	r.connections.Go(func() { // ends when the disk answers
		err := r.failures.Guard("place", func() error { return r.restorePlace(ctx, serving) })
		r.mu.Lock()
		r.placing = false
		r.mu.Unlock()
		if err != nil {
			r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		}
	})
}

func (r *Recorder) restorePlace(ctx, serving context.Context) error {
	dir := r.folder.Dir()
	info, err := os.Stat(dir)
	if err != nil {
		return nil //nolint:nilerr // the pump makes the folder again, or reports why it cannot
	}
	if identity := wire.FolderID(info); identity != *r.identity.Load() {
		r.identity.Store(&identity) // the recording continues there
	}
	restored := func(path string) { r.log.Warn(eventPlaceRestored, slog.String("path", path)) }
	renewed, err := r.lock.Renew(dir)
	if err != nil {
		return err
	}
	if renewed {
		restored(filepath.Join(dir, recording.LockName))
	}
	socket, err := unixsocket.Path(dir, socketName)
	if err != nil {
		return err
	}
	endpoint := filepath.Join(dir, wire.EndpointName)
	_, socketErr := os.Lstat(socket)
	_, endpointErr := os.Lstat(endpoint)
	switch {
	case errors.Is(socketErr, os.ErrNotExist):
		listener, path, err := r.listen(ctx)
		if err != nil {
			return err
		}
		r.serveOn(serving, listener)
		restored(path)
	case errors.Is(endpointErr, os.ErrNotExist):
		if err := r.writeEndpoint(socket); err != nil {
			return err
		}
		restored(endpoint)
	}
	return nil
}

// Limits of asking for the free space on the disk.
const (
	roomEvery = 500 * time.Millisecond // how old an answer may be
	roomWait  = 50 * time.Millisecond  // how long to wait for a fresh one
)

// room is what is known about the free space on the disk. A disk that does not answer blocks nobody: the last answer
// counts.
type room struct {
	mu    sync.Mutex
	space recording.Space
	err   error
	at    time.Time     // of the answer; zero before the first
	asked chan struct{} // closed when the current question is answered; nil if there is none
}

func (r *Recorder) askSpace() (recording.Space, error) {
	space, _, err := r.folder.SpaceLeft(scout.Format{SampleRateHz: scout.MinSampleRateHz, Channels: 1, Sample: scout.SampleS16})
	return space, err
}

// latest returns the newest answer.
func (r *room) latest(ask func() (recording.Space, error)) (recording.Space, error) {
	r.mu.Lock()
	if r.asked == nil && time.Since(r.at) > roomEvery {
		asked := make(chan struct{})
		r.asked = asked
		go func() { // ends when the disk answers
			space, err := ask()
			r.mu.Lock()
			r.space, r.err, r.at, r.asked = space, err, time.Now(), nil
			r.mu.Unlock()
			close(asked)
		}()
	}
	asked := r.asked
	r.mu.Unlock()
	if asked != nil {
		timer := time.NewTimer(roomWait)
		defer timer.Stop()
		select {
		case <-asked:
		case <-timer.C:
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() {
		return recording.Space{}, scout.Errorf(scout.CodeDiskStalled, "measure free space: the disk does not answer")
	}
	return r.space, r.err
}
