// Package record is the use case of recording from a resident process: it starts and stops the recording of a folder,
// takes over one that is under way, and reports what happens to it. Another process records and needs nobody: it
// continues however this one ends.
package record

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// Log events.
const (
	eventAdopted      = "recording_adopted"
	eventNotWatched   = "recordings_not_watched"
	eventRecorderKept = "recorder_not_left"
)

// Options say which folder to record into, and how.
type Options struct {
	Folder *recording.Folder
	// Launch says how a recorder is started.
	Launch   remote.LaunchOptions
	Scope    observe.Scope
	Failures *observe.Failures
	// Happened is called with every event of a recording in the folder, whoever started it. It must not block.
	Happened func(recording.Event)
	// Begin, if it is not nil, is called when a recording is under way, and what it returns is called when none is any
	// more.
	Begin func() (end func())
}

// Recorder starts and stops recordings. Its methods may be called from any goroutine.
type Recorder struct {
	options Options
	folder  *recording.Folder
	log     *slog.Logger

	mu      sync.Mutex // of what follows
	keeper  *remote.Keeper
	leaving sync.WaitGroup // keepers that are being left
	active  func()         // ends what Begin began; nil without a recording
	newest  newest

	orders sync.Mutex // one start or stop at a time
}

// New returns a recorder of the folder.
func New(o Options) *Recorder {
	return &Recorder{options: o, folder: o.Folder, log: o.Scope.Component("record").Log()}
}

// Folder returns the folder of recordings.
func (r *Recorder) Folder() *recording.Folder { return r.folder }

// Status returns what the recorder process of the folder does. If none runs, the status is that of an idle one.
func (r *Recorder) Status(ctx context.Context) (recording.Status, error) {
	var status recording.Status
	running, err := r.look(ctx, func(client *remote.Client) (err error) {
		status, err = client.Status(ctx)
		return err
	})
	if err == nil && !running {
		return r.idle(), nil
	}
	if err == nil && status.Recording == nil { // it waits for the next recording, and measures nothing
		r.measure(&status)
	}
	return status, err
}

// Metrics returns the metrics of the recorder process of the folder. If none runs, there are none.
func (r *Recorder) Metrics(ctx context.Context) (families []metric.Family, err error) {
	_, err = r.look(ctx, func(client *remote.Client) (err error) {
		families, err = client.Metrics(ctx)
		return err
	})
	return families, err
}

// look calls ask with a connection to the recorder process of the folder, if one runs. It starts none and keeps none
// alive.
func (r *Recorder) look(ctx context.Context, ask func(*remote.Client) error) (running bool, err error) {
	client, err := remote.Dial(ctx, r.folder.Dir(), remote.Options{Name: r.options.Launch.Name, Probe: true})
	if scout.CodeOf(err) == scout.CodeRecorderUnreachable {
		if _, held := recording.Holder(r.folder.Dir()); held {
			return true, err
		}
		return false, nil
	}
	if err != nil {
		return true, err
	}
	defer func() { _ = client.Close() }() // it was only looked at
	err = ask(client)
	if scout.CodeOf(err) == scout.CodeRecorderUnreachable && ctx.Err() == nil { // it ended at that moment
		return false, nil
	}
	return true, err
}

// measure sets how much can be recorded, in the format that speech needs.
func (r *Recorder) measure(status *recording.Status) {
	if space, left, err := r.folder.SpaceLeft(scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}); err == nil {
		status.FreeBytes, status.Left, status.DiskLow = space.FreeBytes, left, recording.SpaceLimits{}.Low(left)
	}
}

// idle returns the status if no recorder runs.
func (r *Recorder) idle() recording.Status {
	status := recording.Status{Capture: "idle"}
	r.measure(&status)
	if last, found := r.last(); found {
		status.Last = &last
	}
	return status
}

// newest is the recording that ended last.
type newest struct {
	manifest recording.Manifest
	found    bool
	// as is when the folder had changed last; zero if the next look must not rely on it.
	as time.Time
}

