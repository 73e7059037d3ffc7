package api

import (
	"context"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// Dictations make text of recordings while they are made; dictate.Dictations is one.
type Dictations interface {
	Check(ctx context.Context, request dictate.Request) error
	Start(ctx context.Context, order recording.Order, request dictate.Request, begins func(recording.ID)) (recording.Started, error)
	Toggle(ctx context.Context, order recording.Order, request dictate.Request, watch dictate.Watch) (dictate.Toggled, error)
	Stopping(id recording.ID, noText bool)
	Stop(ctx context.Context, id recording.ID) (record.Stopped, error)
	Cancel(ctx context.Context, id recording.ID) (record.Stopped, error)
	Discarded(id recording.ID)
	Inserted(id recording.ID, d dictate.Delivery)
	Listen(id recording.ID, levels bool) *dictate.Listener
}

// registerLive adds dictations.
func (s *Server) registerLive(api huma.API) {
	if s.services.Live == nil {
		return
	}
	operation(api, about{
		method: http.MethodPost, path: "/recorder/toggle", summary: "Start a dictation, or stop the one in progress",
		description: "For desktop shortcuts: the answer comes at once, and events tell the rest. It takes the body of start. A recording that is no dictation is left alone.",
		errors:      []scout.Code{scout.CodeAlreadyRecording, scout.CodeRecordingNotFound, scout.CodeRecorderUnreachable},
		status:      http.StatusAccepted,
	}, s.toggle)
	operation(api, about{
		method: http.MethodPost, path: "/live/check", summary: "Whether a dictation would give text",
		description: "Tells before anybody speaks that no model is installed, or none that knows the language. It loads nothing.",
		errors:      []scout.Code{scout.CodeModelNotInstalled, scout.CodeModelUnknown, scout.CodeModelCorrupt, scout.CodeModelLanguage},
	}, func(ctx context.Context, in *optional[v1.LiveRequest]) (*body[v1.LiveReady], error) {
		var request v1.LiveRequest
		if in.Body != nil {
			request = *in.Body
		}
		if err := s.services.Live.Check(ctx, dictate.Request{Language: request.Language, Model: request.Model}); err != nil {
			return nil, err
		}
		return answer(v1.LiveReady{Ready: true}), nil
	})
	operation(api, about{
		method: http.MethodPost, path: "/live/{id}/cancel", summary: "Stop a dictation without text",
		description: "Stops the recording and keeps its audio. No text is made of it.",
		errors:      []scout.Code{scout.CodeNotFound, scout.CodeRecorderUnreachable},
	}, func(ctx context.Context, in *ByID) (*body[v1.Stopped], error) {
		ctx = context.WithoutCancel(ctx)
		if s.opening(in.ID) { // the text that was promised would be begun when the recording has ended
			_ = s.withdraw(ctx, recording.ID(in.ID)) // tried again below
		}
		stopped, err := s.services.Live.Cancel(ctx, recording.ID(in.ID))
		if err == nil {
			err = s.withdraw(ctx, stopped.Manifest.ID)
		}
		if stopped.Manifest.ID == "" && err != nil {
			return nil, err
		}
		return answer(v1.Stopped{Recording: s.whole(ctx, &stopped.Manifest), Already: stopped.Already}), nil
	})
	operation(api, about{
		method: http.MethodPost, path: "/live/{id}/inserted", summary: "Say how a text was delivered",
		description: "A client that inserted the text of a dictation somewhere says so, for the metrics and the log.",
	}, func(_ context.Context, in *insertedInput) (*body[v1.Inserted], error) {
		s.services.Live.Inserted(recording.ID(in.ID), dictate.Delivery{Method: in.Body.Method, Proved: in.Body.Proved, Version: in.Body.Version, Kind: in.Body.Kind, Code: in.Body.Code})
		return answer(in.Body), nil
	})
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: "/live/{id}/events", role: roleClient, thing: thingRecording, summary: "Follow a dictation",
			description: "Server-sent events, numbered from 1 without holes. A client that names the last event it read gets the ones after it, also from a daemon that was started again. " +
				"Partial texts and levels have no number and are not repeated; a slow client loses some of them, and is told how many. The stream ends after the event state with done or failed.",
			errors: []scout.Code{scout.CodeNotFound, scout.CodeGone},
		},
		parameters: append(positionParameters(), idParameter(), &huma.Param{
			Name: "level", In: "query", Description: "true: levels too, twenty times a second", Schema: &huma.Schema{Type: huma.TypeBoolean},
		}),
		answers: []string{eventStream}, long: always, handler: s.live,
	})
}

type insertedInput struct {
	ByID
	Body v1.Inserted
}

// live sends the events of one dictation.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	after, _, err := position(r)
	var f feed
	var leave func()
	if err == nil {
		f, leave, err = s.dictation(r.Context(), r.PathValue("id"), after, r.URL.Query().Get("level") == "true")
	}
	if err != nil {
		writeError(w, err)
		return
	}
	defer leave()
	s.send(w, r, f)
}

// dictation is the feed of one dictation behind an event. The caller calls leave, once it reads nothing of it any more.
func (s *Server) dictation(ctx context.Context, id string, after uint64, levels bool) (f feed, leave func(), err error) {
	replay, err := s.store().Events(ctx, store.LiveStream(id), after, 1)
	switch {
	case err != nil:
	case replay.Last == 0 && !s.opening(id):
		err = scout.Errorf(scout.CodeNotFound, "there is no dictation %s", id)
	case replay.Reset && replay.Last > 0:
		err = scout.Errorf(scout.CodeGone, "the events of dictation %s are not kept any more", id).WithHint("read its text: GET /transcripts/ID")
	}
	if err != nil {
		return f, nil, err
	}
	f = feed{kind: "live", stream: store.LiveStream(id), after: after, builds: func(e *store.Event) bool { return e.Type == event.Committed }}
	listener := s.services.Live.Listen(recording.ID(id), levels)
	if listener == nil {
		return f, func() {}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var pump sync.WaitGroup
	passing := make(chan passing)
	f.passing = passing
	pump.Go(func() { pass(ctx, listener, passing) }) // ended by cancel
	return f, func() {
		listener.Close()
		cancel()
		pump.Wait()
	}, nil
}

// opening reports whether a dictation has begun whose first event is not written yet.
func (s *Server) opening(id string) bool {
	l := s.services.Live.Listen(recording.ID(id), false)
	if l == nil {
		return false
	}
	l.Close()
	return true
}

// pass moves what a listener gets to a feed. Where the feed is slow the listener loses, not this.
func pass(ctx context.Context, l *dictate.Listener, to chan<- passing) {
	send := func(e event.Event, missed uint64) bool {
		if missed > 0 {
			select {
			case to <- passing{kind: event.Missed, body: event.Event{Type: event.Missed, Count: missed}}:
			case <-ctx.Done():
				return false
			}
		}
		select {
		case to <- passing{kind: e.Type, body: e, after: e.After, text: e.Type == event.Partial}:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if l.Newest != nil && !send(*l.Newest, 0) {
		return
	}
	partial, levels := l.Partial(), l.Levels()
	for partial != nil || levels != nil {
		select {
		case item, open := <-partial:
			if !open {
				partial = nil
			} else if !send(item.Value, item.Missed) {
				return
			}
		case item, open := <-levels:
			if !open {
				levels = nil
			} else if !send(item.Value, 0) { // levels are lost without a word
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
