package main

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/certificate"
	"github.com/scout-speech/scout/internal/certificate/trust"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

func newTLSCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tls",
		Short: "Show Scout's certificate, and have this machine trust it",
		Long: `The setting tls.mode says whether Scout speaks TLS: files has a certificate of
yours (tls.cert, tls.key), auto one that Scout makes for this machine. That one
is signed by a CA of its own, which can sign for the names and addresses of this
machine and for nothing else, except where one of the names is below another
(a.example and example): then for all names below that one. Clients have to
trust it.`,
		Example: `  scout settings set tls.mode auto && scout serve restart
  NODE_EXTRA_CA_CERTS=$(scout tls ca) node program.mjs
  curl --cacert "$(scout tls ca)" https://localhost:7268/livez
  scout tls trust --dry-run`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTLSShowCommand(a), newTLSCACommand(a), newTLSRenewCommand(a), newTLSTrustCommand(a), newTLSUntrustCommand(a))
	return cmd
}

// certificateOptions say where the certificate of the settings is.
func (a *app) certificateOptions() (*certificate.Options, error) {
	o, err := daemon.CertificateOptions(a.Settings, observe.Scope{})
	if err == nil && o == nil {
		err = scout.Errorf(scout.CodeNotFound, "TLS is off").WithHint("to have a certificate of this machine: scout settings set tls.mode auto; then: scout serve restart")
	}
	return o, err
}

// shownCertificate is what scout tls show prints.
type shownCertificate struct {
	Mode        string     `json:"mode"`
	Certificate string     `json:"certificate,omitempty"`
	Key         string     `json:"key,omitempty"`
	CA          string     `json:"ca,omitempty"`
	CAKeyKept   *bool      `json:"ca_key_kept,omitempty"`
	Names       []string   `json:"names,omitempty"`
	NotNamed    string     `json:"not_named,omitempty"`
	Issuer      string     `json:"issuer,omitempty"`
	NotBefore   *time.Time `json:"not_before,omitempty"`
	NotAfter    *time.Time `json:"not_after,omitempty"`
	SHA256      string     `json:"sha256,omitempty"`
	CASHA256    string     `json:"ca_sha256,omitempty"`
	Problem     string     `json:"problem,omitempty"`
}

func newTLSShowCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the certificate, and what is wrong with it",
		Long: `Shows the certificate of the settings, whether the daemon runs or not: names,
times, files. It changes nothing. The exit code is 1 if clients cannot trust it:
it cannot be read, or its time is over or has not come.`,
		Example: "  scout tls show",
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE:    func(*cobra.Command, []string) error { return a.showTLS(asJSON) },
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) showTLS(asJSON bool) error {
	shown := shownCertificate{Mode: a.Settings.TLS.Mode}
	var problem error
	if a.Settings.TLS.On() {
		o, err := a.certificateOptions()
		if err != nil {
			return err
		}
		problem = describeCertificate(&shown, o)
	}
	if asJSON {
		if err := cli.WriteJSON(a.Std.Out, shown); err != nil {
			return err
		}
	} else if err := a.writeCertificate(&shown); err != nil {
		return err
	}
	return problem
}

// describeCertificate fills what there is, and returns why clients cannot trust it.
func describeCertificate(shown *shownCertificate, o *certificate.Options) error {
	d := certificate.Describe(*o)
	shown.Certificate, shown.Key = o.Cert, o.Key
	if o.Own {
		shown.Certificate, shown.Key, shown.CA, shown.CAKeyKept = certificate.PairFile(o.Dir), "", d.CAAt, &d.CAKey
	}
	problem := d.Err
	if d.Pair != nil {
		leaf := d.Pair.Leaf
		shown.Names, shown.Issuer, shown.SHA256 = d.Pair.Names(), leaf.Issuer.CommonName, certificate.Fingerprint(leaf)
		shown.NotBefore, shown.NotAfter = inUTC(leaf.NotBefore), inUTC(leaf.NotAfter)
		if o.Own {
			shown.NotNamed = o.Unnamed(leaf)
		}
		problem = outOfTime(leaf, o.Own)
	}
	if d.CA != nil {
		shown.CASHA256 = certificate.Fingerprint(d.CA)
	}
	if problem != nil {
		shown.Problem = scout.Plain(problem)
	}
	return problem
}