// settledAfter is how old the last change of a folder is before its time tells it from later ones: file systems keep seconds, some
// two of them.
const settledAfter = 3 * time.Second

// last returns the recording that ended last. It reads the manifests only if the folder has changed: each one is put there by a
// rename.
func (r *Recorder) last() (recording.Manifest, bool) {
	var changed time.Time
	if info, err := os.Stat(r.folder.Dir()); err == nil {
		changed = info.ModTime()
	}
	r.mu.Lock()
	known := r.newest
	r.mu.Unlock()
	if known.as.IsZero() || !known.as.Equal(changed) {
		began := time.Now()
		known = newest{}
		known.manifest, known.found = r.find()
		if began.Sub(changed) > settledAfter {
			known.as = changed
		}
		r.mu.Lock()
		r.newest = known
		r.mu.Unlock()
	}
	return known.manifest, known.found
}

// find looks for the recording that ended last.
func (r *Recorder) find() (last recording.Manifest, found bool) {
	list, _, err := r.folder.List()
	if err != nil {
		return last, false
	}
	for i := range list {
		if m := &list[i]; m.State != recording.StateRecording && (!found || m.EndedAt.After(last.EndedAt)) {
			last, found = *m, true
		}
	}
	return last, found
}

// Start begins a recording that continues until Stop, or as its rules say, and returns when frames are flowing. It calls begins, if
// that is not nil, with the id before anything of the recording exists, and also where it is under way already. Asking again for
// the recording under way, by its id or, without one, with the same order, gives the same answer with Already. While another one is
// under way the error has scout.CodeAlreadyRecording.
func (r *Recorder) Start(ctx context.Context, order recording.Order, begins func(recording.ID)) (recording.Started, error) {
	r.orders.Lock()
	defer r.orders.Unlock()
	if running, under := r.underWay(ctx); under {
		if order.ID == running.ID || order.ID == "" && sameOrder(order, running.Order) {
			if begins != nil {
				begins(running.ID)
			}
			return startedOf(running), nil
		}
		return recording.Started{}, scout.Errorf(scout.CodeAlreadyRecording, "recording %s is under way", running.ID).
			WithHint("to stop it: scout stop")
	}
	if order.ID != "" {
		if _, err := r.folder.Manifest(order.ID); scout.CodeOf(err) != scout.CodeRecordingNotFound {
			return recording.Started{}, scout.Errorf(scout.CodeConflict, "recording %s exists already", order.ID).WithHint("leave the id out: Scout makes one")
		}
	}
	if begins != nil {
		if order.ID == "" {
			order.ID = recording.NewID(time.Now())
		}
		begins(order.ID)
	}
	keeper, started, err := remote.Keep(ctx, r.folder, r.options.Launch, order, r.options.Scope)
	if err != nil {
		return started, err
	}
	r.keep(keeper)
	r.settle(ctx) // a short one may be over already
	return started, nil
}

// settle stops keeping a recording that has ended without this process hearing of it: before it was kept, or before the
// events of its recorder were heard. The caller holds orders, so that none begins meanwhile.
func (r *Recorder) settle(ctx context.Context) {
	r.mu.Lock()
	keeper := r.keeper
	r.mu.Unlock()
	if keeper == nil {
		return
	}
	if status, err := r.Status(ctx); err == nil && (status.Recording == nil || status.Recording.ID != keeper.ID()) {
		r.left(keeper.ID())
	}
}

// underWay returns the recording that is under way.
func (r *Recorder) underWay(ctx context.Context) (recording.Progress, bool) {
	status, err := r.Status(ctx)
	if err != nil || status.Recording == nil {
		return recording.Progress{}, false
	}
	return *status.Recording, true
}

// startedOf returns what a start of the recording under way would have returned.
func startedOf(p recording.Progress) recording.Started {
	return recording.Started{ID: p.ID, Already: true, StartedAt: p.StartedAt, Format: p.Format}
}

// sameOrder reports whether two orders ask for the same, apart from their ids and their origins.
func sameOrder(a, b recording.Order) bool {
	return a.Format == b.Format && a.Device == b.Device && a.OnLoss == b.OnLoss && a.Warm == b.Warm && a.Preroll == b.Preroll && a.Rules == b.Rules
}

