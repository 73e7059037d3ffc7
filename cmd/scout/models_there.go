package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

func modelPath(id string) string { return "/models/" + url.PathEscape(id) }

// changeModelThere changes a model of another machine, or of the daemon of this one, and prints it.
//
//	what  the last part of the path
//	line  what is said of the model as it is then
func (a *app) changeModelThere(ctx context.Context, id, what string, in any, asJSON bool, line func(m *v1.Model) string) error {
	return a.withDaemon(ctx, func(ctx context.Context, c *client.Client) error {
		var m v1.Model
		if err := c.Post(ctx, modelPath(id)+"/"+what, in, &m); err != nil {
			return err
		}
		if asJSON {
			return cli.WriteJSON(a.Std.Out, m)
		}
		return a.Say("%s", line(&m))
	})
}

// pullThere has another machine install a model, and shows how far it is. That goes on if the command ends.
func (a *app) pullThere(ctx context.Context, id, from string, quiet, asJSON bool) error {
	return a.withDaemon(ctx, func(ctx context.Context, c *client.Client) error {
		var answer json.RawMessage
		if err := c.PostOnce(ctx, modelPath(id)+"/pull", v1.PullModel{From: from}, &answer); err != nil {
			return err
		}
		var j v1.Job
		_ = json.Unmarshal(answer, &j) // a model, where there is nothing to do
		how := "already installed"
		if j.Kind == job.KindModelPull {
			how = "installed"
			if !quiet {
				a.Notef("job %s installs it there, also when this command ends; to stop it: scout jobs cancel %s\n", j.ID, j.ID)
			}
			ended, err := a.awaitJob(ctx, c, j.ID, quiet)
			if err == nil {
				err = notSucceeded(&ended)
			}
			if err != nil {
				return err
			}
		}
		var m v1.Model
		if err := c.Get(ctx, modelPath(id), &m); err != nil {
			return err
		}
		if asJSON {
			return cli.WriteJSON(a.Std.Out, m)
		}
		return a.Say("%s is %s there (%s)%s", m.ID, how, sizeText(m.SizeBytes), languageNote(m.Languages))
	})
}

// verifyThere has another machine check models: these, or all that are installed.
func (a *app) verifyThere(ctx context.Context, ids []string, asJSON bool) error {
	return a.withDaemon(ctx, func(ctx context.Context, c *client.Client) error {
		if len(ids) == 0 {
			var list v1.Models
			if err := c.Get(ctx, "/models", &list); err != nil {
				return err
			}
			for i := range list.Data {
				if state := list.Data[i].State; state == v1.ModelInstalled || state == v1.ModelCorrupt {
					ids = append(ids, list.Data[i].ID)
				}
			}
		}
		return a.changeEach("verified", ids, asJSON, func(id string) (any, string, error) {
			var m v1.Model
			if err := c.Post(ctx, modelPath(id)+"/verify", nil, &m); err != nil {
				return nil, "", err
			}
			if m.State == v1.ModelCorrupt {
				return nil, "", scout.Errorf(scout.CodeModelCorrupt, "%s", m.Problem).WithHint("install it again there: scout models pull %s --server URL", id)
			}
			return m, id + " is intact there: " + sizeText(m.SizeBytes), nil
		})
	})
}

// namedByJob refuses to take away a model that a job names which has not ended: it would fail. Jobs that wait for the next daemon are not
// known; they tell that the model is not installed.
func (a *app) namedByJob(ctx context.Context, id string) error {
	c, err := a.reach(ctx, startNone, true)
	if err != nil {
		return nil // no daemon runs
	}
	defer c.Close()
	for _, state := range store.JobStates() {
		if state.Ended() {
			continue
		}
		jobs, err := list[v1.Job](ctx, c, "/jobs", url.Values{"state": {string(state)}}, 0)
		if err != nil {
			return err
		}
		for i := range jobs {
			var options v1.TextOptions
			if json.Unmarshal(jobs[i].Options, &options) == nil && options.Model == id {
				return scout.Errorf(scout.CodeModelInUse, "job %s, which has not ended, names model %s", jobs[i].ID, id).
					WithHint("wait for it: scout jobs wait %s; or cancel it: scout jobs cancel %s; or: scout models remove --force %s", jobs[i].ID, jobs[i].ID, id)
			}
		}
	}
	return nil
}

// removeThere has another machine delete a model.
func (a *app) removeThere(ctx context.Context, ids []string, asJSON bool) error {
	return a.withDaemon(ctx, func(ctx context.Context, c *client.Client) error {
		return a.changeEach("removed", ids, asJSON, func(id string) (any, string, error) {
			return id, id + " is removed there", c.Do(ctx, http.MethodDelete, modelPath(id), nil, nil)
		})
	})
}

// onlyHere refuses flags that another machine cannot be asked for.
func (a *app) onlyHere(cmd *cobra.Command, flags ...string) error {
	for _, flag := range flags {
		if cmd.Flags().Changed(flag) {
			return cli.Misuse("run it on that machine: "+cmd.CommandPath()+" --"+flag, "--%s does not go with --server", flag)
		}
	}
	return nil
}

func newModelsLoadCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "load MODEL",
		Short: "Load a model, so that the next text does not wait for it",
		Long: `Has the daemon load a model, and waits until it is ready. The daemon unloads it
when nobody has used it for engine.idle, as it does after a text.`,
		Example: `  scout models load moonshine-tiny-en
  scout models load whisper-base --server http://192.168.1.5:7268 --key KEY`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeModels(1, true),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeModelThere(cmd.Context(), args[0], "load", nil, asJSON, func(m *v1.Model) string {
				return m.ID + " is loaded: " + sizeText(int64(m.Memory)) + " of memory" //nolint:gosec // far below
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}

func newModelsUnloadCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "unload MODEL",
		Short: "Free the memory of a loaded model",
		Long: `Has the daemon end the engine of a model, whose memory is free then. The next
text loads it again. A model that is used at present stays loaded.`,
		Example:           `  scout models unload whisper-base`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeModels(1, true),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeModelThere(cmd.Context(), args[0], "unload", nil, asJSON, func(m *v1.Model) string { return m.ID + " is not loaded" })
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}
