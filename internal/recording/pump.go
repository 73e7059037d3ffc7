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

// Reasons of gaps made by writing; capture has its own.
const (
	// GapDiskFull is audio that came while the device was full and the ring was full too.
	GapDiskFull scout.GapReason = "disk_full"
	// GapDiskStalled is audio that came while the device did not answer and the ring was full.
	GapDiskStalled scout.GapReason = "disk_stalled"
	// GapWriteFailed is audio that came while the device refused to write and the ring was full.
	GapWriteFailed scout.GapReason = "write_failed"
	// GapRestart is the time between the end of a recorder and the start of the next one.
	GapRestart scout.GapReason = "recorder_restarted"
	// GapCapture is the time between the end of a capture session and the start of the next one.
	GapCapture scout.GapReason = "capture_restarted"
)

// The rhythm of writing; docs/adr/0023-sync-rhythm.md has the cost of each.
const (
	// DefaultSyncEvery bounds the audio that a loss of power takes.
	DefaultSyncEvery = 150 * time.Millisecond
	// headerLag is how far the header may be behind the written audio. Up to there it states only what is synced. On a
	// slower disk it states more, so that after kill -9 other programs still see everything except the last 250 ms.
	headerLag = 175 * time.Millisecond
	// retryEvery is the pause after a write that failed.
	retryEvery = 250 * time.Millisecond
	// restEvery is how often the pump checks everything while no frames come.
	restEvery = 500 * time.Millisecond
	// stalledAfter is how long an operation of the disk takes before it counts as stalled.
	stalledAfter = time.Second
	// lateAfter is how long audio may be unsynced, or the manifest unsaved, before that is a condition.
	lateAfter = 3 * time.Second
	// manifestWait is how long silence waits until the manifest has its gap.
	manifestWait = time.Second
	// readBytes is how much is taken from the ring at a time: a third of a second of 48 kHz stereo.
	readBytes = 64 << 10
	// manifestShare bounds the time spent on manifests to a twentieth, however many gaps there are.
	manifestShare = 20
	// rescueShare bounds the time spent on saving a file again, if that fails or is undone each time.
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
	// From is the position in the ring of the next frame to write, which is frame Writer.Frames() of the recording.
	From ring.Position
	// Longest is how many frames the recording may have; later frames are not written. 0 means any number.
	Longest uint64
	// SyncEvery is the rhythm of syncs; default DefaultSyncEvery.
	SyncEvery time.Duration
	// FinishWithin bounds how long the end of a recording waits for a disk that is full or fails; default 10 s. Frames
	// that cannot be written by then are a gap at the end. A write that does not return is waited for.
	FinishWithin time.Duration
	// Now is the clock of FinishWithin; default time.Now.
	Now func() time.Time
	// Saved, if set, is called by the pump's goroutine when the file was damaged and saved again or lost.
	Saved   func(Saved, error)
	Scope   observe.Scope
	Metrics *Metrics // may be nil
	Faults  fault.Points
}

// Pump moves frames from the ring into a Writer. It does the waiting, retrying and counting, so that the Writer need
// not. Run is its goroutine; the other methods may be called from any.
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
	stopAt   atomic.Uint64 // length of the recording in frames at its end; valid once stop is closed
	aligned  alignment     // of ring and recording
	progress wake.Bell     // rings when frames were written

	epoch         time.Time    // zero of the times below, which are nanoseconds on the monotonic clock
	beat          atomic.Int64 // when Run last began a round
	unsyncedSince atomic.Int64 // 0 if everything is synced
	retired       atomic.Bool  // another pump took over: this one writes nothing more

	resync      atomic.Bool // a sync failed: the frames since the last good one must be written again
	condition   atomic.Pointer[Condition]
	reason      scout.GapReason // for frames that the ring loses now
	failedAt    int64           // when writing last failed
	damage      atomic.Pointer[Damage]
	fileLost    atomic.Bool // the file is not in its place and could not be saved again
	unmended    bool        // it was reported that the file could not be restored
	healing     []Saved     // saved again except for frames before healed, which are written next
	healed      scout.Position
	rescueAfter time.Time     // the earliest time of the next attempt
	noticed     chan struct{} // capacity 1: there is damage
	saving      chan error    // capacity 1: result of a save that the pump began; nil if there is none
}

// errRetired ends a pump that another one replaced.
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

// now returns the time since the pump was made, on the monotonic clock; never 0.
func (p *Pump) now() int64 { return max(int64(time.Since(p.epoch)), 1) }

// Stop ends the recording at the newest frame, or at the ring position end if that is earlier. Run returns once those
// frames are written. Stopping again changes nothing.
func (p *Pump) Stop(end ring.Position) {
	p.stopOnce.Do(func() {
		p.stopAt.Store(uint64(p.within(min(end, p.ring.Head()))))
		close(p.stop)
	})
}

// within returns where a frame of the ring is in the recording, limited to the recording's end by Longest.
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

// Captured returns how many frames the device has delivered for the recording, written or not.
func (p *Pump) Captured() uint64 { return uint64(p.within(p.ring.Head())) }