// Stopped is how a recording ended.
type Stopped struct {
	Manifest recording.Manifest
	// Already is true if nothing was under way: Manifest is that of the recording asked for, or of the last one.
	Already bool
}

// Stop ends the recording under way, or the one with that id, whatever happened to its recorder. It returns when the
// file is final. If it returns both a manifest and an error, the recording has ended, and something went wrong.
func (r *Recorder) Stop(ctx context.Context, id recording.ID) (Stopped, error) {
	r.orders.Lock()
	defer r.orders.Unlock()
	if id != "" {
		m, err := r.folder.Manifest(id)
		if err != nil {
			return Stopped{}, err
		}
		if m.State != recording.StateRecording {
			return Stopped{Manifest: m, Already: true}, nil
		}
	}
	m, err := remote.Stop(ctx, r.folder, r.options.Launch)
	if m.ID != "" {
		r.left(m.ID)
		return Stopped{Manifest: m}, err
	}
	if scout.CodeOf(err) != scout.CodeNotRecording {
		return Stopped{}, err
	}
	r.settle(ctx)
	last, found := r.last()
	if !found {
		return Stopped{}, scout.Errorf(scout.CodeRecordingNotFound, "nothing was recorded yet").WithHint("start a recording: scout start")
	}
	return Stopped{Manifest: last, Already: true}, nil
}

// keep becomes the keeper of the recording under way, instead of any earlier keeper in this process.
func (r *Recorder) keep(keeper *remote.Keeper) {
	r.mu.Lock()
	before := r.keeper
	r.keeper = keeper
	r.begin()
	r.mu.Unlock()
	r.leave(before)
}

// begin notes that a recording is under way. The caller holds mu.
func (r *Recorder) begin() {
	if r.active == nil && r.options.Begin != nil {
		r.active = r.options.Begin()
	}
}

// left stops keeping a recording that has ended, or any recording if the id is empty.
func (r *Recorder) left(id recording.ID) {
	r.mu.Lock()
	keeper := r.keeper
	if keeper != nil && id != "" && keeper.ID() != id {
		r.mu.Unlock()
		return
	}
	r.keeper = nil
	if r.active != nil {
		r.active()
		r.active = nil
	}
	r.mu.Unlock()
	r.leave(keeper)
}

// leave closes a keeper in the background, because its recorder may take a while to answer.
func (r *Recorder) leave(keeper *remote.Keeper) {
	if keeper == nil {
		return
	}
	r.leaving.Go(func() { // ends with the connection; Run waits for it
		if err := keeper.Leave(); err != nil {
			r.log.Debug(eventRecorderKept, slog.String(observe.KeyError, err.Error()))
		}
	})
}

// keeps reports whether the recording is kept here already.
func (r *Recorder) keeps(id recording.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keeper != nil && r.keeper.ID() == id
}

// adopt takes over a recording that no command attends: if its recorder and the recorder's parent die, another recorder
// continues it. A recording that a command attends stays with that command, and ends as it asked when it goes away.
func (r *Recorder) adopt(ctx context.Context, p recording.Progress) {
	if p.Order.Rules.NoOwnerFor != 0 || r.keeps(p.ID) {
		r.mu.Lock()
		r.begin()
		r.mu.Unlock()
		return
	}
	r.orders.Lock() // whoever starts it at this moment keeps it
	defer r.orders.Unlock()
	if r.keeps(p.ID) {
		return
	}
	keeper, _, err := remote.Adopt(ctx, r.folder, r.options.Launch, p.ID, r.options.Scope)
	if err != nil {
		if !errors.Is(err, context.Canceled) && scout.CodeOf(err) != scout.CodeNotRecording {
			r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		}
		return
	}
	r.keep(keeper)
	r.log.Info(eventAdopted, slog.String(recording.KeyRecording, string(p.ID)), slog.Int64(observe.KeyDurationMS, time.Since(p.StartedAt).Milliseconds()))
}
