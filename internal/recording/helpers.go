package recording

import (
	"log/slog"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

// The pauses before a helper that failed is started again.
const (
	helperPause     = 50 * time.Millisecond
	helperPauseMost = 2 * time.Second
	// helperGrace is how long the end of a pump waits for a helper that hangs in the disk.
	helperGrace = time.Second
)

// help starts the helpers of the pump and returns what ends them. They never hold the pump up: what one
// of them hangs in is a condition, and the frames go on into the file.
func (p *Pump) help() (end func()) {
	stop := make(chan struct{})
	var helpers sync.WaitGroup
	for name, loop := range map[string]func(<-chan struct{}) error{
		GoroutineSync: p.syncLoop, GoroutineManifest: p.manifestLoop, GoroutineLook: p.lookLoop,
	} {
		helpers.Go(func() { p.again(name, loop, stop) }) // ends by the close of stop
	}
	return func() {
		close(stop)
		ended := make(chan struct{})
		go func() { // ends with the helpers; one that hangs in the disk ends when the disk answers
			helpers.Wait()
			close(ended)
		}()
		timer := time.NewTimer(helperGrace)
		defer timer.Stop()
		select {
		case <-ended:
		case <-timer.C:
		}
	}
}

// again runs the loop of a helper, again after a pause where it failed or panicked, until stop is closed.
func (p *Pump) again(name string, loop func(<-chan struct{}) error, stop <-chan struct{}) {
	for pause := helperPause; ; pause = min(2*pause, helperPauseMost) {
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
		p.log.Error(EventSyncFailed, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
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
	if p.writer.unsavedFor() > 0 { // the loop before this one ended in the middle
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
			p.log.Warn(EventManifestNotSaved, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		}
		pause.Reset(wait)
		select {
		case <-stop:
			return nil
		case <-pause.C:
		}
	}
}

// saveSoon saves the manifest and waits for that, but not for a disk that hangs: then audio matters more
// than what a crash would leave unexplained.
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

// lookLoop looks whether the files are still in their place.
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
		damage := p.writer.Look()
		switch damage {
		case DamageNone:
		case DamageManifest:
			p.writer.changed() // the saver writes it again
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

// tell says that the file was damaged and what became of it.
func (p *Pump) tell(saved Saved, err error) {
	if err != nil {
		p.options.Metrics.failed(err)
		p.log.Error(EventFileDamaged, slog.String(observe.KeyReason, string(saved.Damage)), slog.String("path", saved.Path),
			slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	} else {
		p.log.Warn(EventFileSavedAgain, slog.String(observe.KeyReason, string(saved.Damage)), slog.String("path", saved.Path),
			slog.Uint64("lost_frames", saved.Lost.Frames))
	}
	p.options.Metrics.damaged(saved.Damage)
	if p.options.Saved != nil {
		p.options.Saved(saved, err)
	}
}

// mend saves the file again where it is no longer in its place.
func (p *Pump) mend() {
	if p.damage.Load() == nil || time.Now().Before(p.rescueAfter) {
		return
	}
	damage := *p.damage.Swap(nil) // only this goroutine takes it away
	began := time.Now()
	var saved Saved
	var err error
	if damage == DamageOverwritten {
		saved, err = p.writer.restore(damage, p.intact(), p.oldest())
	} else {
		saved, err = p.writer.Rescue(damage, p.oldest())
	}
	p.rescueAfter = time.Now().Add(time.Since(began) * rescueShare)
	if err != nil {
		p.rescueAfter = p.rescueAfter.Add(retryEvery)
	}
	if was := p.fileLost.Swap(err != nil); err != nil && was {
		return // said already
	}
	p.mended(saved, err)
}

// mended notes what became of a damaged file.
func (p *Pump) mended(saved Saved, err error) {
	if saved.Lost.Frames > 0 {
		p.options.Metrics.gap(saved.Lost)
	}
	p.tell(saved, err)
}

// oldest is the frame of the recording from which on memory has everything, and will have it for the time
// that writing it again takes.
func (p *Pump) oldest() uint64 {
	oldest := p.ring.Oldest() - p.base
	if int64(oldest) <= 0 { // the ring still has what came before the recording
		return 0
	}
	return oldest + p.ring.Capacity()/64
}

// intact is how many frames of an overwritten file are surely the recording's: all, where what memory has
// stands in the file and only the header was hit, else none.
func (p *Pump) intact() uint64 {
	from, end := p.oldest(), p.writer.Frames()
	n, err := p.ring.ReadAt(p.buffer, p.base+from)
	if n = min(n, end-min(from, end)); err != nil || n == 0 {
		return 0
	}
	if p.writer.sameAt(from, p.buffer[:n*uint64(p.writer.Format().FrameBytes())]) {
		return end
	}
	return 0
}

// whole tells whether the file is as long as what was written into it, and makes it so where another
// program cut it off; false where that failed.
func (p *Pump) whole() bool {
	damage, keep := p.writer.length()
	if damage == DamageNone {
		return true
	}
	if damage == DamageOverwritten || !p.writer.ours() { // what is left of it may be somebody else's
		keep = p.intact()
	}
	saved, err := p.writer.restore(damage, keep, p.oldest())
	p.mended(saved, err)
	if err != nil {
		p.trouble(err)
		return false
	}
	p.reader.Seek(p.position())
	return true
}

// secure looks a last time whether everything is in its place, and mends it where not.
func (p *Pump) secure() bool {
	before := p.writer.Frames()
	if !p.whole() {
		return false
	}
	damage := p.writer.Look()
	if !p.writer.ours() {
		damage = DamageOverwritten
	}
	switch damage {
	case DamageGone, DamageReplaced, DamageOverwritten:
		p.damage.Store(&damage)
		p.mend()
		return p.damage.Load() == nil && !p.fileLost.Load() && p.writer.Frames() >= before
	}
	return p.writer.Frames() >= before
}