// Delivered is Captured, including frames after the longest permitted length.
func (p *Pump) Delivered() uint64 { return uint64(p.aligned.recording(p.ring.Head())) }

// Waiting returns how many frames wait in the ring.
func (p *Pump) Waiting() uint64 {
	written := p.writer.Frames()
	return max(p.Captured(), written) - written
}

// Readable returns how many frames of the recording listeners may have. These are the frames in the file, so that a
// crash never takes away what a listener has. Only if writing is more than 250 ms late do listeners get later frames,
// because text does not wait for a disk.
func (p *Pump) Readable() uint64 {
	if waiting := p.Waiting(); waiting > p.writer.Format().Frames(250*time.Millisecond) {
		return p.Captured()
	}
	return p.writer.Frames()
}

// Listen returns a channel that receives a token after frames were written, and a function that ends the subscription.
func (p *Pump) Listen() (written <-chan struct{}, end func()) { return p.progress.Listen() }

// Silent returns how long Run has begun no round although frames wait and it is not waiting for the disk, which means
// that its goroutine hangs. It is 0 if all is well.
func (p *Pump) Silent() time.Duration {
	if operation, _ := p.writer.Folder().Busy(); operation != "" || p.Waiting() == 0 {
		return 0
	}
	return time.Duration(p.now() - p.beat.Load())
}

// Retire makes a pump whose goroutine hangs write nothing more if it continues, and closes its reader.
func (p *Pump) Retire() {
	p.retired.Store(true)
	p.reader.Close()
}

// Trouble returns the condition of writing and, if the disk does not answer, its operation and how long that has taken.
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

// Run writes until Stop, the end of the ring or the end of ctx, then until everything up to there is written, and
// returns why it ended. It does not finish the writer. If the disk gives no room within FinishWithin, the rest becomes
// a gap and the error says how much. If its goroutine fails in another way the reason is empty: another pump can
// continue.
func (p *Pump) Run(ctx context.Context) (EndReason, error) {
	defer p.reader.Close()
	defer p.startLoops()()
	news, end := p.ring.Listen()
	defer end()
	timer := time.NewTimer(0) // check once before waiting
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

// rest pauses after a write that failed.
func (p *Pump) rest(ctx context.Context) {
	timer := time.NewTimer(retryEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-p.stop:
	case <-timer.C:
	}
}

// drain writes everything up to stopAt, retrying for FinishWithin, and checks that all of it is there.
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
	if p.lose(left, true) {
		p.tellHealed()
	} else {
		p.notHealed(cause)
	}
	code := scout.CodeWriteFailed
	if cause == ConditionDiskFull {
		code = scout.CodeDiskFull
	}
	return scout.Errorf(code, "recording %s: the last %s could not be written (%s)",
		p.writer.ID(), p.writer.Format().Duration(left).Round(time.Millisecond), cause)
}

type stepResult int

const (
	stepOK stepResult = iota
	stepTrouble
	stepEnded
)

// position returns the position of the next frame to write.
func (p *Pump) position() scout.Position { return scout.Position(p.writer.Frames()) }

// seek makes that frame the next one to read from the ring.
func (p *Pump) seek() { p.reader.Seek(p.aligned.ring(p.position())) }

// step writes the frames in the ring before end, and updates the header.
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
	if result != stepTrouble {
		p.tellHealed()
		p.well()
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
			return stepOK // no frames yet
		}
		if err := p.write(p.buffer[:n*size]); err != nil {
			p.trouble(err)
			return stepTrouble
		}
	}
	if p.ring.Closed() && p.position() >= p.aligned.recording(p.ring.Head()) {
		return stepEnded
	}
	return stepOK
}

// evicted returns the position of a reader after the loss that err reports.
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

// lose puts a gap where the ring lost frames; false if that could not be written and must be repeated. The last time,
// the silence need not wait for the manifest.
func (p *Pump) lose(frames uint64, last bool) bool {
	frames -= p.writer.forward(frames)
	if frames == 0 {
		return true
	}
	gap := scout.Gap{Start: p.position(), Frames: frames, Reason: p.reason}
	p.writer.AddGap(gap)
	err := p.saveSoon() // before the silence: after a crash the gap must be known; repair clips it
	if err == nil || last {
		err = p.writer.Silence(frames)
	}
	if err != nil {
		p.trouble(err)
		return false
	}
	p.lostWhileHealing(gap)
	p.log.Error(eventRecordingGap, slog.Uint64("start_frame", uint64(gap.Start)), slog.Uint64("frames", gap.Frames),
		slog.String(observe.KeyReason, string(gap.Reason)))
	return true
}

// rewind goes back to the frames that are certainly on the device, as far as the ring still has the later ones.
func (p *Pump) rewind() {
	from := p.writer.Frames()
	to := p.writer.rewind(uint64(p.aligned.recording(p.ring.Oldest())))
	p.log.Warn(eventRecordingRewritten, slog.Uint64("frames", from-to))
	p.resync.Store(false)
}
