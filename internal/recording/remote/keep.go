package remote

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
	"github.com/scout-speech/scout/internal/resilience"
)

// EventRecorderReplaced is logged when a recorder died and a new one went on with its recording.
const EventRecorderReplaced = "recorder_replaced"

// keepPolicy is how a recorder that died is replaced: at once, then in short pauses, as long as a
// recording can be gone on with (recorder.Options.ResumeWithin). A program that is missing is missed only for
// a moment while another version is installed.
func keepPolicy() resilience.Policy {
	return resilience.Policy{
		Initial: 50 * time.Millisecond, Max: 2 * time.Second, Budget: 10 * time.Minute,
		Retryable: func(err error) bool {
			return scout.ClassOf(err) == scout.Transient || scout.CodeOf(err) == scout.CodeRecorderMissing
		},
	}
}

// Keeper owns a recording: when the recorder dies, it starts another one that goes on with it. What
// was not recorded in between is a gap. The recording itself does not need its keeper.
type Keeper struct {
	folder *recording.Folder
	launch LaunchOptions
	order  recording.Order
	scope  observe.Scope

	mu     sync.Mutex
	client *Client

	cancel context.CancelFunc
	ended  chan struct{}
}

// Keep begins a recording, in a recorder that it starts where there is none, and watches over it until
// Stop or Leave.
func Keep(ctx context.Context, folder *recording.Folder, launch LaunchOptions, order recording.Order, scope observe.Scope) (*Keeper, recording.Started, error) {
	launch.Role = wire.RoleOwner
	if order.ID == "" {
		order.ID = recording.NewID(time.Now())
	}
	var client *Client
	// A recorder that was idle may be ending at this moment: the next one is not.
	policy := resilience.Policy{Initial: 50 * time.Millisecond, Attempts: 3, Retryable: func(err error) bool { return scout.CodeOf(err) == scout.CodeRecorderUnreachable }}
	started, err := resilience.Retry(ctx, scope, policy, func(ctx context.Context) (started recording.Started, err error) {
		if client, _, err = Attach(ctx, folder.Dir(), launch); err != nil {
			return recording.Started{}, err
		}
		if started, err = client.Start(ctx, order); err != nil {
			_ = client.Close() // the start is what failed
		}
		return started, err
	})
	if err != nil {
		return nil, recording.Started{}, err
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k := &Keeper{folder: folder, launch: launch, order: order, scope: scope, client: client, cancel: cancel, ended: make(chan struct{})}
	go func() { // ended by Stop or Leave, which wait for it, or by the end of the recording
		defer close(k.ended)
		k.watch(watching)
	}()
	return k, started, nil
}

// ID returns the id of the recording.
func (k *Keeper) ID() recording.ID { return k.order.ID }

// Client returns the connection to the recorder of the moment.
func (k *Keeper) Client() *Client {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.client
}

// Ended is closed when the keeper has nothing more to watch over: the recording ended by its rules,
// its source did, or no recorder could be started for as long as it could have been gone on with.
func (k *Keeper) Ended() <-chan struct{} { return k.ended }

// watch replaces recorders that die.
func (k *Keeper) watch(ctx context.Context) {
	log := k.scope.Log().With(slog.String(recording.KeyRecording, string(k.order.ID)))
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if k.over() {
				return
			}
		case <-k.Client().Done():
			if k.over() {
				return
			}
			began := time.Now()
			if _, err := resilience.Retry(ctx, k.scope, keepPolicy(), k.replace); err != nil {
				if ctx.Err() == nil {
					log.Error(recording.EventRecordingFailed, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
				}
				return
			}
			log.Warn(EventRecorderReplaced, slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
		}
	}
}

// over tells whether the recording ended in order.
func (k *Keeper) over() bool {
	m, err := k.folder.Manifest(k.order.ID)
	return err == nil && m.State == recording.StateFinished
}

// replace attaches to a recorder and makes it go on with the recording.
func (k *Keeper) replace(ctx context.Context) (struct{}, error) {
	client, _, err := Attach(ctx, k.folder.Dir(), k.launch)
	if err != nil {
		return struct{}{}, err
	}
	if _, err := client.Resume(ctx, k.order); err != nil {
		_ = client.Close() // the start is what failed
		return struct{}{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.client.Close() // it is broken: that is why we are here
	k.client = client
	return struct{}{}, nil
}

// Stop ends the recording and returns its manifest. Where the recorder dies meanwhile another one puts
// right what it left.
func (k *Keeper) Stop(ctx context.Context) (recording.Manifest, error) {
	k.cancel()
	<-k.ended
	client := k.Client()
	defer func() { _ = client.Close() }() // the recording is what matters
	m, err := client.Stop(ctx, k.order.ID)
	if scout.CodeOf(err) != scout.CodeRecorderUnreachable {
		return m, err
	}
	if m, err := k.folder.Manifest(k.order.ID); err == nil && m.State == recording.StateFinished {
		return m, nil
	}
	_ = client.Close() // it is broken
	if client, _, err = Attach(ctx, k.folder.Dir(), k.launch); err != nil {
		return recording.Manifest{}, err
	}
	return client.Stop(ctx, k.order.ID)
}

// Leave ends the keeping. The recording goes on by its rules.
func (k *Keeper) Leave() error {
	k.cancel()
	<-k.ended
	return k.Client().Close()
}
