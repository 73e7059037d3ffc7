package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/webhook"
)

// createdWebhook is a webhook that was made, with 201.
type createdWebhook struct {
	Status int
	Body   v1.NewWebhook
}

// registerWebhooks adds the addresses that are told of events.
func (s *Server) registerWebhooks(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/webhooks", summary: "List the webhooks",
		description: "The addresses that are told of events, oldest first, without their secrets. The webhooks of jobs are left out; with job, it is those of that job.",
	}, func(ctx context.Context, in *struct {
		Job string `query:"job" doc:"The id of a job"`
	},
	) (*body[v1.Webhooks], error) {
		list, err := s.store().Webhooks(ctx, in.Job)
		if err != nil {
			return nil, err
		}
		out := v1.Webhooks{Data: make([]v1.Webhook, len(list))}
		for i := range list {
			out.Data[i] = webhookOf(&list[i])
		}
		return answer(out), nil
	})
	operation(api, about{
		method: http.MethodPost, path: "/webhooks", summary: "Make a webhook",
		description: "Messages follow Standard Webhooks 1.0.0. The answer has the secret that signs them, which is shown this once. Each event is sent at least once, with the same webhook-id in all attempts: " +
			"after 5 seconds, a minute, 10 minutes, 1, 6 and 24 hours. A status from 200 to 299 within 15 seconds is success, 410 disables the webhook, redirects are not followed.",
		status: http.StatusCreated, errors: []scout.Code{scout.CodeConflict}, secret: true,
	}, s.createWebhook)
	operation(api, about{
		method: http.MethodGet, path: "/webhooks/{id}", summary: "Get a webhook",
		description: "The webhook without its secret.", errors: []scout.Code{scout.CodeNotFound},
	}, func(ctx context.Context, in *ByID) (*body[v1.Webhook], error) {
		hook, err := s.store().Webhook(ctx, in.ID)
		return answer(webhookOf(&hook)), err
	})
	operation(api, about{
		method: http.MethodPatch, path: "/webhooks/{id}", summary: "Change a webhook",
		description: "What is left out stays, and so does the secret. What waits for a webhook that is disabled is given up; what waits for one with another URL is sent there.",
		errors:      []scout.Code{scout.CodeNotFound},
	}, s.changeWebhook)
	operation(api, about{
		method: http.MethodDelete, path: "/webhooks/{id}", summary: "Delete a webhook",
		description: "Removes it with its deliveries. What is being sent at that moment may still arrive.",
		errors:      []scout.Code{scout.CodeNotFound}, status: http.StatusNoContent,
	}, func(ctx context.Context, in *ByID) (*none, error) {
		return new(none), s.services.Webhooks.Delete(ctx, in.ID)
	})
	operation(api, about{
		method: http.MethodPost, path: "/webhooks/{id}/test", summary: "Test a webhook",
		description: "Sends a message of the type webhook.test, at once and once, also to a webhook that is disabled. The answer is 200, whatever became of it.",
		errors:      []scout.Code{scout.CodeNotFound},
	}, s.testWebhook)
	operation(api, about{
		method: http.MethodGet, path: "/webhooks/{id}/deliveries", summary: "List the deliveries of a webhook",
		description: "One page of the events that were sent to it or wait, newest first. Those that have ended are kept for webhooks.keep, and at most 1,000 of them.",
		errors:      []scout.Code{scout.CodeNotFound},
	}, s.deliveries)
	operation(api, about{
		method: http.MethodPost, path: "/webhooks/{id}/deliveries/{n}/redeliver", summary: "Send a delivery again",
		description: "Sends one that has ended again, with the same webhook-id and with all attempts. One that waits stays as it is.",
		errors:      []scout.Code{scout.CodeNotFound, scout.CodeConflict},
	}, func(ctx context.Context, in *struct {
		ByID
		N int64 `path:"n" minimum:"1"`
	},
	) (*body[v1.Delivery], error) {
		d, err := s.services.Webhooks.Redeliver(ctx, in.ID, in.N)
		return answer(deliveryOf(&d)), err
	})
}

