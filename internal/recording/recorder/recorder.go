package recorder

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/copies"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/fanout"
	"github.com/scout-speech/scout/internal/fault"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder/parent"
	"github.com/scout-speech/scout/internal/recording/wire"
)

// Log events of the recorder as a process.
const (
	eventRecorderReady  = "recorder_ready"
	eventRecorderEnded  = "recorder_ended"
	eventClientAttached = "client_attached"
	eventClientLeft     = "client_left"
	eventParentLost     = "recorder_parent_lost"
)

// Options are the settings of a Recorder. The zero value means the defaults beside each field, but
// for Dir.
type Options struct {
	// Dir is the folder of recordings.
	Dir string
	// Disk is where recordings are written; default the operating system's.
	Disk recording.Disk
	// Limits say when the disk is low.
	Limits recording.SpaceLimits
	// SyncEvery is the rhythm of syncs; default recording.DefaultSyncEvery.
	SyncEvery time.Duration
	// FinishWithin as in recording.PumpOptions.
	FinishWithin time.Duration
	// ResumeWithin is how old the end of an interrupted recording may be for it to be continued;
	// default 10 min.
	ResumeWithin time.Duration
	// IdleFor is how long the process stays without a recording and without a client; default 30 s,
	// so that a second recording begins at once; negative for ever. WarmFor is the same while the
	// microphone is kept open for the next recording; default 10 min.
	IdleFor, WarmFor time.Duration
	// Environment is that of this process, so that it records for nobody who has another; the zero value
	// serves everybody.
	Environment recording.Environment
	// Parent is the process that starts this one again when it dies; nil without one.
	Parent *parent.Link
	// Version of the program, told to clients.
	Version string
	// System says how capture reaches the sound system, Backend replaces it.
	System  sound.Options
	Backend sound.Backend
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Scope is how the recorder is seen. Gatherer is where its metrics can be read, for clients that
	// ask; nil for none.
	Scope    observe.Scope
	Gatherer prometheus.Gatherer
	// Copies, where set, is told where audio is copied.
	Copies copies.Watch
	// DiskWithin is how long the beginning of a recording waits for the disk; default 10 s. The ring holds
	// the audio meanwhile.
	DiskWithin time.Duration
	// RestartPause is the first pause before capture or writing is started again that failed; each one is twice
	// as long as the one before, up to a hundred times the first. Default 50 ms.
	RestartPause time.Duration
	// Faults is where tests make goroutines fail.
	Faults fault.Points
}

// Recorder records into one folder. Make it with Open, run it with Run, and use the other methods
// from any goroutine meanwhile.
type Recorder struct {
	options  Options
	folder   *recording.Folder
	lock     *recording.Lock
	repaired recording.RepairReport
	log      *slog.Logger
	metrics  *recording.Metrics
	failures *observe.Failures
	restarts prometheus.Counter
	began    time.Time
	identity atomic.Pointer[string] // of the folder, see wire.FolderID; another one when it was made again while recording
	events   fanout.Hub[recording.Event]
	room     room
	rules    rules
	// connections are those of clients, and what accepts them.
	connections sync.WaitGroup

	// commands serialises Start and Stop: it holds one token.
	commands chan struct{}

	mu       sync.Mutex           // guards what follows
	device   *device              // nil where none is in use
	take     *take                // under way, nil without
	last     *take                // that ended last
	starting *starting            // a start that waits for its device, nil without
	resuming *resuming            // what is to be continued, nil without
	owners   map[recording.ID]int // clients that own a recording
	clients  int                  // all of them, probes left out
	refuses  bool                 // no recording begins any more
	diskLow  bool
	sockets  []net.Listener  // closed at the end; more than one where the first socket was deleted
	serving  context.Context // of the connections
	placing  bool            // lookAfterPlace is under way
	deaf     bool            // the sockets are closed for good

	touched  chan struct{} // something changed that Run's rules look at
	shutdown chan struct{}
	endOnce  sync.Once
}

// lockWithin is how long a new recorder waits for the lock of one that is just ending. Whoever holds it longer is named, by
// whoever started this one, within two seconds.
const lockWithin = time.Second

