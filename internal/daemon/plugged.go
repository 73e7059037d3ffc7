package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/scout-speech/scout/internal/capture/miniaudio"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/observe"
)

// eventDevicesNotWatched is logged where a client wants to hear of devices and the sound system cannot be asked.
const eventDevicesNotWatched = "devices_not_watched"

// devicesEvery is how often a sound system is asked that does not tell of changes.
const devicesEvery = 2 * time.Second

// plugged tells which devices come and go, while at least one client wants to know. Nobody is asked otherwise: that would keep the
// sound system awake.
type plugged struct {
	// run runs what watches beside everything else; it must end with its context.
	run   func(watch func(context.Context) error)
	open  func(context.Context) (sound.Backend, error)
	note  func(ctx context.Context, kind string, device *sound.Device)
	log   *slog.Logger
	every time.Duration

	mu        sync.Mutex
	listeners int
	end       context.CancelFunc // of the watch that runs; nil for none
}

func (d *daemon) newPlugged() *plugged {
	return &plugged{
		run:  func(watch func(context.Context) error) { d.components.run("devices watch", watch) },
		open: func(ctx context.Context) (sound.Backend, error) { return miniaudio.Open(ctx, sound.Options{}) },
		note: func(ctx context.Context, kind string, device *sound.Device) {
			d.history.Note(ctx, kind, "", map[string]any{"id": device.ID, "name": device.Name, "monitor": device.Monitor})
		},
		log: d.log, every: devicesEvery,
	}
}

// listen begins to watch for one more client, until end is called.
func (p *plugged) listen() (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listeners++; p.listeners == 1 {
		own, cancel := context.WithCancel(context.Background())
		p.end = cancel
		p.run(func(living context.Context) error {
			ctx, cancel := context.WithCancel(living)
			defer cancel()
			stop := context.AfterFunc(own, cancel)
			defer stop()
			p.watch(ctx)
			return nil
		})
	}
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.listeners--; p.listeners == 0 {
			p.end()
		}
	})
}

// watch tells of changes until ctx ends. What was there before is not told. While no sound system answers, nothing is known to have
// changed; it is tried again.
func (p *plugged) watch(ctx context.Context) {
	var known sighting
	for ctx.Err() == nil {
		backend, err := p.open(ctx)
		if err != nil {
			p.failed(ctx, &known, err)
			wait(ctx, p.every)
			continue
		}
		if name := backend.Name(); name != known.system {
			known.system, known.devices = name, nil
		}
		p.follow(ctx, backend, &known)
	}
}

// sighting is what was seen last.
type sighting struct {
	system  string // the name of the sound system; empty for none
	devices map[string]sound.Device
	failing bool // no list since it was logged that there is none
}

// failed logs the first failure of each outage.
func (p *plugged) failed(ctx context.Context, known *sighting, err error) {
	if ctx.Err() != nil || known.failing {
		return
	}
	known.failing = true
	p.log.Warn(eventDevicesNotWatched, slog.String(observe.KeyError, err.Error()))
}

// follow tells of changes of one sound system until ctx ends. One that does not tell of changes itself is looked at once: another one
// may have come by the next look.
func (p *plugged) follow(ctx context.Context, backend sound.Backend, known *sighting) {
	changes := backend.Watch(ctx)
	for {
		if now, err := p.list(ctx, backend); err != nil {
			p.failed(ctx, known, err)
		} else {
			p.compare(ctx, known.devices, now)
			known.devices, known.failing = now, false
		}
		select {
		case <-ctx.Done():
			return
		case _, open := <-changes:
			if !open {
				wait(ctx, p.every)
				return
			}
		}
	}
}

// wait waits for a time, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (p *plugged) list(ctx context.Context, backend sound.Backend) (map[string]sound.Device, error) {
	ctx, cancel := context.WithTimeout(ctx, devicesWithin)
	defer cancel()
	list, err := backend.Devices(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]sound.Device, len(list))
	for i := range list {
		byID[list[i].ID] = list[i]
	}
	return byID, nil
}

// compare notes the differences; before is nil where nothing was known.
func (p *plugged) compare(ctx context.Context, before, now map[string]sound.Device) {
	if before == nil {
		return
	}
	for id := range before {
		if _, there := now[id]; !there {
			device := before[id]
			p.note(ctx, "device.removed", &device)
		}
	}
	for id := range now {
		if _, known := before[id]; !known {
			device := now[id]
			p.note(ctx, "device.added", &device)
		}
	}
}
