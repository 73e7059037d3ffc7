// Package daemon is Scout's resident process. It makes the components that the settings describe, starts them in
// stages, serves them on a unix socket in the data folder, and stops them in the reverse order. There is one for each
// data folder. Only cmd/scout imports it. docs/adr/0050-resident-process.md says why it exists.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	notify "github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/browser"
	"github.com/scout-speech/scout/internal/capture/miniaudio"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/certificate"
	"github.com/scout-speech/scout/internal/controlgroup"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/importation"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/realtime"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/retention"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/unixsocket"
	"github.com/scout-speech/scout/internal/upload"
	"github.com/scout-speech/scout/internal/webhook"
)

// Deadlines of the stages. Starting waits for no model and no device; what takes longer hangs.
const (
	startWithin     = 5 * time.Second
	requestsBudget  = 5 * time.Second        // for requests under way when the daemon stops
	storeWithin     = 10 * time.Minute       // a large database of an earlier version is brought up to date
	openBusy        = 500 * time.Millisecond // for another program's lock of the database: a recording must not wait for it
	storeBudget     = 5 * time.Second        // to write what is under way
	recorderBudget  = 3 * time.Second        // to leave the recorder, which goes on
	textsPatience   = 2 * time.Second        // for texts that are being made: those that are not done by then are owed
	textsBudget     = 3 * time.Second        // to interrupt them
	engineBudget    = 5 * time.Second        // to end the processes that run models, which are killed if they do not obey
	ordinaryBudget  = time.Second
	readyWithin     = time.Second      // a look into the store
	devicesWithin   = 10 * time.Second // a sound server that hangs must not hang a client
	selfTestWithin  = 30 * time.Second // a model is loaded and decodes a second of audio
	watchdogPerBeat = 2                // beats in the time that systemd's watchdog allows
)

// Options are what a daemon needs besides its settings.
type Options struct {
	Settings *settings.Loaded
	Scope    observe.Scope
	Failures *observe.Failures
	Gatherer prometheus.Gatherer
	Version  string
	// Launch says how a recorder is started.
	Launch remote.LaunchOptions
	// OnDemand ends the daemon when nothing has been open for daemon.idle.
	OnDemand bool
	// LogFile is where the log is, for status; empty for standard error.
	LogFile string
	// Ready, if it is not nil, is called when clients are answered, with the addresses where, and what does not work nevertheless.
	Ready func(addresses, notReady []string)
	// Fault, if set, is called by every component when it begins. It is only for tests.
	Fault func(component string)
}

// daemon is a running daemon.
type daemon struct {
	options  Options
	log      *slog.Logger
	began    time.Time
	dir      string
	activity *activity
	started  func() // ends what keeps the daemon while it starts
	current  *current

	instance   *instance
	living     context.Context // of the components
	store      *lateStore
	storeCheck health.Check
	machine    *recognize.Machine
	engines    *recognize.Engines
	strain     *strain
	use        *use
	history    *history.History
	backlog    *backlog.Backlog
	texts      *transcription.Worker
	jobs       *job.Queue
	budget     *freespace.Budget
	uploads    *upload.Uploads
	imports    *importation.Worker
	exports    *export.Worker
	browser    *browser.Sessions
	realtime   *realtime.Sessions
	webhooks   *webhook.Hooks
	sweeper    *retention.Sweeper
	folders    recording.Folders
	recorder   *record.Recorder
	dictations *dictate.Dictations
	checker    *checker
	server     *api.Server
	listener   net.Listener
	given      bool // the listener came from whoever started the daemon
	socket     string
	ports      []port
	scrapes    []port // of the metrics alone

	certificate *certificate.Keeper // nil without TLS

	components *components // what runs until the stop
	processes  processes   // for status

	byItself      bool         // the daemon before ended by itself
	endCrashWatch func() error // when this one has ended in order
}

