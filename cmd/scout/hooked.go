package main

import (
	"cmp"
	"os"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// secretVariable has the secret of a job's webhook where no flag does.
const secretVariable = "SCOUT_WEBHOOK_SECRET"

// hooked are the flags about who is told of the end of a job.
type hooked struct{ url, secret string }

func (h *hooked) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&h.url, "webhook", "", "the URL that is told of the end of the job")
	cmd.Flags().StringVar(&h.secret, "webhook-secret", "", "what signs that; others see it in the list of processes, $"+secretVariable+" they do not")
}

// webhook is what the flags ask for; nil for nothing.
func (h *hooked) webhook() (*v1.JobWebhook, error) {
	secret := cmp.Or(h.secret, os.Getenv(secretVariable))
	switch {
	case h.url == "" && h.secret != "":
		return nil, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--webhook-secret is given, and no --webhook"))
	case h.url == "":
		return nil, nil //nolint:nilnil // nobody is told
	case secret == "":
		return nil, cli.Usage(scout.Errorf(scout.CodeInvalidArgument, "--webhook needs a secret that signs what is sent").
			WithHint("make one that the receiver knows, too: export %s=whsec_$(head -c 32 /dev/urandom | base64)", secretVariable))
	}
	return &v1.JobWebhook{URL: h.url, Secret: secret}, nil
}
