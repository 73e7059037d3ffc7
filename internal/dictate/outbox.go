package dictate

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/store"
)

// outbox numbers the events of a dictation and writes them into the journal, in order, those that wait together in one transaction.
// Whoever adds an event never waits for the disk. Clients follow the journal, so that they see only what is on the disk.
type outbox struct {
	session *store.Session
	log     *slog.Logger

	mu         sync.Mutex
	last       uint64 // number of the newest event
	queue      []draft
	checkpoint json.RawMessage // nil: as it was
	finish     func(store.Tx) ([]event.Event, error)
	unsaved    error         // why the journal cannot be written; nil if it can
	filled     chan struct{} // gets a value, if it is empty, after each change
	ended      chan struct{} // closed when the stream has ended

	// unsure is what the last commit tried, if it failed: its answer may have been lost, so that it is repeated as it was. Of run.
	unsure *batch
}

// draft is an event that waits. work, if it is not nil, is done in the transaction that writes it, and returns the event as it is
// written.
type draft struct {
	store.NewEvent
	work func(store.Tx) (store.NewEvent, error)
}

// written returns the events of drafts after their work.
func written(tx store.Tx, drafts []draft) ([]store.NewEvent, error) {
	events := make([]store.NewEvent, len(drafts))
	for i, d := range drafts {
		events[i] = d.NewEvent
		if d.work != nil {
			var err error
			if events[i], err = d.work(tx); err != nil {
				return nil, err
			}
		}
	}
	return events, nil
}

func newOutbox(session *store.Session, last uint64, log *slog.Logger) *outbox {
	return &outbox{session: session, last: last, log: log, filled: make(chan struct{}, 1), ended: make(chan struct{})}
}

// trouble notes whether the journal can be written.
func (o *outbox) trouble(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unsaved = err
}

// failing returns why the journal cannot be written, nil if it can.
func (o *outbox) failing() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.unsaved
}

// add appends an event, and with it the state from which the dictation continues after it; nil leaves that as it is. It returns the
// number of the event.
func (o *outbox) add(e event.Event, checkpoint json.RawMessage) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	e.Seq = o.last
	o.queue = append(o.queue, draft{NewEvent: numbered(e)})
	if checkpoint != nil {
		o.checkpoint = checkpoint
	}
	o.ring()
	return o.last
}

// addWith is add of an event that work completes, in the transaction that writes it. work may be called several times.
func (o *outbox) addWith(e event.Event, checkpoint json.RawMessage, work func(store.Tx, *event.Event) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	e.Seq = o.last
	o.queue = append(o.queue, draft{numbered(e), func(tx store.Tx) (store.NewEvent, error) {
		e := e
		err := work(tx, &e)
		return numbered(e), err
	}})
	if checkpoint != nil {
		o.checkpoint = checkpoint
	}
	o.ring()
}

// save stores the state alone.
func (o *outbox) save(checkpoint json.RawMessage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.checkpoint = checkpoint
	o.ring()
}

// end makes run do what finish does and write the events that it returns, in the transaction that ends the stream. finish may be
// called several times.
func (o *outbox) end(finish func(store.Tx) ([]event.Event, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finish = finish
	o.ring()
}

// wait waits until the stream has ended; false if ctx ends before.
func (o *outbox) wait(ctx context.Context) bool {
	select {
	case <-o.ended:
		return true
	case <-ctx.Done():
		return false
	}
}

// ring wakes run. The caller holds mu.
func (o *outbox) ring() {
	select {
	case o.filled <- struct{}{}:
	default: // it looks anyway
	}
}

func numbered(e event.Event) store.NewEvent {
	data, err := json.Marshal(e)
	if err != nil { // numbers that are none: there are no others that JSON cannot hold
		data, _ = json.Marshal(event.Event{Seq: e.Seq, Type: e.Type})
	}
	return store.NewEvent{Type: e.Type, Data: data}
}

// Pauses between attempts to write, while the disk is full for example.
const (
	firstPause = 100 * time.Millisecond
	longPause  = 5 * time.Second
)

// batch is what one commit writes.
type batch struct {
	events     []draft
	checkpoint json.RawMessage
}

// run writes until the stream has ended, and returns nil then, or until ctx does. It does not end for a journal that cannot be
// written: the words are kept and written later. The error has scout.CodeConflict if another process continued the dictation.
func (o *outbox) run(ctx context.Context) error {
	pause := firstPause
	for {
		ended, err := o.write(ctx)
		switch {
		case ended:
			o.trouble(nil)
			close(o.ended)
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case scout.CodeOf(err) == scout.CodeConflict:
			return err
		case err != nil:
			o.trouble(err)
			o.log.Warn(eventNotWritten, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
			if err := resilience.Sleep(ctx, pause); err != nil {
				return err
			}
			pause = min(2*pause, longPause)
			continue
		}
		o.trouble(nil)
		pause = firstPause
		select {
		case <-o.filled:
		case <-ctx.Done():
			_, err := o.write(context.WithoutCancel(ctx)) // what is said already is kept
			if err == nil {
				err = context.Cause(ctx)
			}
			return err
		}
	}
}

// write writes what waits.
func (o *outbox) write(ctx context.Context) (ended bool, err error) {
	if o.unsure != nil {
		if err := o.commit(ctx, o.unsure); err != nil {
			return false, err
		}
	}
	o.mu.Lock()
	events, checkpoint, finish, last := o.queue, o.checkpoint, o.finish, o.last
	o.mu.Unlock()
	switch {
	case finish != nil:
		err = o.session.End(ctx, func(tx store.Tx) ([]store.NewEvent, error) {
			all, err := written(tx, events)
			if err != nil {
				return nil, err
			}
			more, err := finish(tx)
			for i, e := range more {
				e.Seq = last + uint64(i) + 1
				all = append(all, numbered(e))
			}
			return all, err
		})
	case len(events) > 0 || checkpoint != nil:
		err = o.commit(ctx, &batch{events, checkpoint})
	}
	return err == nil && finish != nil, err
}

// commit writes a batch from the front of the queue.
func (o *outbox) commit(ctx context.Context, b *batch) error {
	o.unsure = b
	drafts := make([]store.NewEvent, len(b.events))
	for i := range b.events {
		drafts[i] = b.events[i].NewEvent
	}
	err := o.session.CommitWith(ctx, b.checkpoint, drafts, func(tx store.Tx) ([]store.NewEvent, error) { return written(tx, b.events) })
	if err != nil {
		return err
	}
	o.unsure = nil
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = o.queue[len(b.events):]
	if string(o.checkpoint) == string(b.checkpoint) {
		o.checkpoint = nil
	}
	return nil
}