// Run serves until ctx ends or, if the daemon was started on demand, until nothing has been open for a while. Both
// return nil. The error says what could not be started, what failed while running, or what could not be stopped
// normally.
func Run(ctx context.Context, o Options) error {
	dir, err := o.Settings.DataDir()
	if err != nil {
		return err
	}
	idle := o.Settings.Daemon.Idle
	if !o.OnDemand {
		idle = 0
	}
	d := &daemon{options: o, log: o.Scope.Component("daemon").Log(), began: time.Now(), dir: dir, activity: newActivity(idle), current: newCurrent(o.Settings)}
	defer d.activity.stop()
	d.started = d.activity.Begin() // the idle time begins when clients are answered
	d.components = newComponents(ctx, o.Failures, o.Fault)
	defer d.components.end()
	d.living = d.components.living
	d.current.idle, d.current.broken = d.activity.setAfter, d.noteBroken
	d.current.changed = func(names []string) {
		d.components.run("settings", func(ctx context.Context) error { // beside whoever asked: a locked database must not keep the answer back
			d.noteSettings(ctx, names)
			return nil
		})
	}

	s := &stages{log: d.log, failures: o.Failures}
	if err := s.start(ctx, d.stages()); err != nil {
		return err
	}
	d.serving(ctx)
	reason := d.wait(ctx)
	d.log.Info(eventStopping, slog.String(observe.KeyReason, reason))
	d.instance.stopping()
	d.tell(notify.SdNotifyStopping)
	stopping := time.Now()
	err = errors.Join(s.stop(ctx), d.components.failure())
	d.log.Info(eventStopped, slog.String(observe.KeyReason, reason), slog.Int64(observe.KeyDurationMS, time.Since(stopping).Milliseconds()))
	return err
}

// serving says that clients are answered, and what does not work nevertheless.
func (d *daemon) serving(ctx context.Context) {
	notReady := d.notReady(ctx)
	attrs := []any{
		slog.Int(observe.KeyPID, os.Getpid()), slog.String("socket", d.socket), slog.Bool("on_demand", d.options.OnDemand),
		slog.Int64(observe.KeyDurationMS, time.Since(d.began).Milliseconds()),
	}
	state, reasons := notify.SdNotifyReady, strings.Join(notReady, "; ")
	if len(notReady) == 0 {
		d.log.Info(eventReady, attrs...)
	} else {
		d.log.Error(eventNotReady, append(attrs, slog.String(observe.KeyReason, reasons))...)
		state += "\nSTATUS=not ready: " + strings.ReplaceAll(reasons, "\n", " ") // it serves: systemd must not end it
	}
	d.started()
	if d.options.Ready != nil {
		d.options.Ready(d.addresses(), notReady)
	}
	d.tell(state)
}

// tell reports a state to systemd, if systemd started the daemon.
func (d *daemon) tell(state string) {
	if _, err := notify.SdNotify(false, state); err != nil {
		d.log.Warn(eventNotNotified, slog.String(observe.KeyError, err.Error()))
	}
}

// eventNotNotified is logged when systemd could not be told how the daemon is.
const eventNotNotified = "daemon_not_notified"

// wait returns why the daemon ends.
func (d *daemon) wait(ctx context.Context) string {
	var beat <-chan time.Time
	if every, err := notify.SdWatchdogEnabled(false); err == nil && every > 0 {
		ticker := time.NewTicker(every / watchdogPerBeat)
		defer ticker.Stop()
		beat = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return "told to"
		case <-d.activity.Idle():
			return "idle"
		case <-d.components.failed:
			return "a component failed"
		case <-beat:
			d.tell(notify.SdNotifyWatchdog)
		}
	}
}

