package recording

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/fault"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/wake"
)

// Reasons of gaps that the writing of a recording makes; capture has its own.
const (
	// GapDiskFull is audio that came while the device had no room and the ring was full.
	GapDiskFull scout.GapReason = "disk_full"
	// GapDiskStalled is audio that came while the device did not answer and the ring was full.
	GapDiskStalled scout.GapReason = "disk_stalled"
	// GapWriteFailed is audio that came while the device refused to write and the ring was full.
	GapWriteFailed scout.GapReason = "write_failed"
	// GapRestart is the time between the end of a recorder and the start of the one that went on.
	GapRestart scout.GapReason = "recorder_restarted"
	// GapCapture is the time between the end of a session of capture and the start of the one that went on.
	GapCapture scout.GapReason = "capture_restarted"
)

// The rhythm of writing; docs/adr/0023-sync-rhythm.md says what each costs.
const (
	// DefaultSyncEvery bounds what a loss of power takes.
	DefaultSyncEvery = 150 * time.Millisecond
	// headerLag is how far the header may trail behind what is written. Up to there it shows only
	// what is synced. On a disk that syncs slower than that it shows more, so that after kill -9 other
	// programs still see everything but the last 250 ms.
	headerLag = 175 * time.Millisecond
	// retryEvery is the pause after a write that failed.
	retryEvery = 250 * time.Millisecond
	// restEvery is how often the pump looks around while no frames come.
	restEvery = 500 * time.Millisecond
	// stalledAfter is how long one operation of the disk takes before it is called stalled.
	stalledAfter = time.Second
	// lateAfter is how long audio may be unsynced, or the manifest unsaved, before that is a condition.
	lateAfter = 3 * time.Second
	// manifestWait is how long silence waits for the manifest to say that it is a gap.
	manifestWait = time.Second
	// readBytes is how much is taken from the ring at a time: a third of a second of 48 kHz stereo.
	readBytes = 64 << 10
	// manifestShare bounds the time spent on manifests to a twentieth, however many gaps there are.
	manifestShare = 20
	// rescueShare bounds the time spent on saving a file again, where that fails or is undone each time.
	rescueShare = 10
)

// Names of the goroutines of a pump, for fault.Points.
const (
	GoroutinePump     = "recording.pump"
	GoroutineSync     = "recording.sync"
	GoroutineManifest = "recording.manifest"
	GoroutineLook     = "recording.look"
)

// PumpOptions are the settings of a Pump.
type PumpOptions struct {
	// From is the position in the ring of the next frame to write: frame Writer.Frames() of the
	// recording.
	From ring.Position
	// Longest is how many frames the recording may have; what comes after them is not written. 0 for any number.
	Longest uint64
	// SyncEvery is the rhythm of syncs; default DefaultSyncEvery.
	SyncEvery time.Duration
	// FinishWithin bounds how long the end of a recording waits for a disk that is full or fails;
	// default 10 s. What cannot be written by then is a gap at the end. A write that does not return
	// is waited for.
	FinishWithin time.Duration
	// Now is the clock of FinishWithin; default time.Now.
	Now func() time.Time
	// Saved, where set, is called by the pump's goroutine when the file was damaged and what became of it.
	Saved   func(Saved, error)
	Scope   observe.Scope
	Metrics *Metrics // may be nil
	Faults  fault.Points
}

// Pump moves frames from the ring into a Writer: the part of a recording that waits, tries again and
// counts, so that the Writer need not. Run is its goroutine; the other methods may be called from
// any.
type Pump struct {
	ring     *ring.Ring
	reader   *ring.Reader
	writer   *Writer
	options  PumpOptions
	log      *slog.Logger
	failures *observe.Failures
	buffer   []byte

	stop     chan struct{}
	stopOnce sync.Once
	stopAt   atomic.Uint64 // frames that the recording has at its end; valid once stop is closed
	aligned  alignment     // of ring and recording
	progress wake.Bell     // rings when frames were written

	epoch         time.Time    // zero of the times below, which are nanoseconds on the monotonic clock
	beat          atomic.Int64 // when Run last began a round
	unsyncedSince atomic.Int64 // 0 where everything is synced
	retired       atomic.Bool  // another pump took over: this one writes no more

	resync      atomic.Bool // a sync failed: the frames since the last good one are to be written again
	condition   atomic.Pointer[Condition]
	reason      scout.GapReason // of frames that the ring loses now
	damage      atomic.Pointer[Damage]
	fileLost    atomic.Bool   // the file is not in its place and could not be saved again
	rescueAfter time.Time     // the earliest time of the next attempt
	noticed     chan struct{} // capacity 1: there is damage
	saving      chan error    // capacity 1: of a save that the pump began; nil while none is under way
}

