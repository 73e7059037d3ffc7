package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

func newKeysCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and delete keys for the network",
		Long: `Programs use Scout over the network with a key. On this machine, programs of the
same user need none for what a client may do (setting auth.loopback).`,
		Example: `  scout keys create notes
  scout keys list`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysCreateCommand(a), newKeysListCommand(a), newKeysDeleteCommand(a))
	return cmd
}

func newKeysCreateCommand(a *app) *cobra.Command {
	var asJSON bool
	request := v1.KeyRequest{}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key and print it, this once",
		Long: `Makes a key and prints it. Scout keeps only its checksum: a key that is lost is
deleted and made again.

A client uploads files, has texts made of them, and sees what it made. An owner
may do everything that a person at this machine may do with Scout.`,
		Example: `  scout keys create notes
  scout keys create phone --role owner
  scout keys create batch --requests-per-minute 120`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Name = args[0]
			return a.createKey(cmd.Context(), &request, asJSON)
		},
	}
	cmd.Flags().StringVar(&request.Role, "role", "client", "what it allows: client or owner")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"client", "owner"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	cmd.Flags().IntVar(&request.RequestsPerMinute, "requests-per-minute", 0, "how many requests it may send; 0 for limits.requests_per_minute")
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}

func (a *app) createKey(ctx context.Context, request *v1.KeyRequest, asJSON bool) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var made v1.NewKey
	if err := c.Post(ctx, "/keys", request, &made); err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(a.Std.Out, made)
	}
	a.Notef("key %s for %s, with the role %s; it is shown this once:\n", made.ID, made.Name, made.Role)
	return a.Say("%s", made.Secret)
}

func newKeysListCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the keys, without the keys themselves",
		Long:    "Lists the keys, oldest first. The keys themselves are not kept.",
		Example: "  scout keys list",
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			var keys v1.Keys
			if err := c.Get(cmd.Context(), "/keys", &keys); err != nil {
				return err
			}
			switch {
			case asJSON:
				return cli.WriteJSON(a.Std.Out, struct {
					Keys []v1.Key `json:"keys"`
				}{keys.Data})
			case len(keys.Data) == 0:
				a.Notef("no keys\n")
				return nil
			}
			return writeTable(a.Std.Out, keyRows(keys.Data))
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}

func keyRows(keys []v1.Key) [][]string {
	rows := [][]string{{"ID", "NAME", "ROLE", "PER MINUTE", "MADE"}}
	for i := range keys {
		k := &keys[i]
		rate := ""
		if k.RequestsPerMinute > 0 {
			rate = strconv.Itoa(k.RequestsPerMinute)
		}
		rows = append(rows, []string{k.ID, k.Name, k.Role, rate, k.CreatedAt.Local().Format(time.DateTime)})
	}
	return rows
}

func newKeysDeleteCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "delete ID",
		Short:             "Delete a key: it is refused from now on",
		Long:              "Deletes a key. Requests with it are refused from now on, and its sessions and\nopen streams end; what was made with it stays.",
		Example:           "  scout keys delete key_01kb3f8m6v2c9q4t7x5z0w1y2a",
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeKeys(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			if err := c.Do(cmd.Context(), http.MethodDelete, "/keys/"+url.PathEscape(args[0]), nil, nil); err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(a.Std.Out, struct {
					Deleted string `json:"deleted"`
				}{args[0]})
			}
			a.Notef("key %s is deleted\n", args[0])
			return nil
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}

// completeKeys offers the ids of the keys.
func (a *app) completeKeys() cobra.CompletionFunc {
	return a.offering(1, func(cmd *cobra.Command, _ string) ([]cobra.Completion, error) {
		c, err := a.connect(cmd.Context())
		if err != nil {
			return nil, err
		}
		defer c.Close()
		var keys v1.Keys
		err = c.Get(cmd.Context(), "/keys", &keys)
		var ids []cobra.Completion
		for _, k := range keys.Data {
			ids = append(ids, cobra.CompletionWithDesc(k.ID, k.Name))
		}
		return ids, err
	})
}
