package remote

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/fanout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/resilience"
)

// eventRecorderReplaced is logged when a recorder died and a new one continued its recording.
const eventRecorderReplaced = "recorder_replaced"

// keepPolicy says how a dead recorder is replaced: at once, then with short pauses, as long as a recording can be
// resumed (recorder.Options.ResumeWithin). A missing program is retried too: it is missing only for a moment while
// another version is installed.
func keepPolicy() resilience.Policy {
	return resilience.Policy{
		Initial: 50 * time.Millisecond, Max: 2 * time.Second, Budget: 10 * time.Minute,
		Retryable: func(err error) bool {
			return scout.ClassOf(err) == scout.Transient || scout.CodeOf(err) == scout.CodeRecorderMissing
		},
	}
}

// eventBuffer is how many events a listener of a Keeper may be behind.
const eventBuffer = 64

// errEnded says that there is no recording left to replace a recorder for.
var errEnded = errors.New("the recording ended")

// Keeper stays with a recording whatever happens to its recorder. A Keeper made by Keep or Adopt owns the recording: if
// the recorder dies and nothing else restarts it, the Keeper starts another one that continues the recording with its
// original order. The time in between is a gap. A Keeper made by Watch only observes. The recording itself needs no
// Keeper.
type Keeper struct {
	folder *recording.Folder
	launch LaunchOptions
	starts launcher
	order  recording.Order
	began  time.Time // the recording; zero if it has not begun, or if the keeper only watches
	owns   bool
	scope  observe.Scope
	events fanout.Hub[recording.Event]
	first  atomic.Pointer[fanout.Subscription[recording.Event]] // of whoever asks first

	mu      sync.Mutex
	client  *Client
	changed chan struct{} // closed when the client is replaced

	cancel context.CancelFunc
	ended  chan struct{}
}

// Keep begins a recording, in a recorder that it starts if no running one fits, and watches over it until Stop or
// Leave. The order gets the environment of launch, unless it has its own.
func Keep(ctx context.Context, folder *recording.Folder, launch LaunchOptions, order recording.Order, scope observe.Scope) (*Keeper, recording.Started, error) {
	if order.ID == "" {
		order.ID = recording.NewID(time.Now())
	}
	launch = launch.withEnvironment(order.Environment)
	order.Environment = launch.Environment
	k := newKeeper(folder, launch, order, scope)
	// An idle recorder may be ending at this moment, or may have another environment: the next one will not.
	policy := resilience.Policy{Initial: 50 * time.Millisecond, Attempts: 5, Retryable: func(err error) bool { return scout.CodeOf(err) == scout.CodeRecorderUnreachable }}
	started, err := resilience.Retry(ctx, scope, policy, func(ctx context.Context) (recording.Started, error) { return k.begin(ctx, false) })
	if err != nil {
		return nil, recording.Started{}, err
	}
	k.began = started.StartedAt
	k.run(ctx)
	return k, started, nil
}

// Adopt becomes the owner of a current recording, and watches over it as Keep does. It changes nothing about the
// recording. An empty id means the current one. If there is none, or another one, the error has scout.CodeNotRecording.
func Adopt(ctx context.Context, folder *recording.Folder, launch LaunchOptions, id recording.ID, scope observe.Scope) (*Keeper, recording.Started, error) {
	client, err := await(ctx, folder.Dir(), launch.Options)
	if err != nil {
		return nil, recording.Started{}, unreachable(folder.Dir(), err)
	}
	order, started, err := client.Adopt(ctx, id)
	if err != nil {
		_ = client.Close() // it is not used
		return nil, recording.Started{}, err
	}
	k := newKeeper(folder, launch.withEnvironment(order.Environment), order, scope)
	k.client, k.began = client, started.StartedAt
	k.run(ctx)
	return k, started, nil
}

// Watch stays with the current recording without owning it, and without any effect.
func Watch(ctx context.Context, folder *recording.Folder, options Options, id recording.ID, scope observe.Scope) (*Keeper, error) {
	client, progress, err := Running(ctx, folder.Dir(), options)
	if err != nil {
		return nil, err
	}
	if id != "" && id != progress.ID {
		_ = client.Close() // it is not used
		return nil, scout.Errorf(scout.CodeNotRecording, "recording %s is not under way; %s is", id, progress.ID)
	}
	k := newKeeper(folder, LaunchOptions{Options: options}, progress.Order, scope)
	k.client, k.owns = client, false
	k.run(ctx)
	return k, nil
}

