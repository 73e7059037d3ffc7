package recorder

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// deviceKey has the properties that a capture session must have to be reused for another take.
type deviceKey struct {
	device  string
	onLoss  string
	format  scout.Format
	warm    bool
	preroll time.Duration
	buffer  time.Duration
}

func keyOf(order recording.Order) deviceKey {
	return deviceKey{
		device: order.Device, onLoss: order.OnLoss, format: order.Format,
		warm: order.Warm, preroll: order.Preroll, buffer: order.Buffer,
	}
}

// device is a capture session with its goroutine.
type device struct {
	key     deviceKey
	session *capture.Session
	cancel  context.CancelFunc
	ended   chan struct{} // closed when Run returned
	err     error         // of Run, after ended
}

// over reports whether the session has ended.
func (d *device) over() bool {
	select {
	case <-d.ended:
		return true
	default:
		return d.session.Ring().Closed()
	}
}

// closeWithin is how long to wait for the end of a session: one that hangs does not end.
const closeWithin = 5 * time.Second

// close ends the session and waits for it, unless it hangs.
func (d *device) close() {
	d.cancel()
	limit := closeWithin
	if d.session.Silent() > stuckAfter {
		limit = lookEvery
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-d.ended:
	case <-timer.C:
	}
}

// useDevice returns a session for the order: the current one if it fits, else a new one in its place. Only the holder
// of the commands token calls it. The session outlives ctx.
func (r *Recorder) useDevice(ctx context.Context, order recording.Order) (*device, error) {
	key := keyOf(order)
	r.mu.Lock()
	at := r.device
	r.mu.Unlock()
	if at != nil && at.key == key && !at.over() {
		return at, nil
	}
	r.releaseDevice(nil)
	return r.openDevice(ctx, order)
}

// renewDevice returns a new session for the order, in place of one that failed. The failed one is ended but not waited
// for.
func (r *Recorder) renewDevice(ctx context.Context, order recording.Order) (*device, error) {
	r.mu.Lock()
	failed := r.device
	r.device = nil
	r.mu.Unlock()
	if failed != nil {
		failed.cancel()
	}
	return r.openDevice(ctx, order)
}

func (r *Recorder) openDevice(ctx context.Context, order recording.Order) (*device, error) {
	session, err := capture.New(capture.Options{
		Device: order.Device, Format: order.Format, Buffer: order.Buffer,
		Warm: order.Warm, Preroll: order.Preroll, OnLoss: capture.LossPolicy(order.OnLoss),
		Backend: r.options.Backend, System: r.options.System, Scope: r.options.Scope,
		Copies: r.options.Copies, Faults: r.options.Faults,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d := &device{key: keyOf(order), session: session, cancel: cancel, ended: make(chan struct{})}
	go func() { // ended by cancel, waited for by close
		defer close(d.ended)
		d.err = r.failures.Guard("capture", func() error { return session.Run(ctx) })
		if d.err != nil && !errors.Is(d.err, context.Canceled) {
			r.log.Error(recording.EventRecordingFailed, slog.String(observe.KeyCode, string(scout.CodeOf(d.err))), slog.String(observe.KeyError, d.err.Error()))
		}
	}()
	r.mu.Lock()
	r.device = d
	r.mu.Unlock()
	return d, nil
}

// releaseDevice ends the current session unless it is keep.
func (r *Recorder) releaseDevice(keep *device) {
	r.mu.Lock()
	d := r.device
	if d == nil || d == keep {
		r.mu.Unlock()
		return
	}
	r.device = nil
	r.mu.Unlock()
	d.close()
}

// deviceOf converts capture's description of a device for the manifest.
func deviceOf(d sound.Device, format sound.Format) recording.Device {
	return recording.Device{ID: d.ID, Name: d.Name, Delivers: format.String()}
}
