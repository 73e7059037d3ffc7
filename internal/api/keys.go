package api

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/oklog/ulid/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
)

// Log events.
const (
	eventKeyCreated = "key_created"
	eventKeyRevoked = "key_revoked"
)

// createdKey is a key that was made, with 201.
type createdKey struct {
	Status int
	Body   v1.NewKey
}

// registerKeys adds the keys with which programs use Scout over the network.
func (s *Server) registerKeys(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/keys", summary: "List the keys",
		description: "The keys with which programs use Scout over the network, oldest first. The keys themselves are not kept.",
	}, func(ctx context.Context, _ *none) (*body[v1.Keys], error) {
		keys, err := s.keys.all(ctx)
		if err != nil {
			return nil, err
		}
		out := v1.Keys{Data: make([]v1.Key, len(keys))}
		for i := range keys {
			out.Data[i] = keyOf(&keys[i])
		}
		return answer(out), nil
	})
	operation(api, about{
		method: http.MethodPost, path: "/keys", summary: "Make a key",
		description: "The answer has the key, which is shown this once. A client uploads files, has texts made of them, and sees what it made; recording is the owner's. An owner may do everything.",
		status:      http.StatusCreated, errors: []scout.Code{scout.CodeConflict}, secret: true,
	}, s.createKey)
	operation(api, about{
		method: http.MethodDelete, path: "/keys/{id}", summary: "Delete a key",
		description: "Requests with this key are refused from now on, and its sessions and open streams end. What was made with it stays.",
		status:      http.StatusNoContent, errors: []scout.Code{scout.CodeNotFound},
	}, s.deleteKey)
}

func keyOf(k *store.AccessKey) v1.Key {
	return v1.Key{ID: k.ID, Name: k.Name, Role: k.Role, RequestsPerMinute: k.RequestsPerMinute, CreatedAt: v1.Time{Time: k.CreatedAt}}
}

func (s *Server) createKey(ctx context.Context, in *input[v1.KeyRequest]) (*createdKey, error) {
	key := newKey()
	made := store.AccessKey{
		ID: keyIDPrefix + strings.ToLower(ulid.Make().String()), Name: in.Body.Name, Role: in.Body.Role, Hash: sha256.Sum256([]byte(key)), RequestsPerMinute: in.Body.RequestsPerMinute,
	}
	err := s.store().Update(ctx, func(tx store.Tx) (err error) {
		made, err = tx.PutAccessKey(made)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.keys.forget()
	s.log.Info(eventKeyCreated, slog.String("key", made.ID))
	return &createdKey{http.StatusCreated, v1.NewKey{Key: keyOf(&made), Secret: key}}, nil
}

func (s *Server) deleteKey(ctx context.Context, in *ByID) (*none, error) {
	if err := s.store().Update(ctx, func(tx store.Tx) error { return tx.DeleteAccessKey(in.ID) }); err != nil {
		return nil, err
	}
	s.keys.forget()
	s.sessions.endOf(in.ID)
	s.underway.endKey(in.ID)
	s.rates.forget(in.ID)
	s.log.Info(eventKeyRevoked, slog.String("key", in.ID))
	return new(none), nil
}
