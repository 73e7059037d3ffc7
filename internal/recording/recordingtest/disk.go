// Package recordingtest is shared by tests of recordings: a disk with faults (full, failing, stalled, slow, losing
// power) and a signal in which every frame encodes its position.
package recordingtest

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/scout-speech/scout/internal/recording"
)

// ErrIO is the error of failing operations.
var ErrIO error = syscall.EIO

// Disk passes everything on to the real disk, except for the faults that are switched on. All
// methods may be called from any goroutine.
type Disk struct {
	recording.OSDisk

	mu         sync.Mutex
	changed    *sync.Cond
	room       int64 // bytes that may still be written, negative for any number
	full       error // of a write that does not fit
	concealing bool  // a write that fails does not say how much it wrote
	failing    bool
	closed     bool // the folder may not be entered
	unreadable bool // the audio of files can no longer be read
	syncs      int  // how many of the next syncs fail
	stalled    bool
	hanging    map[recording.Operation]bool
	slow       time.Duration
	files      map[string]*file
	space      recording.Space
	count      Count
}

// Count counts the operations so far.
type Count struct {
	Writes, Syncs int
	Bytes         int64
}

// New returns a disk without faults.
func New() *Disk {
	d := &Disk{room: -1, full: syscall.ENOSPC, files: make(map[string]*file), hanging: make(map[recording.Operation]bool)}
	d.changed = sync.NewCond(&d.mu)
	return d
}

func (d *Disk) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
	d.changed.Broadcast()
}

// Fill leaves room for that many bytes; every write after them fails with ENOSPC, after writing a part.
func (d *Disk) Fill(room int64) { d.FillWith(room, syscall.ENOSPC) }

// FillWith is Fill with another error: EDQUOT, EFBIG.
func (d *Disk) FillWith(room int64, why error) { d.set(func() { d.room, d.full = room, why }) }

// Conceal makes a write that fails report that it wrote nothing, although a part of it is in the file.
func (d *Disk) Conceal(on bool) { d.set(func() { d.concealing = on }) }

// Free ends Fill.
func (d *Disk) Free() { d.set(func() { d.room = -1 }) }

// Fail makes every operation fail with EIO, or ends that.
func (d *Disk) Fail(failing bool) { d.set(func() { d.failing = failing }) }

// Unreadable makes the audio of files unreadable, as on a disk that was pulled out.
func (d *Disk) Unreadable(on bool) { d.set(func() { d.unreadable = on }) }

// Deny makes it impossible to enter the folder; open files stay open.
func (d *Disk) Deny(on bool) { d.set(func() { d.closed = on }) }

func (d *Disk) denied(op, path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return &fs.PathError{Op: op, Path: path, Err: fs.ErrPermission}
	}
	return nil
}

// FailSyncs makes the next n syncs fail with EIO and drops what they should have synced: the file
// keeps its content for readers, and PowerLoss takes it away.
func (d *Disk) FailSyncs(n int) { d.set(func() { d.syncs = n }) }

// Stall makes writes and syncs wait, or ends that.
func (d *Disk) Stall(stalled bool) { d.set(func() { d.stalled = stalled }) }

// Hang makes operations of one kind not return, or ends that.
func (d *Disk) Hang(o recording.Operation, hanging bool) { d.set(func() { d.hanging[o] = hanging }) }

// hang waits while operations of that kind hang.
func (d *Disk) hang(o recording.Operation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.hanging[o] {
		d.changed.Wait()
	}
}

// Slow makes every write and sync take that long.
func (d *Disk) Slow(by time.Duration) { d.set(func() { d.slow = by }) }

// SetSpace sets the result of Space; zero for the true value.
func (d *Disk) SetSpace(s recording.Space) { d.set(func() { d.space = s }) }

// Count returns what was done so far.
func (d *Disk) Count() Count {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// Space implements recording.Disk.
func (d *Disk) Space(dir string) (recording.Space, error) {
	d.hang(recording.OperationSpace)
	d.mu.Lock()
	space := d.space
	d.mu.Unlock()
	if space != (recording.Space{}) {
		return space, nil
	}
	return d.OSDisk.Space(dir)
}

// Replace implements recording.Disk.
func (d *Disk) Replace(path string, data []byte) error {
	d.hang(recording.OperationManifest)
	if err := d.denied("open", path); err != nil {
		return err
	}
	if _, err := d.enter(int64(len(data))); err != nil {
		return err
	}
	return d.OSDisk.Replace(path, data)
}

// OpenFile implements recording.Disk.
func (d *Disk) OpenFile(path string, flag int) (recording.File, error) {
	d.hang(recording.OperationOpen)
	if err := d.denied("open", path); err != nil {
		return nil, err
	}
	d.mu.Lock()
	failing := d.failing
	d.mu.Unlock()
	if failing {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrIO}
	}
	real, err := d.OSDisk.OpenFile(path, flag)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.Join(err, real.Close())
	}
	f := &file{File: real, disk: d, path: path, durable: content}
	d.mu.Lock()
	d.files[path] = f
	d.mu.Unlock()
	return f, nil
}

