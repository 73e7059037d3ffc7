package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/installation"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
)

// Models are the models of the machine.
type Models interface {
	// List lists the models of the catalogue, those that are installed, and the user's own. It reads no model.
	List(ctx context.Context) ([]v1.Model, error)
	// Pullable reports whether a model is installed and whole, prepared graphs included, and otherwise whether it can be installed from there
	// and there is room for it.
	Pullable(ctx context.Context, id, from string) (installed bool, err error)
	// Use makes an installed model that of a role.
	Use(ctx context.Context, id, role string) error
	// Load starts the engine of a model and waits until it is ready. Unload ends it, unless it is used.
	Load(ctx context.Context, id string) error
	Unload(ctx context.Context, id string) error
	// Verify reads every byte of an installed model. problem is what is wrong with it; empty for nothing.
	Verify(ctx context.Context, id string) (problem string, err error)
	// Remove deletes a model that is not used.
	Remove(ctx context.Context, id string) error
}

// registerModels adds what tells which models there are, and what changes them.
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
	}, func(ctx context.Context, in *ByID) (*body[v1.Model], error) { return s.model(ctx, in.ID) })
	operation(api, about{
		method: http.MethodPost, path: "/models/{id}/pull", summary: "Install a model",
		description: "Makes a job of the kind model_pull, which installs the model, or repairs it, and tells its progress in bytes. Each file is compared with its checksum, and all take their place in one step. " +
			"An attempt that was interrupted, cancelled or held back leaves what it has fetched, and the next one continues there. While a job installs the model, the same request is that job; from elsewhere it is 409. " +
			"If the model is installed and whole, the answer is 200 with the model.",
		errors: []scout.Code{scout.CodeModelUnknown, scout.CodeConflict, scout.CodeQueueFull, scout.CodeDiskFull, scout.CodeDiskLow, scout.CodeConfigInvalid},
		status: http.StatusAccepted, body: v1.Job{}, also: []int{http.StatusOK}, alsoBody: v1.Model{},
	}, func(ctx context.Context, in *struct {
		ByID
		Body *v1.PullModel
	},
	) (*pullOutput, error) {
		from := ""
		if in.Body != nil {
			from = in.Body.From
		}
		return s.pullModel(ctx, in.ID, from)
	})
	operation(api, about{
		method: http.MethodPost, path: "/models/{id}/use", summary: "Choose a model for a role",
		description: "Makes an installed model the fast or the accurate one, in the settings file: the setting models.fast or models.accurate. It takes effect at once, for what begins after it. " +
			"The answer is 409 while the setting transcribe.model names one model for everything, or a flag or a variable names that of the role.",
		errors: []scout.Code{scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeModelCorrupt, scout.CodeConfigInvalid, scout.CodeConflict, scout.CodeBusy, scout.CodeDiskFull},
	}, func(ctx context.Context, in *struct {
		ByID
		Body v1.UseModel
	},
	) (*body[v1.Model], error) {
		return s.changeModel(ctx, in.ID, func(id string) error { return s.services.Models.Use(ctx, id, in.Body.Role) })
	})
	operation(api, about{
		method: http.MethodPost, path: "/models/{id}/load", summary: "Load a model",
		description: "Starts the engine of the model and waits until it is ready, so that the first text does not. It is unloaded when it was idle for engine.idle, as after a text. Repeating it does no harm.",
		errors: []scout.Code{
			scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeModelCorrupt, scout.CodeEngineUnavailable, scout.CodeEngineStart, scout.CodeEngineLoadTimeout, scout.CodeEngineMissing, scout.CodeOutOfMemory,
		},
	}, func(ctx context.Context, in *ByID) (*body[v1.Model], error) {
		return s.changeModel(ctx, in.ID, func(id string) error { return s.services.Models.Load(ctx, id) })
	})
	operation(api, about{
		method: http.MethodPost, path: "/models/{id}/unload", summary: "Unload a model",
		description: "Ends the engine of the model, whose memory is free then. The next text loads it again. While a dictation, a job or a self-test uses the model, the answer is 409. Repeating it does no harm.",
		errors:      []scout.Code{scout.CodeModelUnknown, scout.CodeModelInUse},
	}, func(ctx context.Context, in *ByID) (*body[v1.Model], error) {
		return s.changeModel(ctx, in.ID, func(id string) error { return s.services.Models.Unload(ctx, id) })
	})
	operation(api, about{
		method: http.MethodPost, path: "/models/{id}/verify", summary: "Check every byte of a model",
		description: "Reads the files of an installed model and compares them with their checksums, and its prepared graphs with those from when they were made. If something is wrong, the state of the model in the answer is corrupt, and problem says what. Pulling the model repairs it.",
		errors:      []scout.Code{scout.CodeModelUnknown, scout.CodeModelNotInstalled},
	}, func(ctx context.Context, in *ByID) (*body[v1.Model], error) {
		problem := ""
		out, err := s.changeModel(ctx, in.ID, func(id string) (err error) {
			problem, err = s.services.Models.Verify(ctx, id)
			return err
		})
		if err == nil && problem != "" {
			out.Body.State, out.Body.Problem = v1.ModelCorrupt, problem
		}
		return out, err
	})
	operation(api, about{
		method: http.MethodDelete, path: "/models/{id}", summary: "Delete a model",
		description: "Deletes an installed model, and what an interrupted pull has left of it. It is 409 while the model is selected or the default, a setting names it, a text is made with it, a job that has not ended names it, or a job installs it. A model of the user's own is never deleted.",
		errors:      []scout.Code{scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeModelInUse}, status: http.StatusNoContent,
	}, func(ctx context.Context, in *ByID) (*none, error) {
		if _, err := s.model(ctx, in.ID); err != nil {
			return nil, err
		}
		return &none{}, s.services.Models.Remove(ctx, in.ID)
	})
}

