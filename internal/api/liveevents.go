package api

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/store"
)

// liveEvents are the events of one session for a connection: those of the journal, and between them passing ones.
type liveEvents struct {
	numbered <-chan store.Event // nil when there are no more
	passing  <-chan passing
	stop     context.CancelFunc
	work     sync.WaitGroup

	mu       sync.Mutex
	complete bool  // the last event was sent, or there is none
	err      error // why there are no more
}

// follow begins to read the events of the session.
func (l *liveSocket) follow(ctx context.Context, begin *v1.LiveBegin) *liveEvents {
	s, id := l.server, string(l.session.ID())
	e := &liveEvents{}
	ctx, e.stop = context.WithCancel(ctx)
	replay, err := s.store().Events(ctx, store.LiveStream(id), begin.After, 1)
	switch {
	case err != nil:
		e.err = err
		return e
	case replay.Last == 0 && !s.opening(id): // its text is made later
		e.complete = true
		return e
	case replay.Reset && replay.Last > 0:
		e.err = scout.Errorf(scout.CodeGone, "the events of session %s are not kept any more", id).WithHint("read its text: GET /transcripts/ID")
		return e
	}
	e.complete = replay.Ended && len(replay.Events) == 0
	numbered := make(chan store.Event)
	e.numbered = numbered
	e.work.Go(func() { // ended by stop
		defer close(numbered)
		_ = s.options.Failures.Guard("api", func() error { // a panic ends these events, and is counted and logged
			e.read(ctx, store.Follow(ctx, s.store(), store.LiveStream(id), begin.After), numbered)
			return nil
		})
	})
	if listener := s.services.Live.Listen(l.session.ID(), begin.Level); listener != nil {
		passing := make(chan passing)
		e.passing = passing
		e.work.Go(func() { // ended by stop
			defer listener.Close()
			defer close(passing)
			pass(ctx, listener, passing)
		})
	}
	return e
}

// read hands events on until there are no more.
func (e *liveEvents) read(ctx context.Context, events func(yield func(store.Event, error) bool), to chan<- store.Event) {
	for one, err := range events {
		if err != nil {
			e.mu.Lock()
			e.err = err
			e.mu.Unlock()
			return
		}
		select {
		case to <- one:
		case <-ctx.Done():
			return
		}
		if one.Type == event.State && isLast(&one) {
			e.mu.Lock()
			e.complete = true
			e.mu.Unlock()
		}
	}
}

// isLast reports whether an event is the last one of its session.
func isLast(e *store.Event) bool {
	var said event.Event
	return json.Unmarshal(e.Data, &said) == nil && (said.State == event.Done || said.State == event.Failed)
}

// over reports whether no numbered event will come.
func (e *liveEvents) over() bool { return e.numbered == nil }

// failure is why no more come: errDone after the last one.
func (e *liveEvents) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.err != nil:
		return e.err
	case e.complete:
		return errDone
	}
	return scout.Errorf(scout.CodeUnavailable, "the events of the session cannot be read")
}

func (e *liveEvents) close() {
	e.stop()
	e.work.Wait()
}