// Run is Open and Recorder.Run: the whole life of a recorder process. Where another recorder holds the
// lock and does not answer any more it waits a moment, since that one may be ending.
func Run(ctx context.Context, options Options) error {
	deadline := time.Now().Add(lockWithin)
	for {
		r, err := Open(options)
		if err == nil {
			return r.Run(ctx)
		}
		if scout.CodeOf(err) != scout.CodeRecordingLocked || time.Now().After(deadline) {
			return err
		}
		if answers(ctx, options.Dir) { // what the process before this one recorded is that one's now
			return errors.Join(err, options.Parent.Keep(nil))
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Open takes the lock of the folder and repairs what is in it. Where another program records into it
// the error has scout.CodeRecordingLocked.
func Open(options Options) (*Recorder, error) {
	if options.Disk == nil {
		options.Disk = recording.OSDisk{}
	}
	if options.ResumeWithin <= 0 {
		options.ResumeWithin = 10 * time.Minute
	}
	if options.RestartPause <= 0 {
		options.RestartPause = 50 * time.Millisecond
	}
	if options.DiskWithin <= 0 {
		options.DiskWithin = 10 * time.Second
	}
	if options.FinishWithin <= 0 {
		options.FinishWithin = 10 * time.Second
	}
	if options.IdleFor == 0 {
		options.IdleFor = 30 * time.Second
	}
	if options.WarmFor == 0 {
		options.WarmFor = 10 * time.Minute
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	options.Scope = options.Scope.Component("recorder")
	folder, err := recording.OpenFolderOn(options.Disk, options.Dir)
	if err != nil {
		return nil, err
	}
	lock, err := recording.TakeLock(folder.Dir())
	if err != nil {
		return nil, err
	}
	report, err := folder.Repair(keptOf(options.Parent.UnderWay()).ID)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	info, err := os.Stat(folder.Dir())
	if err != nil {
		return nil, errors.Join(scout.FileError(scout.CodeReadFailed, "open folder of recordings", err), lock.Close())
	}
	r := &Recorder{
		options: options, folder: folder, lock: lock, repaired: report,
		log: options.Scope.Log(), metrics: recording.NewMetrics(options.Scope), failures: observe.NewFailures(options.Scope),
		began: options.Now(), owners: make(map[recording.ID]int), commands: make(chan struct{}, 1),
		touched: make(chan struct{}, 1), shutdown: make(chan struct{}),
	}
	r.restarts = observe.Register(options.Scope, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "scout_recorder_restarts_total", Help: "Recordings that this process resumed because the process before it had died.",
	}))
	identity := wire.FolderID(info)
	r.identity.Store(&identity)
	for _, done := range report.Repaired {
		r.logRepaired(&done)
	}
	for _, p := range report.Problems {
		r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(p.Err))), slog.String(observe.KeyError, p.Err.Error()))
	}
	return r, nil
}

// Folder returns the folder of recordings.
func (r *Recorder) Folder() *recording.Folder { return r.folder }

// Repaired returns what Open found and put right.
func (r *Recorder) Repaired() recording.RepairReport { return r.repaired }

// Run serves the socket and enforces the rules until ctx ends, Shutdown is called, or nothing was to
// do for IdleFor. A recording under way is finished before it returns; then lock and socket are gone.
func (r *Recorder) Run(ctx context.Context) error {
	listener, socket, err := r.listen(ctx)
	if err != nil {
		return errors.Join(err, r.lock.Close())
	}
	r.log.Info(eventRecorderReady, slog.Int(observe.KeyPID, os.Getpid()), slog.String("socket", socket))
	serving, stopServing := context.WithCancel(ctx)
	r.prepareResume()
	r.serveOn(serving, listener)
	if err := r.lock.Serves(); err != nil { // it serves all the same
		r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	r.connections.Go(func() { r.resume(serving) }) // ended by stopServing
	if r.options.Parent != nil {
		go r.watchParent() // ends with the process, as the parent does
	}
	reason := r.watch(ctx)

	// What must finish has its own time: the end of ctx must not cut off the end of a recording.
	finishing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	r.Shutdown()
	err = r.closeListeners() // who comes now shall find the next recorder
	if _, stopErr := r.stop(finishing, "", recording.EndShutdown); scout.CodeOf(stopErr) != scout.CodeNotRecording {
		err = errors.Join(err, stopErr)
	}
	r.releaseDevice(nil)
	stopServing()
	r.connections.Wait()
	r.events.Close()
	err = errors.Join(err, r.removeEndpoint(), r.lock.Close())
	r.log.Info(eventRecorderEnded, slog.String(observe.KeyReason, reason))
	return err
}

// Shutdown makes Run finish and return.
func (r *Recorder) Shutdown() { r.endOnce.Do(func() { close(r.shutdown) }) }

// touch makes watch look at the rules again.
func (r *Recorder) touch() {
	select {
	case r.touched <- struct{}{}:
	default:
	}
}