// models are all models. What is wrong with one may name folders, and is for the owner, as the jobs are that install them.
func (s *Server) models(ctx context.Context) ([]v1.Model, error) {
	list, err := s.services.Models.List(ctx)
	if callerOf(ctx).role != roleOwner {
		for i := range list {
			list[i].Problem, list[i].JobID = "", ""
		}
	}
	return list, err
}

// model is one of the models.
func (s *Server) model(ctx context.Context, id string) (*body[v1.Model], error) {
	list, err := s.models(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].ID == id {
			return answer(list[i]), nil
		}
	}
	return nil, scout.Errorf(scout.CodeModelUnknown, "there is no model %q", id)
}

// changeModel changes a model that there is, and returns it as it is then.
func (s *Server) changeModel(ctx context.Context, id string, change func(id string) error) (*body[v1.Model], error) {
	if _, err := s.model(ctx, id); err != nil {
		return nil, err
	}
	if err := change(id); err != nil {
		return nil, err
	}
	return s.model(ctx, id)
}

// pullOutput is a job that installs a model, or the model.
type pullOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     any
}

// pullModel makes a job that installs a model, or finds the one that does.
func (s *Server) pullModel(ctx context.Context, id, from string) (*pullOutput, error) {
	found, err := s.model(ctx, id)
	if err != nil {
		return nil, err
	}
	installed, err := s.services.Models.Pullable(ctx, id, from)
	if err != nil {
		return nil, err
	}
	if installed {
		return &pullOutput{Status: http.StatusOK, Location: prefix + "/models/" + id, Body: found.Body}, nil
	}
	request := installation.Request{Model: id, From: from}
	o := job.Order{Kind: job.KindModelPull, Client: callerOf(ctx).id, Key: request.Key(), Renew: true, Traceparent: observe.Traceparent(ctx)}
	if o.Options, err = json.Marshal(request); err != nil {
		return nil, err
	}
	var out *pullOutput
	o.Also = func(tx store.Tx, j *store.Job, made bool) error {
		if !made && string(j.Options) != string(o.Options) {
			return scout.Errorf(scout.CodeConflict, "job %s installs model %s from elsewhere", j.ID, id).WithHint("wait for it: scout jobs wait %s; or cancel it: scout jobs cancel %s", j.ID, j.ID)
		}
		out = &pullOutput{Status: http.StatusAccepted, Location: prefix + "/jobs/" + j.ID, Body: s.jobOf(ctx, j)}
		return remember(ctx, tx, "", out)
	}
	_, _, err = s.services.Jobs.Submit(ctx, o)
	return out, err
}

// pulls completes a job that installs a model. What is secret in an address stays in the store.
func pulls(j *store.Job, out *v1.Job) {
	var request installation.Request
	if json.Unmarshal(j.Options, &request) != nil {
		return // a defect; the job says so
	}
	request.From = model.SourceLabel(request.From)
	if request.From == model.SourceLabel("") {
		request.From = ""
	}
	out.Options, _ = json.Marshal(request) // texts
	if j.State == store.JobSucceeded {
		out.Result = &v1.JobResult{Model: request.Model}
	}
}
