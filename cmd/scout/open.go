package main

import (
	"context"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

func newOpenCommand(a *app) *cobra.Command {
	var printOnly, asJSON bool
	cmd := &cobra.Command{
		Use:   "open",
		Short: "Open Scout's page in the browser, as the owner",
		Long: `Prints a link and opens it in the browser. The link works once, within five
minutes, for a browser of the same user on this machine, and gives it a session
of the owner: it may do everything that this command line may do. The page
dictates, and shows what was recorded; /docs there shows every operation of the
HTTP interface.`,
		Example: `  scout open
  scout open --print`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.open(cmd.Context(), printOnly, asJSON) },
	}
	cmd.Flags().BoolVar(&printOnly, "print", false, "only print the link")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) open(ctx context.Context, printOnly, asJSON bool) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var link v1.SessionLink
	if err := c.Post(ctx, "/session/link", nil, &link); err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(a.Std.Out, link)
	}
	if err := a.Say("%s", link.URL); err != nil || printOnly {
		return err
	}
	browser, err := exec.LookPath("xdg-open")
	if err != nil || os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		a.Notef("open this link in a browser on this machine\n")
		return nil
	}
	started := exec.CommandContext(context.WithoutCancel(ctx), browser, link.URL) //nolint:gosec // the browser of the desktop
	if err := started.Run(); err != nil {
		a.Notef("no browser could be opened (%v): open this link in one\n", err)
	}
	return nil
}
