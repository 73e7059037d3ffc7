package recording

import (
	"log/slog"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

// The pauses before a failed loop is started again.
const (
	loopPause     = 50 * time.Millisecond
	loopPauseMost = 2 * time.Second
	// loopGrace is how long the end of a pump waits for a loop that hangs in the disk.
	loopGrace = time.Second
)

// startLoops starts the loops that run beside the pump and returns the function that ends them. They never block the
// pump: a loop that hangs in the disk becomes a condition, and the frames still go into the file.
func (p *Pump) startLoops() (end func()) {
	stop := make(chan struct{})
	var loops sync.WaitGroup
	for name, loop := range map[string]func(<-chan struct{}) error{
		GoroutineSync: p.syncLoop, GoroutineManifest: p.manifestLoop, GoroutineLook: p.lookLoop,
	} {
		loops.Go(func() { p.repeat(name, loop, stop) }) // ends when stop is closed
	}
	return func() {
		close(stop)
		ended := make(chan struct{})
		go func() { // ends with the loops; a loop that hangs in the disk ends when the disk answers
			loops.Wait()
			close(ended)
		}()
		timer := time.NewTimer(loopGrace)
		defer timer.Stop()
		select {
		case <-ended:
		case <-timer.C:
		}
	}
}

// repeat runs a loop until stop is closed. When the loop fails or panics, repeat pauses and runs it again.
func (p *Pump) repeat(name string, loop func(<-chan struct{}) error, stop <-chan struct{}) {
	for pause := loopPause; ; pause = min(2*pause, loopPauseMost) {
		err := p.failures.Guard(name, func() error { return loop(stop) })
		if err == nil {
			return
		}
		p.log.Error(EventHelperFailed, slog.String("goroutine", name), slog.String(observe.KeyCode, string(scout.CodeOf(err))),
			slog.String(observe.KeyError, err.Error()))
		timer := time.NewTimer(pause)
		select {
		case <-stop:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// syncLoop syncs the file in its rhythm.
func (p *Pump) syncLoop(stop <-chan struct{}) error {
	ticker := time.NewTicker(p.options.SyncEvery)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-ticker.C:
		}
		if err := p.options.Faults.At(GoroutineSync); err != nil {
			return err
		}
		p.sync()
	}
}

func (p *Pump) sync() {
	if p.resync.Load() || p.writer.Synced() == p.writer.Frames() {
		return
	}
	began := time.Now()
	at := p.now()
	err := p.writer.Sync()
	p.options.Metrics.synced(time.Since(began))
	if err != nil {
		p.resync.Store(true)
		p.options.Metrics.failed(err)
		p.log.Error(eventSyncFailed, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		return
	}
	p.unsyncedSince.Store(at)
	if p.writer.Synced() == p.writer.Frames() {
		p.unsyncedSince.CompareAndSwap(at, 0)
	}
}

// manifestLoop saves the manifest when it changed.
func (p *Pump) manifestLoop(stop <-chan struct{}) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	if p.writer.unsavedFor() > 0 { // the previous loop ended in the middle
		notify(p.writer.dirty)
	}
	for {
		select {
		case <-stop:
			return nil
		case <-p.writer.dirty:
		}
		if err := p.options.Faults.At(GoroutineManifest); err != nil {
			return err
		}
		began := time.Now()
		err := p.writer.SaveManifest()
		wait := time.Since(began) * manifestShare
		if err != nil {
			notify(p.writer.dirty)
			wait = max(wait, retryEvery)
			p.log.Warn(eventManifestNotSaved, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		}
		pause.Reset(wait)
		select {
		case <-stop:
			return nil
		case <-pause.C:
		}
	}
}

// saveSoon saves the manifest and waits for it, but not for a disk that hangs: then audio matters more than a gap that
// a crash would leave unexplained.
func (p *Pump) saveSoon() error {
	if p.saving == nil {
		saving := make(chan error, 1)
		p.saving = saving
		go func() { saving <- p.writer.SaveManifest() }() // ends when the disk answers; one at a time
	}
	timer := time.NewTimer(manifestWait)
	defer timer.Stop()
	select {
	case err := <-p.saving:
		p.saving = nil
		return err
	case <-timer.C:
		return nil
	}
}

// lookLoop checks that the files are still in their place.
func (p *Pump) lookLoop(stop <-chan struct{}) error {
	ticker := time.NewTicker(2 * p.options.SyncEvery)
	defer ticker.Stop()
	told := DamageNone
	for {
		select {
		case <-stop:
			return nil
		case <-ticker.C:
		}
		if err := p.options.Faults.At(GoroutineLook); err != nil {
			return err
		}
		damage := p.writer.look()
		switch damage {
		case DamageNone:
		case DamageManifest:
			p.writer.changed() // the manifest loop writes it again
			fallthrough
		case DamageUnreachable:
			if told != damage {
				p.tell(Saved{Damage: damage, Path: p.writer.Folder().AudioPath(p.writer.ID())}, nil)
			}
		default:
			p.damage.Store(&damage)
			notify(p.noticed)
		}
		told = damage
	}
}