func webhookOf(w *store.Webhook) v1.Webhook {
	return v1.Webhook{ID: w.ID, URL: w.URL, Events: w.Events, IncludeText: w.IncludeText, Enabled: w.Enabled, Reason: w.Reason, JobID: w.Job, CreatedAt: v1.Time{Time: w.CreatedAt}}
}

func deliveryOf(d *store.Delivery) v1.Delivery {
	out := v1.Delivery{
		N: d.N, MessageID: d.Message, Event: d.Event, RecordingID: d.Recording, State: string(d.State), Attempts: d.Attempts, Status: d.Status,
		At: v1.Time{Time: d.At}, EndedAt: v1.TimeOf(d.EndedAt),
	}
	if d.State == store.DeliveryWaiting {
		out.NextAt = v1.TimeOf(d.NextAt)
	}
	if d.Error != nil {
		_, body := v1.ErrorOf(d.Error.Err())
		out.Error = &body.Error
	}
	return out
}

// located says that what is wrong with an input is wrong with its URL.
func located(err error, location string) error {
	if scout.CodeOf(err) == scout.CodeInvalidArgument {
		return &v1.InputError{Location: location, Err: err}
	}
	return err
}

func (s *Server) createWebhook(ctx context.Context, in *input[v1.WebhookRequest]) (*createdWebhook, error) {
	enabled := in.Body.Enabled == nil || *in.Body.Enabled
	hook, err := s.services.Webhooks.Add(ctx, in.Body.URL, in.Body.Events, in.Body.IncludeText, enabled)
	if err != nil {
		return nil, located(err, "body.url")
	}
	return &createdWebhook{http.StatusCreated, v1.NewWebhook{Webhook: webhookOf(&hook), Secret: webhook.FormatSecret(hook.Secret)}}, nil
}

func (s *Server) changeWebhook(ctx context.Context, in *struct {
	ByID
	Body v1.WebhookChange
},
) (*body[v1.Webhook], error) {
	hook, err := s.services.Webhooks.Change(ctx, in.ID, webhook.Change{URL: in.Body.URL, Events: in.Body.Events, IncludeText: in.Body.IncludeText, Enabled: in.Body.Enabled})
	return answer(webhookOf(&hook)), located(err, "body.url")
}

func (s *Server) testWebhook(ctx context.Context, in *ByID) (*body[v1.WebhookTest], error) {
	tested, err := s.services.Webhooks.Test(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := v1.WebhookTest{Status: tested.Status, DurationMS: float64(tested.Took.Milliseconds())}
	if tested.Err != nil {
		out.Error = s.warningOf(tested.Err)
	}
	return answer(out), nil
}

func (s *Server) deliveries(ctx context.Context, in *struct {
	ByID
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor"`
	Order  string `query:"order" enum:"desc,asc"`
},
) (*body[v1.Page[v1.Delivery]], error) {
	list, err := s.store().Deliveries(ctx, in.ID, store.Page{Limit: in.Limit, Cursor: in.Cursor, Order: store.Order(in.Order)})
	if err != nil {
		return nil, err
	}
	out := v1.Page[v1.Delivery]{Data: make([]v1.Delivery, len(list.Data)), NextCursor: list.Next}
	for i := range list.Data {
		out.Data[i] = deliveryOf(&list.Data[i])
	}
	return answer(out), nil
}

// webhookOfJob is the webhook that a request wants for its job; nil for none. at is where it stands.
func webhookOfJob(ctx context.Context, w *v1.JobWebhook, at string) (*webhook.OfJob, error) {
	if w == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	hook := &webhook.OfJob{URL: w.URL, Secret: w.Secret, Guarded: callerOf(ctx).role != roleOwner}
	if err := hook.Check(); err != nil {
		return nil, &v1.InputError{Location: at, Err: err}
	}
	return hook, nil
}