func inUTC(t time.Time) *time.Time {
	t = t.UTC()
	return &t
}

// outOfTime says that clients refuse a certificate because of its time; nil where they do not.
func outOfTime(leaf *x509.Certificate, own bool) error {
	hint := "put a new one in its place: the daemon reads it at once"
	if own {
		hint = "make a new one: scout tls renew"
	}
	switch now := time.Now(); {
	case now.After(leaf.NotAfter):
		return scout.Errorf(scout.CodeCertificateInvalid, "the certificate ended on %s", leaf.NotAfter.Local().Format(time.DateOnly)).WithHint("%s", hint)
	case now.Before(leaf.NotBefore):
		return scout.Errorf(scout.CodeCertificateInvalid, "the certificate begins on %s", leaf.NotBefore.Local().Format(time.DateOnly)).WithHint("check the clock of this machine: date")
	}
	return nil
}

func (a *app) writeCertificate(s *shownCertificate) error {
	rows := [][]string{{"mode", s.Mode}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("certificate", s.Certificate)
	add("key", s.Key)
	add("CA", s.CA)
	if s.CAKeyKept != nil && *s.CAKeyKept {
		add("key of the CA", "kept")
	} else if s.CAKeyKept != nil {
		add("key of the CA", "not kept")
	}
	add("names", strings.Join(s.Names, " "))
	add("without", s.NotNamed)
	add("signed by", s.Issuer)
	if s.NotAfter != nil {
		add("from", s.NotBefore.Local().Format(time.DateTime))
		add("until", s.NotAfter.Local().Format(time.DateTime))
	}
	add("SHA-256", s.SHA256)
	add("SHA-256 of the CA", s.CASHA256)
	return writeTable(a.Std.Out, rows)
}

func newTLSCACommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ca",
		Short: "Print the path of Scout's own CA",
		Long: `Prints the path of the certificate of Scout's own CA, in PEM, for programs that
are told whom to trust: NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, curl --cacert. It is
there once the daemon has started with tls.mode = auto.`,
		Example: `  export NODE_EXTRA_CA_CERTS=$(scout tls ca)`,
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			path, err := a.ownCA()
			if err != nil {
				return err
			}
			return a.Say("%s", path)
		},
	}
}

// ownCA is the path of Scout's own CA, which is there.
func (a *app) ownCA() (string, error) {
	o, err := a.certificateOptions()
	if err != nil {
		return "", err
	}
	if !o.Own {
		return "", scout.Errorf(scout.CodeNotFound, "tls.mode is files: the certificate is not of Scout's own CA").WithHint("whoever made %s has its CA", o.Cert)
	}
	d := certificate.Describe(*o)
	if d.Err != nil {
		return "", d.Err
	}
	return d.CAAt, nil
}

func newTLSRenewCommand(a *app) *cobra.Command {
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "renew",
		Short: "Have Scout make a new certificate, and a new CA",
		Long: `Replaces the certificate that Scout made by one with the names and addresses
that this machine has now. The daemon makes it, if it runs. Unless
tls.keep_ca_key is on, it is signed by a new CA, and whoever trusts the old one
has to trust the new one: scout tls trust, and NODE_EXTRA_CA_CERTS of programs
that run.`,
		Example: "  scout tls renew && scout tls trust",
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := a.certificateOptions()
			if err != nil {
				return err
			}
			if !o.Own {
				return scout.Errorf(scout.CodeConflict, "tls.mode is files: Scout does not make the certificate").WithHint("put a new one in the place of %s: the daemon reads it at once", o.Cert)
			}
			if !yes {
				if err := a.agree(nil, "Make a new certificate? Programs that trust the CA of now may have to trust another one. [y/N] "); err != nil {
					return err
				}
			}
			if err := a.renewCertificate(cmd.Context(), o); err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(a.Std.Out, struct {
					Removed string `json:"removed"`
				}{certificate.PairFile(o.Dir)})
			}
			a.Notef("there is a new certificate: scout tls show\n")
			return nil
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// madeWithin is how long the daemon has to make a certificate. It takes it less than a second.
const madeWithin = 10 * time.Second

