package remote

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/fanout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/resilience"
)

// EventRecorderReplaced is logged when a recorder died and a new one continued with its recording.
const eventRecorderReplaced = "recorder_replaced"

// keepPolicy is how a recorder that died is replaced: at once, then in short pauses, as long as a
// recording can be continued (recorder.Options.ResumeWithin). A program that is missing is missed only for
// a moment while another version is installed.
func keepPolicy() resilience.Policy {
	return resilience.Policy{
		Initial: 50 * time.Millisecond, Max: 2 * time.Second, Budget: 10 * time.Minute,
		Retryable: func(err error) bool {
			return scout.ClassOf(err) == scout.Transient || scout.CodeOf(err) == scout.CodeRecorderMissing
		},
	}
}

// eventBuffer is how many events who listens to a Keeper may be behind.
const eventBuffer = 64

// errEnded says that there is nothing to replace a recorder for.
var errEnded = errors.New("the recording ended")

// Keeper stays with a recording through whatever happens to its recorder. One made by Keep or Adopt owns the recording:
// when the recorder dies and nothing else does, it starts another one that continues with it, with the order
// that the recording was started with. What was not recorded in between is a gap. One made by Watch only looks. The
// recording itself needs no keeper.
type Keeper struct {
	folder *recording.Folder
	launch LaunchOptions
	order  recording.Order
	began  time.Time // the recording; zero where it has not, or where the keeper only looks
	owns   bool
	scope  observe.Scope
	events fanout.Hub[recording.Event]

	mu      sync.Mutex
	client  *Client
	changed chan struct{} // closed when the client is another one

	cancel context.CancelFunc
	ended  chan struct{}
}

// Keep begins a recording, in a recorder that it starts where there is none that fits, and watches over it until
// Stop or Leave. The order gets the environment of launch, unless it has its own.
func Keep(ctx context.Context, folder *recording.Folder, launch LaunchOptions, order recording.Order, scope observe.Scope) (*Keeper, recording.Started, error) {
	if order.ID == "" {
		order.ID = recording.NewID(time.Now())
	}
	launch = launch.withEnvironment(order.Environment)
	order.Environment = launch.Environment
	k := newKeeper(folder, launch, order, scope)
	// A recorder that was idle may be ending at this moment, or be one for another environment: the next one is not.
	policy := resilience.Policy{Initial: 50 * time.Millisecond, Attempts: 5, Retryable: func(err error) bool { return scout.CodeOf(err) == scout.CodeRecorderUnreachable }}
	started, err := resilience.Retry(ctx, scope, policy, func(ctx context.Context) (recording.Started, error) { return k.begin(ctx, false) })
	if err != nil {
		return nil, recording.Started{}, err
	}
	k.began = started.StartedAt
	k.run(ctx)
	return k, started, nil
}

// Adopt becomes the owner of a recording that is under way, and watches over it as Keep does. Nothing about the
// recording changes by it. With an empty id it is the one under way; where there is none, or another, the error has
// scout.CodeNotRecording.
func Adopt(ctx context.Context, folder *recording.Folder, launch LaunchOptions, id recording.ID, scope observe.Scope) (*Keeper, recording.Started, error) {
	client, err := await(ctx, folder.Dir(), launch.Options)
	if err != nil {
		return nil, recording.Started{}, unreachable(folder.Dir(), err)
	}
	order, started, err := client.Adopt(ctx, id)
	if err != nil {
		_ = client.Close() // nothing came of it
		return nil, recording.Started{}, err
	}
	k := newKeeper(folder, launch.withEnvironment(order.Environment), order, scope)
	k.client, k.began = client, started.StartedAt
	k.run(ctx)
	return k, started, nil
}