func newKeeper(folder *recording.Folder, launch LaunchOptions, order recording.Order, scope observe.Scope) *Keeper {
	return &Keeper{folder: folder, launch: launch, order: order, owns: true, scope: scope, changed: make(chan struct{}), ended: make(chan struct{})}
}

// run begins to watch.
func (k *Keeper) run(ctx context.Context) {
	ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	k.first.Store(k.events.Subscribe(eventBuffer))
	go func() { // ended by Stop or Leave, which wait for it, or by the end of the recording
		defer close(k.ended)
		defer k.events.Close()
		k.watch(ctx)
	}()
}

// Order returns what the recording was started with.
func (k *Keeper) Order() recording.Order { return k.order }

// ID returns the id of the recording.
func (k *Keeper) ID() recording.ID { return k.order.ID }

// Client returns the connection to the present recorder.
func (k *Keeper) Client() *Client {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.client
}

// Ended returns a channel that is closed when the keeper has nothing more to watch: the recording ended by its rules,
// its source ended, or no recorder could be started for as long as the recording could have been resumed.
func (k *Keeper) Ended() <-chan struct{} { return k.ended }

// Events returns the events of the recording, in any recorder: the first time all since the keeper began to watch, so that none is missed
// meanwhile; later from now on. The caller closes the subscription.
func (k *Keeper) Events() *fanout.Subscription[recording.Event] {
	if first := k.first.Swap(nil); first != nil {
		return first
	}
	return k.events.Subscribe(eventBuffer)
}

// WatchLevel calls each with the level at that interval, in any recorder, until ctx or the recording ends.
func (k *Keeper) WatchLevel(ctx context.Context, every time.Duration, each func(recording.Level) bool) {
	for {
		k.mu.Lock()
		client, changed := k.client, k.changed
		k.mu.Unlock()
		if err := client.WatchLevel(ctx, every, each); err == nil {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-k.ended:
			return
		}
	}
}

