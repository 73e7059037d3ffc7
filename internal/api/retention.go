package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/retention"
	"github.com/scout-speech/scout/internal/store"
)

// Retention removes what was kept long enough, and purges on request. *retention.Sweeper is one.
type Retention interface {
	Keep() store.Retention
	Due(ctx context.Context) (store.Due, error)
	Sweep(ctx context.Context) (retention.Swept, error)
	Purge(ctx context.Context, id string) error
	PurgeText(ctx context.Context, key store.Key) error
}

// registerRetention adds what removes things for good.
func (s *Server) registerRetention(api huma.API) {
	operation(api, about{
		method: http.MethodPost, path: "/recordings/prune", summary: "Remove what was kept long enough",
		description: "Does at once what the daemon does every hour: removes the audio of dictations, the content of the trash and old events whose time is over. With dry_run it removes nothing and lists what is due.",
	}, s.prune)
	operation(api, about{
		method: http.MethodDelete, path: "/transcripts/{id}", role: roleClient, thing: thingTranscript, summary: "Delete a transcript",
		description: "Moves the text to the trash and leaves the audio as it is. It can be restored until undo_until. With purge, the text goes for good: all versions, and every byte of it in Scout's files, and the answer is 204. " +
			"With purge and audio, the recording goes with everything that is known about it.",
		errors: []scout.Code{scout.CodeNotFound, scout.CodeRecordingInUse, scout.CodeStoreLocked}, also: []int{http.StatusNoContent},
	}, s.deleteTranscript)
}

func (s *Server) prune(ctx context.Context, in *struct{ Body v1.Prune }) (*body[v1.Pruned], error) {
	if in.Body.DryRun {
		due, err := s.services.Retention.Due(ctx)
		if err != nil {
			return nil, err
		}
		out := v1.Pruned{DryRun: true, Audio: []v1.Expired{}, Trash: []v1.Expired{}, Texts: []string{}}
		for _, e := range due.Audio {
			out.Audio, out.FreedBytes = append(out.Audio, expiredOf(e)), out.FreedBytes+e.Bytes
		}
		for _, e := range due.Purge {
			out.Trash, out.FreedBytes = append(out.Trash, expiredOf(e)), out.FreedBytes+e.Bytes
		}
		for _, key := range due.Texts {
			out.Texts = append(out.Texts, key.String())
		}
		out.Removed = v1.Removed{Audio: len(out.Audio), Recordings: len(out.Trash), Texts: len(out.Texts)}
		return answer(out), nil
	}
	swept, err := s.services.Retention.Sweep(ctx)
	if err != nil {
		return nil, err
	}
	return answer(v1.Pruned{
		Removed: v1.Removed{Audio: swept.Audio, Recordings: swept.Recordings, Texts: swept.Texts}, FreedBytes: swept.Bytes, InUse: swept.InUse,
	}), nil
}

func expiredOf(e store.Expired) v1.Expired {
	return v1.Expired{ID: e.Recording, StartedAt: v1.Time{Time: e.StartedAt}, Seconds: v1.Seconds(e.Duration), SizeBytes: e.Bytes}
}

func (s *Server) deleteTranscript(ctx context.Context, in *struct {
	ByID
	Purge bool `query:"purge" doc:"Remove it for good, without the trash"`
	Audio bool `query:"audio" doc:"With purge: the whole recording, audio and all"`
},
) (*deletedOutput, error) {
	if err := ownersOnly(ctx); in.Purge && err != nil {
		return nil, err
	}
	if in.Audio && !in.Purge {
		return nil, unprocessable("query.audio", "audio goes with purge")
	}
	key, err := s.key(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Audio:
		return &deletedOutput{Status: http.StatusNoContent}, s.services.Retention.Purge(ctx, key.Recording)
	case in.Purge:
		return &deletedOutput{Status: http.StatusNoContent}, s.services.Retention.PurgeText(ctx, key)
	}
	var before store.Transcript
	var deleted store.Summary
	err = s.store().Update(ctx, func(tx store.Tx) (err error) {
		if before, err = tx.Transcript(key, 0); err == nil {
			deleted, err = tx.DeleteTranscript(key)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &deletedOutput{Status: http.StatusOK, Body: &v1.Deleted{UndoUntil: s.undoUntil(deleted.DeletedAt), Already: !before.DeletedAt.IsZero()}}, nil
}
