package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/export"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// deletedOutput is 200 with the time until which a deletion can be undone, or 204 where it cannot.
type deletedOutput struct {
	Status int
	Body   *v1.Deleted
}

// registerDiscard adds what deletes, restores and checks recordings.
func (s *Server) registerDiscard(api huma.API) {
	operation(api, about{
		method: http.MethodDelete, path: "/recordings/{id}", role: roleClient, thing: thingRecording, summary: "Delete a recording",
		description: "Moves audio and text to the trash. They can be restored until undo_until. With purge=true both are removed at once, with everything that is known about the recording, and the answer is 204. " +
			"With audio=only the audio is removed at once and the text stays.",
		errors: []scout.Code{scout.CodeRecordingNotFound, scout.CodeRecordingInUse, scout.CodeGone}, also: []int{http.StatusNoContent},
	}, s.deleteRecording)
	operation(api, about{
		method: http.MethodPost, path: "/recordings/{id}/restore", role: roleClient, thing: thingRecording, summary: "Restore a deleted recording",
		description: "Takes audio and text out of the trash.",
		errors:      []scout.Code{scout.CodeRecordingNotFound, scout.CodeConflict, scout.CodeGone},
	}, s.restoreRecording)
	operation(api, about{
		method: http.MethodPost, path: "/recordings/{id}/verify", role: roleClient, thing: thingRecording, summary: "Check the audio of a recording",
		description: "Reads every byte and compares it with the checksum. A recording that is damaged is an answer with intact false, code and message.",
		errors:      []scout.Code{scout.CodeRecordingNotFound, scout.CodeRecordingInUse, scout.CodeGone},
	}, func(ctx context.Context, in *ByID) (*body[v1.Verified], error) {
		r, err := s.withAudio(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		_, err = s.folderOf(recording.ID(r.ID)).Verify(recording.ID(r.ID))
		if scout.CodeOf(err) == scout.CodeRecordingCorrupt {
			return answer(v1.Verified{Code: scout.CodeOf(err), Message: scout.Plain(err)}), nil
		}
		return answer(v1.Verified{Intact: err == nil}), err
	})
}

func (s *Server) deleteRecording(ctx context.Context, in *struct {
	ByID
	Purge bool   `query:"purge" doc:"Remove everything at once"`
	Audio string `query:"audio" enum:"only" doc:"Remove the audio alone, at once"`
},
) (*deletedOutput, error) {
	if err := ownersOnly(ctx); in.Purge && err != nil {
		return nil, err
	}
	if in.Purge && in.Audio != "" {
		return nil, unprocessable("query.audio", "purge and audio exclude each other")
	}
	r, err := s.recording(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // what has begun is completed
	id := recording.ID(r.ID)
	folder := s.folderOf(id)
	switch {
	case in.Purge:
		if err := s.services.Retention.Purge(ctx, r.ID); err != nil {
			return nil, err
		}
		if s.services.Uploads != nil {
			if err := s.services.Uploads.Purged(r.ID); err != nil {
				return nil, err
			}
		}
		return &deletedOutput{Status: http.StatusNoContent}, nil
	case in.Audio != "":
		if r.Audio == store.AudioRemoved {
			return nil, export.Gone(&r)
		}
		if err := folder.Delete(id); err != nil {
			return nil, err
		}
		return &deletedOutput{Status: http.StatusOK, Body: &v1.Deleted{}}, s.services.History.See(ctx, r.ID)
	}
	err = folder.Trash(id)
	if err == nil {
		err = s.services.History.See(ctx, r.ID)
	} else if scout.CodeOf(err) == scout.CodeRecordingNotFound { // it has no audio, or is in the trash already
		err = nil
	}
	if err != nil {
		return nil, err
	}
	var deleted store.Recording
	if err := s.store().Update(ctx, func(tx store.Tx) (err error) { deleted, err = tx.Delete(r.ID); return err }); err != nil {
		return nil, err
	}
	return &deletedOutput{Status: http.StatusOK, Body: &v1.Deleted{UndoUntil: s.undoUntil(deleted.DeletedAt), Already: !r.DeletedAt.IsZero()}}, nil
}

func (s *Server) restoreRecording(ctx context.Context, in *ByID) (*described, error) {
	r, err := s.recording(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if r.DeletedAt.IsZero() {
		return nil, scout.Errorf(scout.CodeConflict, "recording %s is not in the trash", r.ID)
	}
	ctx = context.WithoutCancel(ctx)
	err = s.folderOf(recording.ID(r.ID)).Restore(recording.ID(r.ID))
	switch {
	case err == nil:
		err = s.services.History.See(ctx, r.ID)
	case scout.CodeOf(err) == scout.CodeRecordingNotFound: // it has no audio
		err = s.store().Update(ctx, func(tx store.Tx) error { _, err := tx.Restore(r.ID); return err })
	}
	if err != nil {
		return nil, err
	}
	if r, err = s.store().Recording(ctx, r.ID); err != nil {
		return nil, err
	}
	noteRecording(ctx, r.ID)
	return s.describedOf(ctx, &r), nil
}

// undoUntil is how long what was deleted can be restored; nil for ever.
func (s *Server) undoUntil(deleted time.Time) *v1.Time {
	kept := s.services.Retention.Keep().Trash
	if kept == 0 {
		return nil
	}
	return v1.TimeOf(deleted.Add(kept))
}

// withAudio returns a recording whose audio is there, and not in the trash.
func (s *Server) withAudio(ctx context.Context, id string) (store.Recording, error) {
	r, err := s.recording(ctx, id)
	if err == nil && (r.Audio == store.AudioRemoved || !r.DeletedAt.IsZero()) {
		err = export.Gone(&r)
	}
	return r, err
}
