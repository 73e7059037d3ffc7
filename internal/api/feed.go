package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
)

// eventStream is the media type of events. Source: the HTML standard, "Server-sent events".
const eventStream = "text/event-stream"

// aliveEvery is how often a stream without events gets a comment, so that both sides notice a dead connection. It is rare, because each
// comment wakes two processes.
const aliveEvery = 30 * time.Second

// feed is what one client follows: the numbered events of a stream of the journal, replayed from a position and then followed, and
// between them passing events that have no number and are never replayed.
type feed struct {
	// kind is the label of its metrics: sse, live, level or job.
	kind string
	// endless is true for one that only its client ends: that is no hang-up.
	endless bool
	// stream is that of the journal; empty for a feed of passing events only. after is the number behind which it begins.
	stream string
	after  uint64
	// wanted selects events; nil takes all of them. A reset is always sent.
	wanted func(e *store.Event) bool
	// body is what a numbered event says; nil for its data as it is.
	body func(e *store.Event) any
	// builds selects the numbered events that passing ones continue; nil for none.
	builds func(e *store.Event) bool
	// passing are the events without a number; nil for none. The feed ends when it is closed. Whoever sends into it must drop what does
	// not fit: a client that reads slowly must delay nobody.
	passing <-chan passing
	first   []passing // sent before all others
}

// passing is an event without a number.
type passing struct {
	kind string
	body any
	// text is true for one that continues what numbered events said, up to the one with the number after. It is sent directly behind
	// that, and not at all where a later one has come.
	text  bool
	after uint64
}

// positionParameters are the two ways in which a client says where it left off.
func positionParameters() []*huma.Param {
	return []*huma.Param{
		{Name: "after", In: "query", Description: "The number of the last event that was read: the stream continues after it", Schema: numberSchema(0, 1<<53)},
		{Name: "Last-Event-ID", In: "header", Description: "The same, as browsers send it when they connect again. It counts where both are given", Schema: textSchema()},
	}
}

// position is the number behind which a client wants to continue; given is false where it names none.
func position(r *http.Request) (after uint64, given bool, err error) {
	where, text := "query.after", r.URL.Query().Get("after")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		where, text = "header.Last-Event-ID", last
	}
	if text == "" {
		return 0, false, nil
	}
	if after, err = strconv.ParseUint(text, 10, 64); err != nil {
		return 0, false, unprocessable(where, "%q is not the number of an event", text)
	}
	return after, true, nil
}

// send answers a request with a feed, until the feed ends, the client goes, or the server stops.
func (s *Server) send(w http.ResponseWriter, r *http.Request, f feed) {
	if r.Method == http.MethodHead { // it has no events, and must end
		w.Header().Set("Content-Type", eventStream)
		return
	}
	s.metrics.connections.WithLabelValues(f.kind).Inc()
	defer s.metrics.connections.WithLabelValues(f.kind).Dec()
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var numbered <-chan store.Event
	var failed atomic.Bool
	if f.stream != "" {
		numbered = s.follow(ctx, f, &failed)
		defer func() {
			cancel()
			for range numbered { // until it has ended
			}
		}()
	}
	err := s.sendEvents(w, f, numbered)
	reason := s.endOf(r.Context(), err, failed.Load())
	s.metrics.ended.WithLabelValues(f.kind, reason).Inc()
	if f.endless || reason != endClient && reason != endSlow {
		isWhole(w)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) { // the client did not read for as long as one write may take
		s.metrics.slow.WithLabelValues(f.kind).Inc()
		s.log.Warn(eventListenerSlow, slog.String("kind", f.kind), slog.Int64(observe.KeyDurationMS, s.times.Write.Milliseconds()))
	}
}

// Why an event stream ended, as labels: those that the client is the reason of.
const (
	endClient = "client" // it went
	endSlow   = "slow"
)

// endOf is why an event stream ended, for metrics.
func (s *Server) endOf(ctx context.Context, err error, failed bool) string {
	stopping := false
	select {
	case <-s.ending:
		stopping = true
	default:
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return endSlow
	case failed:
		return "failed"
	case stopping:
		return "stopping"
	case err != nil, ctx.Err() != nil:
		return endClient
	}
	return "complete"
}