// Watch stays with the recording under way without owning it: nothing is different from when nobody looks.
func Watch(ctx context.Context, folder *recording.Folder, options Options, id recording.ID, scope observe.Scope) (*Keeper, error) {
	client, progress, err := Running(ctx, folder.Dir(), options)
	if err != nil {
		return nil, err
	}
	if id != "" && id != progress.ID {
		_ = client.Close() // nothing was asked of it
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

// Client returns the connection to the recorder of the moment.
func (k *Keeper) Client() *Client {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.client
}

// Ended is closed when the keeper has nothing more to watch over: the recording ended by its rules,
// its source did, or no recorder could be started for as long as it could have been continued.
func (k *Keeper) Ended() <-chan struct{} { return k.ended }

// Events returns what happens to the recording from now on, in whichever recorder. The caller closes the subscription.
func (k *Keeper) Events() *fanout.Subscription[recording.Event] {
	return k.events.Subscribe(eventBuffer)
}

// WatchLevel calls each for the level in that rhythm, in whichever recorder, until ctx or the recording ends.
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

// watch hears the events of one recorder after the other.
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

// hear hands the events of the recorder of the moment on; true where the recording ended, false where the recorder did.
func (k *Keeper) hear(ctx context.Context) (over bool) {
	client := k.Client()
	send := func(e recording.Event) bool {
		if e.ID == "" || e.ID == k.order.ID {
			over = e.Kind == recording.KindStopped
			k.events.Send(e)
		}
		return !over
	}
	// What happened before the events were heard is in the status.
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

// begin attaches to a recorder and makes it begin the recording, or continue with it. One that is idle and was started in
// another environment makes room for another.
func (k *Keeper) begin(ctx context.Context, resume bool) (recording.Started, error) {
	client, _, err := Attach(ctx, k.folder.Dir(), k.launch)
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
		_ = client.Close() // nothing came of it
		return recording.Started{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client != nil {
		_ = k.client.Close() // it is broken: that is why we are here
	}
	k.client = client
	close(k.changed)
	k.changed = make(chan struct{})
	return started, nil
}

// replace finds the recorder that continues with the recording, or makes it.
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
		_ = client.Close() // nothing was asked of it
		err = errEnded
	}
	if err != nil {
		return struct{}{}, errEnded // whoever only looks has nothing more to look at
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.client.Close() // it is broken: that is why we are here
	k.client = client
	close(k.changed)
	k.changed = make(chan struct{})
	return struct{}{}, nil
}

// finished reports whether the recording ended in order.
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
	return stopper{k.folder, k.launch}.stop(ctx, client, k.order.ID)
}

// Leave ends the keeping. The recording continues by its rules.
func (k *Keeper) Leave() error {
	k.cancel()
	<-k.ended
	return k.Client().Close()
}

// Running returns a connection to the recorder of the folder and the recording that is under way there. Without one the
// error has scout.CodeNotRecording. The caller closes the client.
func Running(ctx context.Context, dir string, options Options) (*Client, *recording.Progress, error) {
	return runningWithin(ctx, dir, options, map[absence]time.Duration{starting: comesBackWithin, returning: comesBackWithin})
}

func runningWithin(ctx context.Context, dir string, options Options, patience map[absence]time.Duration) (*Client, *recording.Progress, error) {
	client, err := awaitRecorder(ctx, dir, options, patience)
	if err != nil {
		return nil, nil, unreachable(dir, err)
	}
	status, err := client.Status(ctx)
	if err == nil && status.Recording == nil {
		err = scout.Errorf(scout.CodeNotRecording, "nothing is being recorded in %s", dir)
	}
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return client, status.Recording, nil
}

// baseEnvironment is the environment that a recorder is started in, but for what an order says of it.
func (o *LaunchOptions) baseEnvironment() []string {
	if o.Env != nil {
		return o.Env
	}
	return os.Environ()
}

// withEnvironment returns the options for a recorder of that environment; where it leaves it open, for one of this
// program's own.
func (o LaunchOptions) withEnvironment(e recording.Environment) LaunchOptions {
	if e.Variables != nil {
		o.Environment = e
	} else if o.Environment.Variables == nil {
		o.Environment.Variables = recording.EnvironmentOf(o.baseEnvironment()).Variables
	}
	return o
}