// renewCertificate returns when there is a new certificate. The daemon makes it if it runs, because it alone knows the addresses at which it listens.
// One that does not (it may run with the settings of before, without TLS) leaves it to this program.
func (a *app) renewCertificate(ctx context.Context, o *certificate.Options) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	if err := certificate.Renew(o.Dir); err != nil {
		return err
	}
	if _, running, err := daemon.HolderOf(dir); err == nil && running {
		waiting, cancel := context.WithTimeout(ctx, madeWithin)
		defer cancel()
		for resilience.Sleep(waiting, 50*time.Millisecond) == nil {
			if certificate.Describe(*o).Err == nil {
				return nil
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return certificate.Make(*o)
}

// trusting are the flags of trust and untrust.
type trusting struct{ yes, dry, json bool }

func (t *trusting) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&t.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&t.dry, "dry-run", false, "only print the commands")
	cli.JSONFlag(cmd, &t.json)
}

func newTLSTrustCommand(a *app) *cobra.Command {
	var t trusting
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Have this machine trust Scout's own CA",
		Long: `Adds Scout's own CA to the authorities of the system (Debian, Ubuntu, Alpine,
Fedora, Arch, openSUSE) and of the user's browsers (Chromium, Chrome, Firefox).
It prints every command, then asks, then runs them; what needs the administrator
is run with sudo. scout tls says what the CA can sign for. An older CA of the
same data folder goes once the new one is there. scout tls untrust takes it
back.

Node and Java have authorities of their own: NODE_EXTRA_CA_CERTS is for Node.`,
		Example: `  scout tls trust --dry-run
  scout tls trust`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ca, err := a.ownCA()
			if err != nil {
				return err
			}
			dir, err := a.dataDir()
			if err != nil {
				return err
			}
			return a.carryOut(cmd.Context(), trust.ThisMachine().Trust(ca, dir), t, "Have this machine trust "+ca+"?")
		},
	}
	t.flags(cmd)
	return cmd
}

func newTLSUntrustCommand(a *app) *cobra.Command {
	var t trusting
	cmd := &cobra.Command{
		Use:   "untrust",
		Short: "Take back what scout tls trust did",
		Long: `Removes Scout's own CA from the authorities of the system and of the user's
browsers, wherever scout tls trust put it. It prints every command, then asks,
then runs them.`,
		Example: `  scout tls untrust --dry-run`,
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := a.dataDir()
			if err != nil {
				return err
			}
			return a.carryOut(cmd.Context(), trust.ThisMachine().Untrust(dir), t, "No longer trust Scout's own CA on this machine?")
		},
	}
	t.flags(cmd)
	return cmd
}

// carryOut prints a plan, asks, and runs it.
func (a *app) carryOut(ctx context.Context, p trust.Plan, t trusting, question string) error {
	var lines []string
	for i, s := range p.Steps {
		if i == 0 || p.Steps[i-1].For != s.For {
			lines = append(lines, "for "+s.For+":")
		}
		lines = append(lines, "  "+s.String())
	}
	for _, left := range p.Left {
		lines = append(lines, "not for "+left)
	}
	if t.dry {
		if t.json {
			return cli.WriteJSON(a.Std.Out, p)
		}
		return a.Say("%s", strings.Join(lines, "\n"))
	}
	if len(p.Steps) == 0 {
		for _, line := range lines {
			a.Notef("%s\n", line)
		}
		a.Notef("there is nothing to do\n")
		return a.tellPlan(trust.Plan{Steps: p.Steps, Left: p.Left}, t.json)
	}
	if !t.yes {
		if err := a.agree(lines, question+" [y/N] "); err != nil {
			return err
		}
	} else {
		for _, line := range lines {
			a.Notef("%s\n", line)
		}
	}
	done := trust.Plan{Steps: []trust.Step{}, Left: p.Left}
	err := p.Run(ctx, a.Std.In, a.Std.Err, func(s trust.Step) { done.Steps = append(done.Steps, s) })
	return errors.Join(a.tellPlan(done, t.json), err)
}

func (a *app) tellPlan(done trust.Plan, asJSON bool) error {
	if !asJSON {
		if len(done.Steps) > 0 {
			a.Notef("done: %d commands; browsers that run see it when they start again\n", len(done.Steps))
		}
		return nil
	}
	return cli.WriteJSON(a.Std.Out, done)
}