// errRetired ends a pump whose place another one took.
var errRetired = errors.New("another pump writes this recording")

// NewPump returns a pump from the ring into w, both in the same format. The caller runs it.
func NewPump(r *ring.Ring, w *Writer, options PumpOptions) *Pump {
	if options.SyncEvery <= 0 {
		options.SyncEvery = DefaultSyncEvery
	}
	if options.FinishWithin <= 0 {
		options.FinishWithin = 10 * time.Second
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	size := w.Format().FrameBytes()
	p := &Pump{
		ring: r, reader: r.NewReader("writer", options.From), writer: w, options: options,
		log:      options.Scope.Log().With(slog.String(KeyRecording, string(w.ID()))),
		failures: observe.NewFailures(options.Scope),
		buffer:   make([]byte, readBytes/size*size),
		stop:     make(chan struct{}),
		aligned:  align(options.From, scout.Position(w.Frames())),
		epoch:    time.Now(),
		reason:   GapDiskStalled,
		noticed:  make(chan struct{}, 1),
	}
	ok := ConditionOK
	p.condition.Store(&ok)
	p.beat.Store(p.now())
	return p
}

// now is the time since the pump was made, on the monotonic clock; never 0.
func (p *Pump) now() int64 { return max(int64(time.Since(p.epoch)), 1) }

// Stop ends the recording at the frame that is the newest now, or at the ring position end where that
// is earlier. Run returns once those frames are written. Stopping again changes nothing.
func (p *Pump) Stop(end ring.Position) {
	p.stopOnce.Do(func() {
		p.stopAt.Store(uint64(p.within(min(end, p.ring.Head()))))
		close(p.stop)
	})
}

// within returns where a frame of the ring is in the recording, or the recording's end by Longest, if that is earlier.
func (p *Pump) within(position ring.Position) scout.Position {
	at := p.aligned.recording(position)
	if longest := p.options.Longest; longest > 0 {
		return min(at, scout.Position(longest))
	}
	return at
}

// End returns the ring position at which the recording ends, after Stop.
func (p *Pump) End() ring.Position { return p.aligned.ring(scout.Position(p.stopAt.Load())) }

// InRing returns where a frame of the recording is in the ring. The frame must not be older than the ring.
func (p *Pump) InRing(position scout.Position) ring.Position { return p.aligned.ring(position) }

// InRecording returns where a frame of the ring is in the recording; 0 for one from before the recording.
func (p *Pump) InRecording(position ring.Position) scout.Position {
	return p.aligned.recording(position)
}

// Captured returns how many frames the recording has by what the device delivered, written or not.
func (p *Pump) Captured() uint64 { return uint64(p.within(p.ring.Head())) }

// Delivered is Captured with what came after the longest that the recording may be.
func (p *Pump) Delivered() uint64 { return uint64(p.aligned.recording(p.ring.Head())) }

// Waiting returns how many frames wait in the ring.
func (p *Pump) Waiting() uint64 {
	written := p.writer.Frames()
	return max(p.Captured(), written) - written
}

// Readable returns how many frames of the recording listeners may have. That is what is in the file,
// so that nobody ever heard what a crash then takes away; only where writing is late by more than
// 250 ms do listeners go ahead, because text does not wait for a disk.
func (p *Pump) Readable() uint64 {
	if waiting := p.Waiting(); waiting > p.writer.Format().Frames(250*time.Millisecond) {
		return p.Captured()
	}
	return p.writer.Frames()
}

// Listen returns a channel that has a token after frames were written since the last one was taken, and
// what ends that.
func (p *Pump) Listen() (written <-chan struct{}, end func()) { return p.progress.Listen() }

// Silent returns for how long Run has begun no round although frames wait and the disk is not being
// waited for: its goroutine stands still. It is 0 where all is well.
func (p *Pump) Silent() time.Duration {
	if operation, _ := p.writer.Folder().Busy(); operation != "" || p.Waiting() == 0 {
		return 0
	}
	return time.Duration(p.now() - p.beat.Load())
}

// Retire makes a pump whose goroutine stands still write no more if it ever goes on, and closes its reader.
func (p *Pump) Retire() {
	p.retired.Store(true)
	p.reader.Close()
}

// Condition returns how writing goes.
func (p *Pump) Condition() Condition { return p.Trouble().Condition }

// Trouble returns how writing goes, and what the disk has been doing for how long where it does not
// answer.
func (p *Pump) Trouble() Trouble {
	if operation, since := p.writer.Folder().Busy(); since > stalledAfter {
		return Trouble{ConditionStalled, operation, since}
	}
	if p.fileLost.Load() {
		return Trouble{Condition: ConditionFileLost}
	}
	if now := *p.condition.Load(); now != ConditionOK {
		return Trouble{Condition: now}
	}
	if since := p.unsyncedSince.Load(); since != 0 && p.now()-since > int64(lateAfter+p.options.SyncEvery) {
		return Trouble{Condition: ConditionNotSynced}
	}
	if p.writer.unsavedFor() > lateAfter {
		return Trouble{Condition: ConditionNoManifest}
	}
	return Trouble{Condition: ConditionOK}
}

// Run writes until Stop, the end of the ring or the end of ctx, then until everything up to there is
// written, and returns why it ended. It does not finish the writer. Where the disk gives no room
// within FinishWithin, the rest becomes a gap and the error tells how much. Where its goroutine fails in
// another way the reason is empty: another pump can go on.
func (p *Pump) Run(ctx context.Context) (EndReason, error) {
	defer p.reader.Close()
	defer p.startLoops()()
	news, end := p.ring.Listen()
	defer end()
	timer := time.NewTimer(0) // look once before waiting
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			p.Stop(p.ring.Head())
			return EndShutdown, p.drain(news, timer)
		case <-p.stop:
			return EndStopped, p.drain(news, timer)
		case <-news:
		case <-p.noticed:
		case <-timer.C:
		}
		if err := p.round(); err != nil {
			return "", err
		}
		switch p.step(p.within(p.ring.Head())) {
		case stepEnded:
			p.Stop(p.ring.Head())
			return EndSource, p.drain(news, timer)
		case stepTrouble: // frames that come meanwhile change nothing
			p.rest(ctx)
		}
		timer.Reset(restEvery)
	}
}

