package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// registerModels adds what tells which models there are: a job may name one.
func (s *Server) registerModels(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/models", role: roleClient, summary: "List the models",
		description: "Those of the catalogue in its order, then other ones that are installed, then the user's own. It looks at names and sizes, and reads no model.",
	}, func(ctx context.Context, _ *none) (*body[v1.Models], error) {
		list, err := s.models(ctx)
		return answer(v1.Models{Data: list}), err
	})
	operation(api, about{
		method: http.MethodGet, path: "/models/{id}", role: roleClient, summary: "Get a model",
		description: "One of the models that the list has.", errors: []scout.Code{scout.CodeModelUnknown},
	}, func(ctx context.Context, in *ByID) (*body[v1.Model], error) {
		list, err := s.models(ctx)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if list[i].ID == in.ID {
				return answer(list[i]), nil
			}
		}
		return nil, scout.Errorf(scout.CodeModelUnknown, "there is no model %q", in.ID)
	})
}

// models are all models. What is wrong with one may name folders, and is for the owner.
func (s *Server) models(ctx context.Context) ([]v1.Model, error) {
	list, err := s.services.Models(ctx)
	if callerOf(ctx).role != roleOwner {
		for i := range list {
			list[i].Problem = ""
		}
	}
	return list, err
}
