package api_test

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// dictations are recordings whose only events are that they began and ended. The real ones are tested in their own package.
type dictations struct {
	recorder *recorder
	store    store.Store

	mu   sync.Mutex
	open recording.ID // empty for none
}

var _ api.Dictations = (*dictations)(nil)

func (d *dictations) note(id recording.ID, state string) {
	data, err := json.Marshal(event.Event{Type: event.State, State: state})
	if err != nil {
		panic(err)
	}
	if err := d.store.Update(context.Background(), func(tx store.Tx) error {
		_, err := tx.Append(store.LiveStream(string(id)), store.NewEvent{Type: event.State, Data: data})
		return err
	}); err != nil {
		panic(err)
	}
}

// Check implements api.Dictations.
func (d *dictations) Check(_ context.Context, request dictate.Request) error {
	if request.Model != "" {
		return scout.Errorf(scout.CodeModelUnknown, "there is no model %s", request.Model)
	}
	return nil
}

// Start implements api.Dictations.
func (d *dictations) Start(ctx context.Context, order recording.Order, _ dictate.Request, begins func(recording.ID)) (recording.Started, error) {
	started, err := d.recorder.Start(ctx, order, begins)
	if err == nil && !started.Already {
		d.mu.Lock()
		d.open = started.ID
		d.mu.Unlock()
		d.note(started.ID, event.Listening)
	}
	return started, err
}

// Toggle implements api.Dictations.
func (d *dictations) Toggle(ctx context.Context, order recording.Order, request dictate.Request, watch dictate.Watch) (dictate.Toggled, error) {
	d.mu.Lock()
	id := d.open
	d.mu.Unlock()
	if id != "" {
		what := dictate.Toggled{State: event.Stopping, ID: id}
		watch.Decided(what)
		_, err := d.Stop(ctx, id)
		return what, err
	}
	if order.ID == "" {
		order.ID = exampleID
	}
	what := dictate.Toggled{State: event.Starting, ID: order.ID}
	watch.Decided(what)
	started, err := d.Start(ctx, order, request, watch.Begins)
	if err == nil {
		watch.Begun(started.ID)
	}
	return what, err
}

// Stopping implements api.Dictations.
func (d *dictations) Stopping(recording.ID, bool) {}

// Stop implements api.Dictations.
func (d *dictations) Stop(ctx context.Context, id recording.ID) (record.Stopped, error) {
	stopped, err := d.recorder.Stop(ctx, id)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open != "" && stopped.Manifest.ID == d.open {
		d.note(d.open, event.Done)
		d.open = ""
	}
	return stopped, err
}

// Cancel implements api.Dictations.
func (d *dictations) Cancel(ctx context.Context, id recording.ID) (record.Stopped, error) {
	d.mu.Lock()
	open := d.open
	d.mu.Unlock()
	if id != open {
		return record.Stopped{}, scout.Errorf(scout.CodeNotFound, "dictation %s is not in progress", id)
	}
	return d.Stop(ctx, id)
}

// Discarded implements api.Dictations.
func (d *dictations) Discarded(recording.ID) {}

// Inserted implements api.Dictations.
func (d *dictations) Inserted(recording.ID, dictate.Delivery) {}

// Listen implements api.Dictations.
func (d *dictations) Listen(recording.ID, bool) *dictate.Listener { return nil }