// Stat implements recording.Disk.
func (d *Disk) Stat(path string) (os.FileInfo, error) {
	d.hang(recording.OperationLook)
	if err := d.denied("stat", path); err != nil {
		return nil, err
	}
	return d.OSDisk.Stat(path)
}

// enter waits while the disk is stalled or slow and returns how many of n bytes fit.
func (d *Disk) enter(n int64) (room int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.stalled {
		d.changed.Wait()
	}
	if slow := d.slow; slow > 0 {
		d.mu.Unlock()
		time.Sleep(slow)
		d.mu.Lock()
	}
	switch {
	case d.failing:
		return 0, ErrIO
	case d.room < 0:
		return n, nil
	}
	room = min(n, d.room)
	d.room -= room
	if room < n {
		return room, d.full
	}
	return n, nil
}

// PowerLoss replaces the content of every file opened through the disk by what was synced. Of the rest, each write
// survives with probability keep, in any combination, because the device may have done some of them already.
func (d *Disk) PowerLoss(random *rand.Rand, keep float64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path, f := range d.files {
		f.mu.Lock()
		content := append([]byte(nil), f.durable...)
		for _, op := range f.pending {
			if random.Float64() < keep {
				content = op.apply(content)
			}
		}
		f.mu.Unlock()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Synced returns how many bytes of the file would certainly survive a loss of power.
func (d *Disk) Synced(path string) int64 {
	abs, _ := filepath.Abs(path)
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[abs]; f != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		return int64(len(f.durable))
	}
	return 0
}

type file struct {
	recording.File
	disk *Disk
	path string

	mu      sync.Mutex
	durable []byte
	settled int         // how many operations are in durable, or were lost when a sync failed
	pending []operation // those after them
}

// operation is a write (data) or a truncation (data nil) that is not synced yet.
type operation struct {
	at   int64
	data []byte
}

func (o operation) apply(content []byte) []byte {
	end := o.at + int64(len(o.data))
	if o.data == nil && int64(len(content)) > end {
		return content[:end]
	}
	if missing := end - int64(len(content)); missing > 0 {
		content = append(content, make([]byte, missing)...)
	}
	copy(content[o.at:], o.data)
	return content
}

func (f *file) note(op operation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, op)
}

// ReadAt implements recording.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.disk.hang(recording.OperationRead)
	f.disk.mu.Lock()
	unreadable := f.disk.unreadable
	f.disk.mu.Unlock()
	if unreadable && off >= recording.HeaderBytes {
		return 0, ErrIO
	}
	return f.File.ReadAt(p, off)
}

func (d *Disk) conceals() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.concealing
}

// WriteAt implements recording.File. Bytes that extend the file take space; overwriting does not.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	need := int64(0)
	if off > 0 {
		need = int64(len(p))
	}
	f.disk.hang(recording.OperationWrite)
	room, err := f.disk.enter(need)
	if need > 0 {
		p = p[:room]
	} else if err != nil {
		return 0, err
	}
	n, writeErr := f.File.WriteAt(p, off)
	f.note(operation{at: off, data: append([]byte{}, p[:n]...)})
	f.disk.set(func() { f.disk.count.Writes++; f.disk.count.Bytes += int64(n) })
	if err != nil && f.disk.conceals() {
		n = 0
	}
	return n, errors.Join(writeErr, err)
}

// Truncate implements recording.File. Sparse parts take no room.
func (f *file) Truncate(size int64) error {
	if _, err := f.disk.enter(0); err != nil {
		return err
	}
	f.note(operation{at: size})
	return f.File.Truncate(size)
}

// Sync implements recording.File without waiting for a real device. Several may run at once.
func (f *file) Sync() error {
	f.mu.Lock()
	through := f.settled + len(f.pending)
	f.mu.Unlock()
	f.disk.hang(recording.OperationSync)
	if _, err := f.disk.enter(0); err != nil {
		return err
	}
	fails := false
	f.disk.set(func() {
		f.disk.count.Syncs++
		if f.disk.syncs > 0 {
			f.disk.syncs--
			fails = true
		}
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	synced := f.pending[:max(through-f.settled, 0)] // another sync may have come first
	f.settled, f.pending = f.settled+len(synced), f.pending[len(synced):]
	if fails {
		return ErrIO
	}
	for _, op := range synced {
		f.durable = op.apply(f.durable)
	}
	return nil
}