// round begins a round of Run.
func (p *Pump) round() error {
	if err := p.options.Faults.At(GoroutinePump); err != nil {
		return err
	}
	if p.retired.Load() {
		return errRetired
	}
	p.beat.Store(p.now())
	return nil
}

// rest is the pause after a write that failed.
func (p *Pump) rest(ctx context.Context) {
	timer := time.NewTimer(retryEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-p.stop:
	case <-timer.C:
	}
}

// drain writes everything up to stopAt, trying again for FinishWithin, and looks whether it is all there.
func (p *Pump) drain(news <-chan struct{}, timer *time.Timer) error {
	end := scout.Position(p.stopAt.Load())
	deadline := p.options.Now().Add(p.options.FinishWithin)
	for {
		if err := p.round(); err != nil {
			return err
		}
		result := p.step(end)
		if result != stepTrouble && p.position() >= end && !p.resync.Load() && p.secure() {
			return nil
		}
		if p.options.Now().After(deadline) {
			return p.giveUp(end)
		}
		timer.Reset(retryEvery / 10)
		select {
		case <-news:
		case <-timer.C:
		}
	}
}

// giveUp ends the recording without the frames that could not be written.
func (p *Pump) giveUp(end scout.Position) error {
	left := end.Sub(p.position())
	if left == 0 {
		return scout.Errorf(scout.CodeRecordingLost, "recording %s: its file is not in its place and could not be saved again", p.writer.ID())
	}
	cause := *p.condition.Load()
	p.lose(left, true)
	return scout.Errorf(scout.CodeDiskFull, "recording %s: the last %s could not be written (%s)",
		p.writer.ID(), p.writer.Format().Duration(left).Round(time.Millisecond), cause)
}

type stepResult int

const (
	stepOK stepResult = iota
	stepTrouble
	stepEnded
)

// position returns that of the next frame to write.
func (p *Pump) position() scout.Position { return scout.Position(p.writer.Frames()) }

// seek makes that frame the next one to read from the ring.
func (p *Pump) seek() { p.reader.Seek(p.aligned.ring(p.position())) }

