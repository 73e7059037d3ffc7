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

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/copies"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/fanout"
	"github.com/scout-speech/scout/internal/fault"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
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

// Options are the settings of a Recorder. The zero value means the defaults given at each field, except for Dir.
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
	// ResumeWithin is how long ago an interrupted recording may have ended to be resumed; default 10 min.
	ResumeWithin time.Duration
	// IdleFor is how long the process stays without a recording and without a client; default 30 s, so that a second
	// recording begins at once; negative for ever. WarmFor is the same while the microphone is kept open for the next
	// recording; default 10 min.
	IdleFor, WarmFor time.Duration
	// Environment is that of this process; it does not record for clients with another one. The zero value serves all
	// clients.
	Environment recording.Environment
	// Parent is the process that restarts this one when it dies; nil if there is none.
	Parent *parent.Link
	// Version of the program, for clients.
	Version string
	// System says how capture reaches the sound system, Backend replaces it.
	System  sound.Options
	Backend sound.Backend
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Scope observes the recorder. Metrics gives its metrics to clients that ask; it may be nil.
	Scope   observe.Scope
	Metrics *metric.Registry
	// Copies, if set, is called where audio is copied.
	Copies copies.Watch
	// DiskWithin is how long the beginning of a recording waits for the disk; default 10 s. The ring holds the audio
	// meanwhile.
	DiskWithin time.Duration
	// RestartPause is the first pause before failed capture or writing is started again. Each pause is twice as long as
	// the previous one, up to a hundred times the first. Default 50 ms.
	RestartPause time.Duration
	// Faults lets tests make goroutines fail.
	Faults fault.Points
}

// Recorder records into one folder. Make it with Open, run it with Run, and use the other methods
// from any goroutine meanwhile.
type Recorder struct {
	options  Options
	folder   *recording.Folder
	lock     *recording.Lock
	log      *slog.Logger
	metrics  *recording.Metrics
	failures *observe.Failures
	restarts *metric.Counter
	began    time.Time
	identity atomic.Pointer[string] // of the folder, see wire.FolderID; it changes if the folder is made again while recording
	events   fanout.Hub[recording.Event]
	room     room
	rules    rules
	// connections are the goroutines of clients, and those that accept them.
	connections sync.WaitGroup

	// commands serialises Start and Stop: it holds one token.
	commands chan struct{}

	mu       sync.Mutex           // guards what follows
	device   *device              // nil if none is in use
	take     *take                // the current one, nil if there is none
	last     *take                // the last one that ended
	starting *starting            // a start that waits for its device, nil if there is none
	resuming *resuming            // the recording to continue, nil if there is none
	owners   map[recording.ID]int // clients that own a recording
	clients  int                  // all of them, probes left out
	refuses  bool                 // no more recordings may begin
	diskLow  bool
	sockets  []net.Listener  // closed at the end; more than one where the first socket was deleted
	serving  context.Context // of the connections
	placing  bool            // lookAfterPlace is running
	deaf     bool            // the sockets are closed permanently

	touched  chan struct{} // something changed that Run's rules depend on
	shutdown chan struct{}
	endOnce  sync.Once
}

// lockWithin is how long a new recorder waits for the lock of one that is just ending. If another process holds it
// longer, the client that started this recorder names that process within two seconds.
const lockWithin = time.Second

// Run is Open and Recorder.Run: the whole life of a recorder process. If another recorder holds the lock but no longer
// answers, Run waits briefly, since that one may be ending.
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
		if answers(ctx, options.Dir) { // that process now has the recording of the one before this one
			return errors.Join(err, options.Parent.Keep(nil))
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Open takes the lock of the folder and repairs it. If another program records into it, the error has
// scout.CodeRecordingLocked.
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
		options: options, folder: folder, lock: lock,
		log: options.Scope.Log(), metrics: recording.NewMetrics(options.Scope), failures: observe.NewFailures(options.Scope),
		began: options.Now(), owners: make(map[recording.ID]int), commands: make(chan struct{}, 1),
		touched: make(chan struct{}, 1), shutdown: make(chan struct{}),
	}
	r.restarts = observe.Register(options.Scope, metric.NewCounter(metric.Opts{
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

// Run serves the socket and enforces the rules until ctx ends, Shutdown is called, or it has been idle for IdleFor. It
// finishes a current recording before it returns; then lock and socket are gone.
func (r *Recorder) Run(ctx context.Context) error {
	listener, socket, err := r.listen(ctx)
	if err != nil {
		return errors.Join(err, r.lock.Close())
	}
	r.log.Info(eventRecorderReady, slog.Int(observe.KeyPID, os.Getpid()), slog.String("socket", socket))
	serving, stopServing := context.WithCancel(ctx)
	r.prepareResume()
	r.serveOn(serving, listener)
	if err := r.lock.Serves(); err != nil { // it serves anyway
		r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	r.connections.Go(func() { r.resume(serving) }) // ended by stopServing
	if r.options.Parent != nil {
		go r.watchParent() // ends with the process, as the parent does
	}
	reason := r.watch(ctx)

	// Work that must finish has its own time: the end of ctx must not cut off the end of a recording.
	finishing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	r.Shutdown()
	err = r.closeListeners() // new clients must find the next recorder
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

// touch makes watch check the rules again.
func (r *Recorder) touch() {
	select {
	case r.touched <- struct{}{}:
	default:
	}
}
