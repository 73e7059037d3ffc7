package api

import (
	"context"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// beginOnce starts a recording. A request with a key that was sent before, and whose answer was lost with the process, gets
// the recording of the first time, also if that has ended meanwhile.
func (s *Server) beginOnce(ctx context.Context, order recording.Order, request *v1.Start, begins func(recording.ID)) (recording.Started, error) {
	before := begunWith(ctx)
	if before != "" {
		order.ID = before
		if m, err := s.services.Recorder.Folder().Manifest(before); err == nil && m.State != recording.StateRecording {
			return recording.Started{ID: m.ID, StartedAt: m.StartedAt, Format: m.Format, Device: m.Device}, nil
		}
	}
	started, err := s.begin(ctx, order, request, func(id recording.ID) {
		s.intend(ctx, id)
		begins(id)
	})
	if err != nil {
		s.intend(ctx, "") // sent again, it begins another recording
		return started, err
	}
	if before != "" {
		started.Already = false
	}
	return started, nil
}

// inTrash returns the manifest of a recording that lies in the trash.
func (s *Server) inTrash(id recording.ID) (m recording.Manifest, found bool) {
	if id == "" {
		return m, false
	}
	folder := s.services.Recorder.Folder()
	seen, err := folder.Sight(id)
	if err != nil || !seen.Trashed {
		return m, false
	}
	m, err = folder.ManifestOf(id, seen)
	return m, err == nil
}

// descriptionOf is what a start says about the recording for people. Labels go into its manifest.
func descriptionOf(r v1.Start) (store.Description, error) {
	said := store.Description{}
	if r.Title != "" {
		said.Title = &r.Title
	}
	if len(r.Tags) > 0 {
		said.Tags = &r.Tags
	}
	for _, field := range []struct {
		at    string
		value store.Description
	}{{"body.title", store.Description{Title: said.Title}}, {"body.tags", store.Description{Tags: said.Tags}}} {
		if err := field.value.Validate(); err != nil {
			return said, &v1.InputError{Location: field.at, Err: err}
		}
	}
	return said, nil
}

// describe keeps what a start said about the recording.
func (s *Server) describe(ctx context.Context, id recording.ID, said store.Description) error {
	if said.Title == nil && said.Tags == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	err := s.services.History.See(ctx, string(id))
	if err == nil {
		err = s.store().Update(ctx, func(tx store.Tx) error {
			_, err := tx.Describe(string(id), said)
			return err
		})
	}
	if err == nil {
		return nil
	}
	return scout.Errorf(scout.CodeOf(err), "the recording goes on, but its title and tags were not kept: %w", err).WithHint("%s", scout.HintOf(err))
}

// warningOf is an error that goes with an answer of success.
func (s *Server) warningOf(err error) *v1.Error {
	_, body := v1.ErrorOf(err)
	return &body.Error
}

func deviceOf(d recording.Device) v1.DeviceInfo {
	return v1.DeviceInfo{ID: d.ID, Name: d.Name, Delivers: d.Delivers}
}