// stages returns the stages in the order of their start.
func (d *daemon) stages() []stage {
	return []stage{
		{name: "lock", within: startWithin, budget: ordinaryBudget, start: d.startLock, stop: d.stopLock},
		{name: "store", within: storeWithin, budget: storeBudget, start: d.startStore, stop: func(context.Context) error { return d.store.Close() }},
		{name: "engine", within: startWithin, budget: engineBudget, start: d.startEngines, stop: d.stopEngines},
		{name: "recorder", within: startWithin, budget: recorderBudget, start: d.startRecorder, stop: func(ctx context.Context) error { return d.components.stop(ctx) }},
		{name: "backlog", within: startWithin, budget: textsBudget, start: d.startTexts, stop: d.drainTexts},
		{name: "socket", within: startWithin, budget: ordinaryBudget, start: d.startSocket, stop: d.stopSocket},
		{name: "http", within: startWithin, budget: ordinaryBudget, start: d.startHTTP, stop: d.stopHTTP},
		{name: "server", within: startWithin, budget: requestsBudget, start: d.startServer, stop: func(ctx context.Context) error { return d.server.Shutdown(ctx) }},
	}
}

// holder is this daemon, for those who replace it.
func (d *daemon) holder() Holder {
	h := Holder{Version: d.options.Version, OnDemand: d.options.OnDemand}
	if s := d.options.Settings; s.Origin("http.addr").Kind == settings.FromFlag {
		h.Addresses = s.HTTP.Addr
	}
	return h
}

func (d *daemon) startLock(context.Context) (err error) {
	patience := askedFor
	if d.options.OnDemand {
		patience = endingWait
	}
	d.instance, err = takeInstance(d.dir, d.holder(), patience)
	if err == nil {
		d.startCrashWatch()
	}
	return err
}

func (d *daemon) stopLock(context.Context) error {
	return errors.Join(d.endCrashWatch(), d.instance.close())
}

// startStore opens the store. If that fails, the daemon serves without it and opens it later: until then requests for texts say why, and
// recordings begin and end nevertheless.
func (d *daemon) startStore(ctx context.Context) error {
	late, err := openStore(ctx, d.dir, d.options.Scope)
	d.store, d.storeCheck = late, late.Check()
	if err != nil {
		return withoutError{d.options.Failures.Count(err)}
	}
	return nil
}

// storeCameLate does what was to be done at the start with a store: what happened meanwhile is noted, and what is owed is made.
func (d *daemon) storeCameLate(ctx context.Context) {
	d.jobs.Reopened(ctx) // first: until then attempts take a job of this store for their own
	d.webhooks.Reopened()
	_ = d.history.Run(ctx) // it logs what it could not do
	d.dictations.Again(ctx)
	d.backlog.Hurry()
	d.sweeper.Hurry()
}

func (d *daemon) startRecorder(ctx context.Context) error {
	s := d.options.Settings
	dir, err := s.RecordingsDir()
	if err != nil {
		return err
	}
	folders, err := recording.OpenFolders(dir, d.dir)
	if err != nil {
		return err
	}
	d.folders = folders
	folder, uploads, sent := folders.From(recording.SourceMicrophone), folders.From(recording.SourceUpload), folders.From(recording.SourceBrowser)
	d.budget = freespace.NewBudget(uploads.Dir(), d.newReserve())
	d.history = history.New(d.options.Scope, d.store, ondisk.Of(folders))
	d.recorder = record.New(record.Options{
		Folder: folder, Launch: d.options.Launch, Scope: d.options.Scope, Failures: d.options.Failures, Happened: d.happened, Begin: d.activity.work.Begin,
	})
	if err := d.openBacklog(folder, sent); err != nil { // before the recorder, whose events it hears
		return err
	}
	if err := d.openTransfers(folders); err != nil {
		return err
	}
	if err := d.openJobs(folders); err != nil {
		return err
	}
	d.openWebhooks()
	if err := d.openUploads(uploads); err != nil {
		return err
	}
	d.openBrowser(sent)
	d.openRealtime()
	if err := d.startDictations(ctx, folder); err != nil {
		return err
	}
	d.components.run("history", d.history.Run)
	d.components.run("record", d.recorder.Run)
	d.sweeper = retention.New(retention.Options{Store: d.store, Folder: folders, Keep: d.keep, Purged: d.exports.Purged, Conclude: d.dictations.Conclude, Scope: d.options.Scope})
	d.components.run("retention", d.sweeper.Run)
	d.components.run("uploads", d.uploads.Run)
	d.components.run("imports", d.imports.Run)
	d.components.run("exports", d.exports.Run)
	d.components.run("webhooks", d.webhooks.Run)
	d.components.run("store", func(ctx context.Context) error { return d.store.Run(ctx, d.storeCameLate) })
	return nil
}