// step writes what is in the ring before end, and brings the header up to date.
func (p *Pump) step(end scout.Position) stepResult {
	if p.resync.Load() {
		p.rewind()
	}
	p.mend()
	result := p.move(end)
	shown := p.writer.Synced()
	if lag := p.writer.Format().Frames(headerLag); p.writer.Frames() > shown+lag {
		shown = p.writer.Frames()
	}
	if shown > p.writer.Shown() {
		if !p.writer.ours() { // before the header hides it
			damage := DamageOverwritten
			p.damage.Store(&damage)
			notify(p.noticed)
			return stepTrouble
		}
		if err := p.writer.ShowHeader(shown); err != nil {
			p.trouble(err)
			return stepTrouble
		}
	}
	return result
}

// move writes frames until none is left before end.
func (p *Pump) move(end scout.Position) stepResult {
	size := uint64(p.writer.Format().FrameBytes())
	for p.position() < end {
		p.seek()
		if !p.whole() {
			return stepTrouble
		}
		room := min(uint64(len(p.buffer)), end.Sub(p.position())*size)
		n, err := p.reader.Read(p.buffer[:room])
		if err != nil {
			to, lost := evicted(err)
			if lost && p.lose(min(p.aligned.recording(to), end).Sub(p.position()), false) {
				continue
			}
			switch {
			case lost:
				return stepTrouble
			case errors.Is(err, io.EOF):
				return stepEnded
			}
			return stepOK // nothing there yet
		}
		if err := p.write(p.buffer[:n*size]); err != nil {
			p.trouble(err)
			return stepTrouble
		}
		p.well()
	}
	if p.ring.Closed() && p.position() >= p.aligned.recording(p.ring.Head()) {
		return stepEnded
	}
	return stepOK
}

// evicted returns where a reader stands after a loss that err tells of.
func evicted(err error) (to ring.Position, lost bool) {
	var e *ring.EvictedError
	if errors.As(err, &e) {
		return e.To, true
	}
	return 0, false
}

// write is one write of the file. It allocates nothing.
func (p *Pump) write(frames []byte) error {
	_, err := p.writer.Write(frames)
	p.unsyncedSince.CompareAndSwap(0, p.now())
	p.progress.Ring()
	return err
}

// lose puts a gap where the ring lost frames; false where that could not be written and is to be tried
// again. The last time the silence need not wait for the manifest.
func (p *Pump) lose(frames uint64, last bool) bool {
	frames -= p.writer.forward(frames)
	if frames == 0 {
		return true
	}
	gap := scout.Gap{Start: p.position(), Frames: frames, Reason: p.reason}
	p.writer.AddGap(gap)
	err := p.saveSoon() // before the silence: after a crash the gap must be known, repair clips it
	if err == nil || last {
		err = p.writer.Silence(frames)
	}
	if err != nil {
		p.trouble(err)
		return false
	}
	p.log.Error(eventRecordingGap, slog.Uint64("start_frame", uint64(gap.Start)), slog.Uint64("frames", gap.Frames),
		slog.String(observe.KeyReason, string(gap.Reason)))
	return true
}

// rewind goes back to what is surely on the device, as far as the ring still has the frames.
func (p *Pump) rewind() {
	from := p.writer.Frames()
	to := p.writer.rewind(uint64(p.aligned.recording(p.ring.Oldest())))
	p.log.Warn(eventRecordingRewritten, slog.Uint64("frames", from-to))
	p.resync.Store(false)
}

// trouble notes that writing failed: frames wait in the ring.
func (p *Pump) trouble(err error) {
	now, reason := ConditionWriteFailed, GapWriteFailed
	if scout.CodeOf(err) == scout.CodeDiskFull {
		now, reason = ConditionDiskFull, GapDiskFull
	}
	p.reason = reason
	if *p.condition.Load() == now {
		return
	}
	p.condition.Store(&now)
	p.options.Metrics.failed(err)
	p.log.Error(eventRecordingWaits, slog.String(observe.KeyCode, string(scout.CodeOf(err))),
		slog.String(observe.KeyError, err.Error()), slog.Uint64("waiting_frames", p.Waiting()))
}

// well notes that writing works. What the ring loses while it works was lost to a stall.
func (p *Pump) well() {
	p.reason = GapDiskStalled
	if was := *p.condition.Load(); was != ConditionOK {
		ok := ConditionOK
		p.condition.Store(&ok)
		p.log.Info(eventRecordingGoesOn, slog.String("was", string(was)), slog.Uint64("waiting_frames", p.Waiting()))
	}
}