// watch follows the events of one recorder after the other.
func (k *Keeper) watch(ctx context.Context) {
	log := k.scope.Log().With(slog.String(recording.KeyRecording, string(k.order.ID)))
	for {
		if k.hear(ctx) || ctx.Err() != nil {
			return
		}
		died := time.Now()
		_, err := resilience.Retry(ctx, k.scope, keepPolicy(), k.replace)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && k.finished(), errors.Is(err, errEnded):
			if m, err := k.folder.Manifest(k.order.ID); err == nil {
				k.events.Send(recording.Event{Kind: recording.KindStopped, At: time.Now(), ID: k.order.ID, Manifest: &m})
			}
			return
		case err != nil:
			log.Error(recording.EventRecordingFailed, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
			return
		}
		took := time.Since(died)
		log.Warn(eventRecorderReplaced, slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
		k.events.Send(recording.Event{Kind: recording.KindReplaced, At: time.Now(), ID: k.order.ID, Took: took})
	}
}

// hear passes on the events of the present recorder; true if the recording ended, false if the recorder did.
func (k *Keeper) hear(ctx context.Context) (over bool) {
	client := k.Client()
	send := func(e recording.Event) bool {
		if e.ID == "" || e.ID == k.order.ID {
			over = e.Kind == recording.KindStopped
			k.events.Send(e)
		}
		return !over
	}
	// Events before the subscription are in the status.
	_ = client.WatchEventsFrom(ctx, func() bool {
		status, err := client.Status(ctx)
		if err != nil || status.Recording != nil && status.Recording.ID == k.order.ID {
			return true
		}
		if status.Last != nil && status.Last.ID == k.order.ID {
			return send(recording.Event{Kind: recording.KindStopped, At: time.Now(), ID: k.order.ID, Manifest: status.Last})
		}
		return true
	}, send)
	return over
}

// begin attaches to a recorder and makes it begin the recording, or resume it. An idle recorder that was started in
// another environment is replaced.
func (k *Keeper) begin(ctx context.Context, resume bool) (recording.Started, error) {
	client, _, err := k.starts.attach(ctx, k.folder.Dir(), k.launch)
	if err != nil {
		return recording.Started{}, err
	}
	started, err := client.start(ctx, k.order, resume, k.began)
	if scout.CodeOf(err) == scout.CodeRecorderEnvironment {
		if err = client.shutdownIdle(ctx); err == nil {
			select {
			case <-client.Done():
			case <-ctx.Done():
			}
			err = scout.Errorf(scout.CodeRecorderUnreachable, "the recorder of another environment has ended")
		}
	}
	if err != nil {
		_ = client.Close() // it is not used
		return recording.Started{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client != nil {
		_ = k.client.Close() // it is broken, which is why it is replaced
	}
	k.client = client
	close(k.changed)
	k.changed = make(chan struct{})
	return started, nil
}

// replace finds or starts the recorder that continues the recording.
func (k *Keeper) replace(ctx context.Context) (struct{}, error) {
	if k.finished() {
		return struct{}{}, errEnded
	}
	if k.owns {
		_, err := k.begin(ctx, true)
		return struct{}{}, err
	}
	client, progress, err := Running(ctx, k.folder.Dir(), k.launch.Options)
	if err == nil && progress.ID != k.order.ID {
		_ = client.Close() // it is not used
		err = errEnded
	}
	if err != nil {
		return struct{}{}, errEnded // an observer has nothing more to watch
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.client.Close() // it is broken, which is why it is replaced
	k.client = client
	close(k.changed)
	k.changed = make(chan struct{})
	return struct{}{}, nil
}

// finished reports whether the recording ended normally.
func (k *Keeper) finished() bool {
	m, err := k.folder.Manifest(k.order.ID)
	return err == nil && m.State == recording.StateFinished
}

// Stop ends the recording and returns its manifest, whatever became of its recorder. See Stop, the function.
func (k *Keeper) Stop(ctx context.Context) (recording.Manifest, error) {
	k.cancel()
	<-k.ended
	client := k.Client()
	defer func() { _ = client.Close() }() // the recording is what matters
	return stopper{k.folder, k.launch, &k.starts}.stop(ctx, client, k.order.ID)
}

// Leave ends the keeping. The recording continues by its rules.
func (k *Keeper) Leave() error {
	k.cancel()
	<-k.ended
	return k.Client().Close()
}

// Running returns a connection to the recorder of the folder and its current recording. If there is none, the error has
// scout.CodeNotRecording. The caller closes the client.
func Running(ctx context.Context, dir string, options Options) (*Client, *recording.Progress, error) {
	return runningWithin(ctx, dir, options, map[absence]time.Duration{starting: comesBackWithin, returning: comesBackWithin, deaf: comesBackWithin})
}

func runningWithin(ctx context.Context, dir string, options Options, patience map[absence]time.Duration) (*Client, *recording.Progress, error) {
	for began := time.Now(); ; {
		client, err := awaitRecorder(ctx, dir, options, patience)
		if err != nil {
			return nil, nil, unreachable(dir, err)
		}
		status, err := client.Status(ctx)
		if err == nil && status.Recording == nil {
			err = scout.Errorf(scout.CodeNotRecording, "nothing is being recorded in %s", dir)
		}
		if err == nil {
			return client, status.Recording, nil
		}
		_, silent := silentPID(err)
		err = errors.Join(err, client.Close())
		// Where the recorder died before it answered, another one is there soon, or already.
		if silent || scout.CodeOf(err) != scout.CodeRecorderUnreachable || time.Since(began) > comesBackWithin || ctx.Err() != nil {
			return nil, nil, err
		}
	}
}

// baseEnvironment returns the environment in which a recorder is started, apart from that of an order.
func (o *LaunchOptions) baseEnvironment() []string {
	if o.Env != nil {
		return o.Env
	}
	return os.Environ()
}

// withEnvironment returns the options for a recorder with that environment. What it leaves open is taken from this
// program.
func (o LaunchOptions) withEnvironment(e recording.Environment) LaunchOptions {
	if e.Variables != nil {
		o.Environment = e
	} else if o.Environment.Variables == nil {
		o.Environment.Variables = recording.EnvironmentOf(o.baseEnvironment()).Variables
	}
	return o
}