// keep returns how long things are kept.
func (d *daemon) keep() store.Retention {
	r := d.current.retention()
	return store.Retention{Audio: r.Audio(), Trash: r.Trash()}
}

// startSocket uses the socket that systemd made, or makes one.
func (d *daemon) startSocket(ctx context.Context) error {
	given, err := activation.Listeners()
	if err != nil {
		return scout.Errorf(scout.CodeInternal, "take the sockets of whoever started the daemon: %w", err)
	}
	for _, l := range given {
		if _, unix := l.(*net.UnixListener); unix && d.listener == nil {
			d.listener, d.given, d.socket = l, true, l.Addr().String()
		} else if l != nil {
			_ = l.Close() // not one of ours
		}
	}
	if d.given {
		return nil
	}
	if d.socket, err = unixsocket.Path(d.dir, SocketName); err != nil {
		return err
	}
	if err := unixsocket.Vacant(ctx, d.socket); err != nil {
		return err
	}
	d.listener, err = unixsocket.Listen(ctx, d.socket)
	return err
}

func (d *daemon) stopSocket(context.Context) error {
	if err := d.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	if d.given {
		return nil // it is systemd's
	}
	return unixsocket.Remove(d.socket)
}

func (d *daemon) startServer(context.Context) error {
	s := d.options.Settings
	checks, err := Checks(s, d.options.Scope)
	if err != nil {
		return err
	}
	if d.certificate != nil {
		checks = append(checks, d.certificate.Check())
	}
	for i := range checks {
		if checks[i].Name == remote.CheckName {
			checks[i] = apart(checks[i], d.recorder.Folder().Dir())
		}
	}
	d.checker = newChecker(d.options.Scope, d.options.Version, append(checks, d.storeCheck, d.engines.Check(), d.backlog.Check(), d.jobs.Check(), d.uploads.Check(), d.webhooks.Check(), d.sweeper.HealthCheck(), d.current.check(), d.dictations.Health(), d.browser.Check(), d.realtime.Health(), d.strain.check()))
	d.checker.changed = func(before health.Status, now health.Report) {
		d.components.run("health watch", func(ctx context.Context) error { // beside whoever asked: a locked database must not keep the answer back
			d.history.Note(ctx, store.EventHealthChanged, "", map[string]any{"before": before, "status": now.Status, "reasons": now.Reasons})
			return nil
		})
	}
	scrape := newScrape(d.options.Scope, d.options.Gatherer, d.recorder.Metrics, d.lookAtHealth)
	scrape.others = func() []processMetrics {
		d.use.look(d.running())
		return d.use.families()
	}
	models := d.keepModels()
	effort, err := speech.ParseEffort(s.Transcribe.Effort)
	if err != nil {
		return err
	}
	d.server = api.New(api.Options{
		Scope: d.options.Scope, Failures: d.options.Failures, Version: d.options.Version, Gatherer: scrape, Begin: d.activity.Begin,
		Network: d.network(), SessionsFile: d.sessionsFile(),
	}, api.Services{
		Health: d.report, NotReady: d.notReady, Status: d.status, Settings: d.settings, ChangeSettings: d.changeSettings, SettingsSchema: settings.Schema,
		Devices: devices, Models: models, OpenAI: d.openAI(models, effort), ListenDevices: d.newPlugged().listen, Recorder: d.recorder, Folders: d.folders, Live: d.dictations, Levels: d.levels, History: d.history, Backlog: d.backlog, Jobs: d.jobs, Uploads: d.uploads, Imports: d.imports, Exports: d.exports, Browser: d.browser, Realtime: d.realtime, Webhooks: d.webhooks, Acceptable: d.acceptable, Degradation: d.strain.degradation, Retention: d.sweeper, Backup: d.store.Backup, Pages: d.pages, Storage: kept{d}, StatusHistory: d.strain.history.of,
		Order: d.current.order,
	})
	d.components.run("health watch", d.checker.run)
	d.components.run("strain", d.strain.run)
	d.components.run("self-test", func(ctx context.Context) error {
		return d.engines.Tend(ctx, recognize.Proofs{AtStart: s.Health.StartSelfTest == "on", Cold: s.Health.ColdSelfTest})
	})
	d.components.run("settings watch", d.watchSettings)
	d.components.run("models watch", d.watchModels)
	d.watchCertificate()
	d.components.run("server", func(context.Context) error { return d.server.Serve(d.listener, d.socket) })
	for i := range d.ports {
		if p := d.ports[i]; p.err == nil {
			d.components.run("http "+p.address, func(context.Context) error { return d.servePort(&p) })
		}
	}
	for i := range d.scrapes {
		if p := d.scrapes[i]; p.err == nil {
			d.components.run("metrics "+p.address, func(context.Context) error { return d.server.ServeMetrics(p.listener, p.address) })
		}
	}
	return nil
}

