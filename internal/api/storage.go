package api

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// eventStorageRemoved is logged where a person has removed something of what is stored.
const eventStorageRemoved = "storage_removed"

// Storage tells what Scout keeps on the disk, and removes kinds of it.
type Storage interface {
	Stored(ctx context.Context) (v1.Storage, error)
	Remove(ctx context.Context, kind string) (v1.StorageRemoved, error)
}

// registerStorage adds what tells where things are kept, and how the machine was used.
func (s *Server) registerStorage(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/storage", summary: "What is stored where",
		description: "The folders and files of Scout with their sizes, how many browsers have a session, and where something leaves this machine.",
		errors:      []scout.Code{scout.CodeReadFailed},
	}, func(ctx context.Context, _ *none) (*body[v1.Storage], error) {
		out, err := s.services.Storage.Stored(ctx)
		out.Sessions = s.sessions.count()
		return answer(out), err
	})
	operation(api, about{
		method: http.MethodPost, path: "/storage/remove", summary: "Remove a kind of what is stored",
		description: "Removes it for good, at once, without the trash. Of recordings, what is being made, or open in a program, is left and counted; ask again for the rest.",
		errors:      []scout.Code{scout.CodeStoreLocked, scout.CodeWriteFailed},
	}, func(ctx context.Context, in *input[v1.StorageRemove]) (*body[v1.StorageRemoved], error) {
		out, err := s.services.Storage.Remove(ctx, in.Body.Kind)
		s.log.Info(eventStorageRemoved, slog.String("what", in.Body.Kind), slog.Int("removed", out.Removed), slog.Int64("bytes", out.FreedBytes))
		return answer(out), err
	})
	operation(api, about{
		method: http.MethodGet, path: "/status/history", summary: "How the figures of the daemon went",
		description: "Memory, processor, queue, waits, errors and the level of degradation, since the daemon started: of the last hour in steps of ten seconds, or of the last day in steps of five minutes. The last point still grows. They are kept in memory alone.",
	}, func(_ context.Context, in *struct {
		Span string `query:"span" enum:"hour,day" default:"hour"`
	},
	) (*body[v1.StatusHistory], error) {
		return answer(s.services.StatusHistory(in.Span)), nil
	})
}
