package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// described is a recording with its ETag.
type described struct {
	ETag string `header:"ETag"`
	Body v1.RecordingInfo
}

// describedOf is a recording as it is now.
func (s *Server) describedOf(ctx context.Context, r *store.Recording) *described {
	info := s.infoOf(ctx, r)
	return &described{etag(strconv.FormatInt(r.Revision, 10), info), info}
}

// registerRecordings adds what is known about recordings, and what people say about them.
func (s *Server) registerRecordings(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/recordings", role: roleClient, summary: "List recordings",
		description: "One page of the recordings that match the filter, newest first.",
	}, func(ctx context.Context, in *Filter) (*body[v1.Page[v1.RecordingInfo]], error) {
		f, page, err := in.store(ctx)
		if err != nil {
			return nil, err
		}
		list, err := s.store().Recordings(ctx, f, page)
		if err != nil {
			return nil, err
		}
		out := v1.Page[v1.RecordingInfo]{Data: make([]v1.RecordingInfo, len(list.Data)), NextCursor: list.Next}
		for i := range list.Data {
			out.Data[i] = s.infoOf(ctx, &list.Data[i])
		}
		return answer(out), nil
	})
	operation(api, about{
		method: http.MethodGet, path: "/tags", role: roleClient, summary: "List tags",
		description: "All tags of recordings that are not in the trash, with the number of recordings that have each, the most used first. A client sees those of its own recordings.",
	}, s.listTags)
	operation(api, about{
		method: http.MethodGet, path: "/recordings/{id}", role: roleClient, thing: thingRecording, summary: "Get a recording",
		description: "What is known about one recording. An owner may shorten the id to its beginning or end, as long as it is unique.",
		errors:      []scout.Code{scout.CodeRecordingNotFound},
	}, func(ctx context.Context, in *ByID) (*described, error) {
		r, err := s.recording(ctx, in.ID)
		if scout.CodeOf(err) == scout.CodeRecordingNotFound {
			found, listErr := only(ctx, in.ID, s.store().Recordings, func(r *store.Recording) string { return r.ID })
			if listErr != nil {
				return nil, listErr
			}
			if found != nil {
				r, err = *found, nil
			}
		}
		if err != nil {
			return nil, err
		}
		return s.describedOf(ctx, &r), nil
	})
	operation(api, about{
		method: http.MethodPatch, path: "/recordings/{id}", role: roleClient, thing: thingRecording, summary: "Change title, tags or labels of a recording",
		description: "A JSON Merge Patch: fields that are left out stay as they are, and null removes. tags replaces all tags.", merges: true,
		errors: []scout.Code{scout.CodeRecordingNotFound, scout.CodePreconditionFailed},
	}, func(ctx context.Context, in *struct {
		ByID
		IfMatch string `header:"If-Match"`
		Body    v1.Describe
	},
	) (*described, error) {
		before, err := s.recording(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		revision, err := matching(in.IfMatch, int(before.Revision))
		if err != nil {
			return nil, err
		}
		labels := in.Body.Labels
		if in.Body.NoLabels {
			labels = make(map[string]*string)
			for name := range before.Labels {
				labels[name] = nil
			}
		}
		change := store.Description{Title: in.Body.Title, Tags: in.Body.Tags, Labels: labels, IfRevision: int64(revision)}
		if err := change.Validate(); err != nil {
			return nil, err
		}
		var r store.Recording
		if err := s.store().Update(ctx, func(tx store.Tx) (err error) { r, err = tx.Describe(before.ID, change); return err }); err != nil {
			return nil, err
		}
		return s.describedOf(ctx, &r), nil
	})
}

// listTags counts the tags of the caller's recordings.
func (s *Server) listTags(ctx context.Context, _ *struct{}) (*body[v1.Tags], error) {
	tags, err := s.store().Tags(ctx, clientOf(ctx))
	if err != nil {
		return nil, err
	}
	out := v1.Tags{Data: make([]v1.TagCount, len(tags))}
	for i, tag := range tags {
		out.Data[i] = v1.TagCount(tag)
	}
	return answer(out), nil
}

// recording returns a recording as its files are now, also one that the store has not seen yet.
func (s *Server) recording(ctx context.Context, id string) (store.Recording, error) {
	return s.services.History.Agreed(ctx, id)
}

func (s *Server) infoOf(ctx context.Context, r *store.Recording) v1.RecordingInfo {
	out := v1.RecordingInfo{
		ID: r.ID, State: r.State, Source: string(r.Source), StartedAt: v1.Time{Time: r.StartedAt}, EndedAt: v1.TimeOf(r.EndedAt),
		Seconds: v1.Seconds(r.Duration), LostFrames: r.LostFrames, SizeBytes: r.Bytes, Audio: string(r.Audio), Title: r.Title, Tags: r.Tags, Labels: r.Labels,
		DeletedAt: v1.TimeOf(r.DeletedAt), Snippets: snippetsOf(r.Snippets), Client: r.Client, Transcript: s.textOf(r),
	}
	if len(r.Manifest) > 0 {
		_ = json.Unmarshal(r.Manifest, &out.Manifest) // the store keeps what the recorder wrote; what cannot be read is left out
		if out.SHA256 != "" || r.Audio == store.AudioPresent {
			out.MediaType = mediaIn(r.Manifest)
		}
		if r.Audio == store.AudioPresent && r.DeletedAt.IsZero() && callerOf(ctx).role == roleOwner {
			out.Path = s.folderOf(recording.ID(r.ID)).AudioPath(recording.ID(r.ID))
		}
	}
	if r.Transcript != nil {
		out.TranscribedAt = v1.TimeOf(r.Transcript.CreatedAt)
	}
	return out
}

// textOf says whether a recording has a text, or will have one.
func (s *Server) textOf(r *store.Recording) v1.RecordingText {
	out := v1.RecordingText{State: "none"}
	if t := r.Transcript; t != nil {
		out = v1.RecordingText{
			State: "done", Version: t.Version.Version, Kind: string(t.Kind), Model: t.Model, Words: t.Words, Preview: t.Preview, DeletedAt: v1.TimeOf(t.DeletedAt),
		}
	}
	promised := s.owed(recording.ID(r.ID))
	if promised == nil {
		return out
	}
	switch backlog.State(promised.State) {
	case backlog.Running:
		out.State = "running"
	case backlog.Recording, backlog.Queued, backlog.Waiting:
		out.State = "queued"
	case backlog.Failed:
		if r.Transcript == nil {
			out.State = "failed"
		}
	case backlog.Done: // the store has it
	}
	return out
}