// notReady returns what is not ready yet.
func (d *daemon) notReady(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if r := d.storeCheck.Probe(ctx); r.Status == health.Unhealthy {
		return []string{"store: " + r.Reason}
	}
	return nil
}

// prerollOf returns the length as an order has it: less than 0 for none, because 0 leaves it to the recorder.
func prerollOf(length time.Duration) time.Duration {
	if length == 0 {
		return -1
	}
	return length
}

// devices returns what can be recorded from.
func devices(ctx context.Context) (string, []sound.Device, error) {
	backend, err := miniaudio.Open(ctx, sound.Options{})
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, devicesWithin, scout.Errorf(scout.CodeSoundServer, "the sound system (%s) did not answer within %s", backend.Name(), devicesWithin))
	defer cancel()
	list, err := backend.Devices(ctx)
	return backend.Name(), list, err
}

// status returns the state of the daemon.
func (d *daemon) status(ctx context.Context) v1.Status {
	s := d.options.Settings
	recordings, _ := s.RecordingsDir() // they were found when it started
	models, _, _ := s.ModelsDir()
	status := v1.Status{
		PID: os.Getpid(), Version: d.options.Version, StartedAt: v1.Time{Time: d.began}, UptimeSeconds: v1.Seconds(time.Since(d.began)),
		DataDir: d.dir, RecordingsDir: recordings, ModelsDir: models, LogFile: d.options.LogFile,
		Degradation: d.strain.degradation(), Limits: v1.Limits{MemoryBytes: controlgroup.MemoryLimit(), Processors: runtime.GOMAXPROCS(0)},
		Sessions: v1.Sessions{Live: d.liveSessions(), Realtime: d.realtime.Count()}, Processes: d.allProcesses(),
	}
	status.Reasons = d.notReady(ctx)
	status.Ready = len(status.Reasons) == 0
	status.HTTP = d.listening()
	keep := d.current.retention()
	if saved, err := d.current.latest(); err == nil {
		status.RestartRequired = d.current.pending(saved)
	}
	status.Retention = v1.Retention{AudioDays: keep.AudioDays, TrashDays: keep.TrashDays}
	status.Latency = latencies(d.options.Gatherer)
	status.Engine, status.Engines = d.engineStatus()
	status.SecondPass = d.secondPass(ctx)
	if after := d.activity.After(); after > 0 {
		status.Idle = &v1.Idle{AfterSeconds: after.Seconds(), Open: d.activity.Open()}
	}
	return status
}