// sendEvents writes until the feed ends, the server stops, or a write fails.
func (s *Server) sendEvents(w http.ResponseWriter, f feed, numbered <-chan store.Event) error {
	control := http.NewResponseController(w)
	write := func(format string, args ...any) error {
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return err
		}
		return control.Flush()
	}
	if err := write(": ok\n\n"); err != nil {
		return err
	}
	for _, e := range f.first {
		data, err := json.Marshal(e.body)
		if err != nil {
			return err
		}
		if err := write("event: %s\ndata: %s\n\n", e.kind, data); err != nil {
			return err
		}
	}
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	return f.merge(numbered, func(e *store.Event, kind string, body any) error {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		if e != nil {
			return write("id: %d\nevent: %s\ndata: %s\n\n", e.Seq, kind, data)
		}
		return write("event: %s\ndata: %s\n\n", kind, data)
	}, idle{alive.C, func() error { return write(": alive\n\n") }}, s.ending)
}

// idle is what is done from time to time. The zero value is nothing.
type idle struct {
	at <-chan time.Time
	do func() error
}

// merge sends the numbered events of a feed and those between them, each in its place, until one of them ends, or end is closed.
//
//	send  gets the event, where it has a number, its type, and what it says
func (f *feed) merge(numbered <-chan store.Event, send func(e *store.Event, kind string, body any) error, meanwhile idle, end <-chan struct{}) error {
	order := order{sent: f.after}
	for {
		select {
		case e, open := <-numbered:
			if !open {
				return nil
			}
			if e.Type != store.EventReset && f.wanted != nil && !f.wanted(&e) {
				continue
			}
			if err := send(&e, e.Type, bodyOf(*f, &e)); err != nil {
				return err
			}
			if next := order.numbered(&e, f.builds != nil && f.builds(&e)); next != nil {
				if err := send(nil, next.kind, next.body); err != nil {
					return err
				}
			}
		case e, open := <-f.passing:
			if !open {
				return nil
			}
			if order.sends(&e) {
				if err := send(nil, e.kind, e.body); err != nil {
					return err
				}
			}
		case <-meanwhile.at:
			if err := meanwhile.do(); err != nil {
				return err
			}
		case <-end:
			return nil
		}
	}
}

// order puts passing events in their places between numbered ones: they come another way, and may be earlier or later.
type order struct {
	sent  uint64   // number of the last event that was sent
	built uint64   // of the last one that passing events continue
	held  *passing // continues an event that was not sent yet
}

// numbered notes that an event was sent, and returns what waited for it; nil for nothing.
func (o *order) numbered(e *store.Event, builds bool) *passing {
	o.sent = e.Seq
	if builds {
		o.built = e.Seq
	}
	if o.held == nil || o.held.after > o.sent {
		return nil
	}
	next := o.held
	o.held = nil
	if next.after < o.built {
		return nil
	}
	return next
}

// sends reports whether a passing event is sent now. One that is early is held, in place of one that was held before.
func (o *order) sends(e *passing) bool {
	if !e.text {
		return true
	}
	if e.after > o.sent {
		o.held = e
		return false
	}
	o.held = nil
	return e.after >= o.built
}

func bodyOf(f feed, e *store.Event) any {
	switch {
	case f.body != nil:
		return f.body(e)
	case len(e.Data) == 0:
		return map[string]string{"type": e.Type}
	}
	return e.Data
}

// follow sends the numbered events of a feed until ctx ends or their stream does. A slow reader delays itself alone. failed is set, before the
// channel is closed, where the events could not be read.
func (s *Server) follow(ctx context.Context, f feed, failed *atomic.Bool) <-chan store.Event {
	events := make(chan store.Event)
	go func() { // ended by ctx; send waits for it
		defer close(events)
		err := s.options.Failures.Guard("api", func() error { // a panic ends this stream, and is counted and logged
			for e, err := range store.Follow(ctx, s.store(), f.stream, f.after) {
				if err != nil {
					return err // the client asks again, and gets the error
				}
				select {
				case events <- e:
				case <-ctx.Done():
					return nil
				}
			}
			return nil
		})
		failed.Store(err != nil && ctx.Err() == nil)
	}()
	return events
}
