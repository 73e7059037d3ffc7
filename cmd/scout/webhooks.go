package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
)

// newWebhooksCommand returns "scout webhooks" and its subcommands.
func newWebhooksCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhooks",
		Short: "Tell other programs what happens",
		Long: `A webhook is an address to which Scout sends what happens: a text is made, a
recording has ended. Messages are signed by the rules of Standard Webhooks, and
tried again for more than a day.`,
		Example: `  scout webhooks add https://notes.example/hooks/scout --event job.succeeded
  scout webhooks test ID
  scout webhooks deliveries ID`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newWebhooksAddCommand(a), newWebhooksListCommand(a), newWebhooksShowCommand(a), newWebhooksTestCommand(a), newWebhooksEnableCommand(a, true),
		newWebhooksEnableCommand(a, false), newWebhooksDeleteCommand(a), newWebhooksDeliveriesCommand(a), newWebhooksRedeliverCommand(a),
	)
	for _, sub := range cmd.Commands() {
		a.serverFlags(sub)
	}
	return cmd
}

func newWebhooksAddCommand(a *app) *cobra.Command {
	var in v1.WebhookRequest
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "add URL",
		Short: "Make a webhook and print its secret, this once",
		Long: `Makes a webhook and prints the secret that signs its messages. Nobody can ask
for the secret again: one that is lost needs another webhook.`,
		Example: `  scout webhooks add https://notes.example/hooks/scout --event job.succeeded
  scout webhooks add http://127.0.0.1:8080/ --event job.succeeded --event job.dead --include-text`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			in.URL = args[0]
			if len(in.Events) == 0 {
				return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--event is missing: want one or several of %s", strings.Join(store.HookedEvents(), ", ")))
			}
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				var made v1.NewWebhook
				if err := c.Post(ctx, "/webhooks", in, &made); err != nil {
					return err
				}
				if asJSON {
					return cli.WriteJSON(a.Std.Out, made)
				}
				a.Notef("webhook %s; its secret is shown this once:\n", made.ID)
				return a.Say("%s", made.Secret)
			})
		},
	}
	cmd.Flags().StringSliceVar(&in.Events, "event", nil, "what to tell; may be given several times: "+strings.Join(store.HookedEvents(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("event", cobra.FixedCompletions(store.HookedEvents(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	cmd.Flags().BoolVar(&in.IncludeText, "include-text", false, "send the text, too, that an event is about")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func webhookPath(id string) string { return "/webhooks/" + url.PathEscape(id) }

func newWebhooksListCommand(a *app) *cobra.Command {
	var job string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the webhooks, without their secrets",
		Long:    "Lists the webhooks, oldest first. Those of single jobs are left out, unless\n--job names the job.",
		Example: "  scout webhooks list\n  scout webhooks list --job job_01kb5ja0c8t2v6m4q9w3e7r1ya",
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				var hooks v1.Webhooks
				if err := c.Get(ctx, "/webhooks?"+url.Values{"job": {job}}.Encode(), &hooks); err != nil {
					return err
				}
				switch {
				case asJSON:
					return cli.WriteJSON(a.Std.Out, struct {
						Webhooks []v1.Webhook `json:"webhooks"`
					}{hooks.Data})
				case len(hooks.Data) == 0:
					a.Notef("no webhooks\n")
					return nil
				}
				rows := [][]string{{"ID", "URL", "STATE", "EVENTS"}}
				for i := range hooks.Data {
					h := &hooks.Data[i]
					rows = append(rows, []string{h.ID, h.URL, webhookState(h), strings.Join(h.Events, " ")})
				}
				return writeTable(a.Std.Out, rows)
			})
		},
	}
	cmd.Flags().StringVar(&job, "job", "", "those of the job with this id")
	_ = cmd.RegisterFlagCompletionFunc("job", a.completeJobs(anyNumber, anyState)) // the flag is there
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func webhookState(h *v1.Webhook) string {
	if h.Enabled {
		return "enabled"
	}
	return "disabled"
}

func newWebhooksShowCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show a webhook, without its secret",
		Long:              "Shows a webhook, and why Scout disabled it, if it did.",
		Example:           "  scout webhooks show whk_01kb5ja0c8t2v6m4q9w3e7r1ya",
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeWebhooks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				var h v1.Webhook
				if err := c.Get(ctx, webhookPath(args[0]), &h); err != nil {
					return err
				}
				return a.showWebhook(&h, asJSON)
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) showWebhook(h *v1.Webhook, asJSON bool) error {
	if asJSON {
		return cli.WriteJSON(a.Std.Out, h)
	}
	text := "no"
	if h.IncludeText {
		text = "yes"
	}
	rows := [][]string{{"webhook", h.ID}, {"url", h.URL}, {"events", strings.Join(h.Events, " ")}, {"text", text}, {"state", webhookState(h)}}
	if h.JobID != "" {
		rows = append(rows, []string{"job", h.JobID})
	}
	if h.Reason != "" {
		rows = append(rows, []string{"reason", h.Reason})
	}
	return writeTable(a.Std.Out, rows)
}

func newWebhooksTestCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "test ID",
		Short:             "Send a message to a webhook now",
		Long:              "Sends a message of the type webhook.test, once, and says what the receiver\nanswered. The exit code is 1 if it did not take the message.",
		Example:           "  scout webhooks test whk_01kb5ja0c8t2v6m4q9w3e7r1ya",
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeWebhooks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				var tested v1.WebhookTest
				if err := c.Post(ctx, webhookPath(args[0])+"/test", nil, &tested); err != nil {
					return err
				}
				var said error
				if asJSON {
					said = cli.WriteJSON(a.Std.Out, tested)
				} else if tested.Error == nil {
					said = a.Say("the receiver answered %d after %.0f ms", tested.Status, tested.DurationMS)
				}
				if tested.Error != nil {
					return a.unsaid(said, scout.Errorf(scout.CodeWebhookFailed, "the receiver did not take the message: %s", tested.Error.Message).
						WithHint("see whether it runs, and what it logs"))
				}
				return said
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// newWebhooksEnableCommand returns "scout webhooks enable" or disable.
func newWebhooksEnableCommand(a *app, enable bool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "enable ID",
		Short:   "Tell a webhook of events again",
		Long:    "Tells a webhook of events again that a person has disabled, or Scout because its\nreceiver answered 410.",
		Example: "  scout webhooks enable whk_01kb5ja0c8t2v6m4q9w3e7r1ya",
	}
	if !enable {
		cmd.Use, cmd.Short = "disable ID", "Tell a webhook of nothing for now"
		cmd.Long = "Tells a webhook of nothing until it is enabled. What waits for it is given\nup, and can be sent again with scout webhooks redeliver."
		cmd.Example = "  scout webhooks disable whk_01kb5ja0c8t2v6m4q9w3e7r1ya"
	}
	cmd.Args, cmd.ValidArgsFunction = cli.WrongArgs(cobra.ExactArgs(1)), a.completeWebhooks()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			var h v1.Webhook
			if err := c.Do(ctx, http.MethodPatch, webhookPath(args[0]), v1.WebhookChange{Enabled: &enable}, &h); err != nil {
				return err
			}
			return a.showWebhook(&h, asJSON)
		})
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func newWebhooksDeleteCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "delete ID",
		Short:             "Delete a webhook with its deliveries",
		Long:              "Deletes a webhook with its deliveries, those that wait as well.",
		Example:           "  scout webhooks delete whk_01kb5ja0c8t2v6m4q9w3e7r1ya",
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeWebhooks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				if err := c.Do(ctx, http.MethodDelete, webhookPath(args[0]), nil, nil); err != nil {
					return err
				}
				if asJSON {
					return cli.WriteJSON(a.Std.Out, struct {
						Deleted string `json:"deleted"`
					}{args[0]})
				}
				a.Notef("webhook %s is deleted\n", args[0])
				return nil
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func newWebhooksDeliveriesCommand(a *app) *cobra.Command {
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "deliveries ID",
		Short: "List what was sent to a webhook, newest first",
		Long: `Lists the events that were sent to a webhook or wait: waiting, delivered, or
dead if they were given up, with the last answer or failure.`,
		Example:           "  scout webhooks deliveries whk_01kb5ja0c8t2v6m4q9w3e7r1ya",
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeWebhooks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--limit %d: want 0 or more", limit))
			}
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				deliveries, err := list[v1.Delivery](ctx, c, webhookPath(args[0])+"/deliveries", url.Values{}, limit)
				switch {
				case err != nil:
					return err
				case asJSON:
					return cli.WriteJSON(a.Std.Out, struct {
						Deliveries []v1.Delivery `json:"deliveries"`
					}{deliveries})
				case len(deliveries) == 0:
					a.Notef("no deliveries\n")
					return nil
				}
				rows := [][]string{{"N", "EVENT", "AT", "STATE", "ATTEMPTS", "DETAIL"}}
				for i := range deliveries {
					rows = append(rows, deliveryRow(&deliveries[i]))
				}
				return writeTable(a.Std.Out, rows)
			})
		},
	}
	cmd.Flags().IntVarP(&limit, "limit", "n", 50, "at most so many; 0 for all")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func deliveryRow(d *v1.Delivery) []string {
	detail := ""
	switch {
	case d.Error != nil:
		detail = d.Error.Message
	case d.Status > 0:
		detail = "answered " + strconv.Itoa(d.Status)
	}
	if d.NextAt != nil && d.Attempts > 0 {
		detail += ", again at " + d.NextAt.Local().Format(time.DateTime)
	}
	return []string{strconv.FormatInt(d.N, 10), d.Event, d.At.Local().Format(time.DateTime), d.State, strconv.Itoa(d.Attempts), detail}
}

func newWebhooksRedeliverCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "redeliver ID N",
		Short: "Send a delivery to a webhook again",
		Long: `Sends a delivery again that was given up or has arrived, with the number that
"scout webhooks deliveries" shows. Its receiver knows it by the same id.`,
		Example:           "  scout webhooks redeliver whk_01kb5ja0c8t2v6m4q9w3e7r1ya 12",
		Args:              cli.WrongArgs(cobra.ExactArgs(2)),
		ValidArgsFunction: a.completeWebhooks(),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil || n < 1 {
				return cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "%q is no number of a delivery", args[1]))
			}
			return a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				var d v1.Delivery
				if err := c.Post(ctx, fmt.Sprintf("%s/deliveries/%d/redeliver", webhookPath(args[0]), n), nil, &d); err != nil {
					return err
				}
				if asJSON {
					return cli.WriteJSON(a.Std.Out, d)
				}
				return a.Say("delivery %d is %s", d.N, d.State)
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// completeWebhooks offers the ids of the webhooks.
func (a *app) completeWebhooks() cobra.CompletionFunc {
	return a.offering(1, func(cmd *cobra.Command, _ string) (ids []cobra.Completion, err error) {
		err = a.withDaemon(cmd.Context(), func(ctx context.Context, c *client.Client) error {
			var hooks v1.Webhooks
			err := c.Get(ctx, "/webhooks", &hooks)
			for i := range hooks.Data {
				ids = append(ids, cobra.CompletionWithDesc(hooks.Data[i].ID, hooks.Data[i].URL))
			}
			return err
		})
		return ids, err
	})
}
