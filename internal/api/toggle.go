package api

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// EventNotDescribed is logged when the title and the tags of a recording that a toggle began could not be kept.
const EventNotDescribed = "recording_not_described"

// toggle starts a dictation or stops the one that is recorded. Sent again with the same Idempotency-Key, it does nothing twice, also
// if the daemon was killed in between.
func (s *Server) toggle(ctx context.Context, in *optional[v1.Start]) (*body[v1.Toggled], error) {
	request, order, said, err := s.asked(in)
	if err != nil {
		return nil, err
	}
	if again, err := s.toggledBefore(ctx); again != nil || err != nil {
		return again, err
	}
	text, err := s.promiseFor(ctx, orElse(request.Transcribe, true), &request.TextOptions)
	if scout.CodeOf(err) == scout.CodeModelLanguage || scout.CodeOf(err) == scout.CodeModelNotInstalled {
		text.wanted, err = false, nil // the events say so; the recording is made
	}
	if err != nil {
		return nil, err
	}
	toggled, err := s.services.Live.Toggle(ctx, order, liveRequest(request), dictate.Watch{
		Decided: func(what dictate.Toggled) {
			s.intendTo(ctx, what.ID, v1.Toggled{State: what.State, ID: string(what.ID)})
			noteRecording(ctx, string(what.ID))
		},
		Begins: text.make,
		Begun: func(id recording.ID) {
			if err := s.describe(ctx, id, said); err != nil {
				s.log.Warn(EventNotDescribed, slog.String(recording.KeyRecording, string(id)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
			}
		},
	})
	if err != nil {
		s.intend(ctx, "") // sent again, it decides again
		return nil, err
	}
	return answer(v1.Toggled{State: toggled.State, ID: string(toggled.ID)}), nil
}

// toggledBefore completes a request that was sent before, and during which the daemon ended. It returns nil if the request is new, or
// if nothing of it has happened.
func (s *Server) toggledBefore(ctx context.Context) (*body[v1.Toggled], error) {
	id := begunWith(ctx)
	if id == "" {
		return nil, nil
	}
	var before v1.Toggled
	if err := json.Unmarshal(intended(ctx), &before); err != nil || before.ID != string(id) {
		return nil, nil //nolint:nilerr // a note of another form: the request is new
	}
	m, err := s.services.Recorder.Folder().Manifest(id)
	switch {
	case before.State == event.Starting && err == nil:
		return answer(before), nil
	case before.State == event.Starting: // it never began
		s.intend(ctx, "")
		status, err := s.services.Recorder.Status(ctx)
		if err == nil && status.Recording != nil { // this request was not meant to stop that
			err = scout.Errorf(scout.CodeAlreadyRecording, "recording %s is in progress", status.Recording.ID).WithHint("to stop it: scout stop")
		}
		return nil, err
	case err == nil && m.State == recording.StateRecording:
		if _, err := s.finish(ctx, id); err != nil {
			return nil, err
		}
		s.ended(id)
	}
	return answer(before), nil
}
