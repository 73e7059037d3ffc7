package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/controlgroup"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/spelling"
	"github.com/scout-speech/scout/internal/unixsocket"
)

func newStatusCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what Scout is doing",
		Long: `Shows whether Scout is recording, how much disk space is left, and which daemon
is running. If no daemon is running, it starts one.`,
		Example: `  scout status
  scout status --json | jq -r .recorder.state`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			var status v1.Status
			if err := c.Get(cmd.Context(), "/status", &status); err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(a.Std.Out, status)
			}
			return writeTable(a.Std.Out, statusRows(&status))
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}

// statusRows returns the state for people, with the recording first.
func statusRows(s *v1.Status) [][]string {
	r := &s.Recorder
	state := r.State
	switch {
	case r.Recording != nil:
		state = fmt.Sprintf("%s %s, %s", r.State, r.Recording.ID, clock(inSeconds(r.Recording.Seconds)))
		if r.Recording.Gaps > 0 {
			state += ", " + spelling.Count(r.Recording.Gaps, "gap")
		}
	case r.Reason != "":
		state += ": " + r.Reason
	}
	var rows [][]string
	for _, reason := range s.Reasons {
		rows = append(rows, []string{"not ready", reason})
	}
	if d := &s.Degradation; d.Level > 0 {
		rows = append(rows, []string{"less work", fmt.Sprintf("level %d, %s: %s", d.Level, d.Name, d.Reason)})
	}
	rows = append(rows, []string{"recorder", state})
	if r.Device != "" {
		rows = append(rows, []string{"device", r.Device})
	}
	if r.Outage != "" {
		rows = append(rows, []string{"no audio", r.Outage})
	}
	if r.Recording == nil && r.Last != nil {
		rows = append(rows, []string{"last recording", fmt.Sprintf("%s, %s", r.Last.ID, clock(inSeconds(r.Last.Seconds)))})
	}
	if r.Disk != nil {
		room := sizeText(int64(min(r.Disk.FreeBytes, 1<<62))) + " free"
		if r.Disk.Low {
			room += ", low"
		}
		rows = append(rows, []string{"disk", room})
	}
	if t := transcriptionsRow(&s.Transcriptions); t != "" {
		rows = append(rows, []string{"texts", t})
	}
	rows = append(rows, engineRows(s)...)
	if p := &s.SecondPass; p.State != v1.SecondPassOff && p.State != "" {
		rows = append(rows, []string{"second pass", secondPassText(p)})
	}
	if apart := apartText(s.Processes); apart != "" {
		rows = append(rows, []string{"recorder process", apart})
	}
	if kept := retentionRow(s.Retention.AudioDays, s.Retention.TrashDays); kept != "" {
		rows = append(rows, []string{"retention", kept})
	}
	for _, l := range s.HTTP {
		what, at := "http", "http://"+l.Address
		switch {
		case l.Metrics:
			what, at = "metrics", at+"/metrics"
		case l.TLS && l.Plain:
			at = "https://" + l.Address + ", and http"
		case l.TLS:
			at = "https://" + l.Address
		}
		if !l.Listening {
			at = "not at " + l.Address + ": " + l.Reason
		}
		rows = append(rows, []string{what, at})
	}
	if len(s.RestartRequired) > 0 {
		rows = append(rows, []string{"settings", strings.Join(s.RestartRequired, ", ") + " changed; to use it: scout serve restart"})
	}
	ends := ""
	if s.Idle != nil {
		ends = fmt.Sprintf(", ends when idle for %s", inSeconds(s.Idle.AfterSeconds))
	}
	return append(rows, []string{"daemon", fmt.Sprintf("process %d, version %s, up %s%s", s.PID, s.Version, clock(inSeconds(s.UptimeSeconds)), ends)}, []string{"data", s.DataDir})
}

// secondPassText tells whether a better model hears dictations too.
func secondPassText(p *v1.SecondPass) string {
	text := p.State
	if p.Model != "" {
		text += ", " + p.Model
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

// engineRows has a row for each model that is loaded, or that is ill, which comes first; one row where there is none.
func engineRows(s *v1.Status) [][]string {
	row := func(e *v1.EngineStatus) []string {
		text := e.State
		if e.Model != "" {
			text += ", " + e.Model
		}
		if e.Reason != "" {
			text += ": " + e.Reason
		}
		return []string{"engine", text}
	}
	var rows [][]string
	for i := range s.Engines {
		if e := &s.Engines[i]; e.State != v1.EngineUnloaded {
			rows = append(rows, row(e))
		}
	}
	if len(rows) == 0 {
		rows = append(rows, row(&s.Engine))
	}
	return rows
}

// apartText tells whether the recorder could be ended together with the daemon; empty while none runs.
func apartText(processes []v1.Process) string {
	for i := range processes {
		p := &processes[i]
		if p.OwnSession == nil {
			continue
		}
		session, group := "in a session of its own", ", in a control group of its own"
		if !*p.OwnSession {
			session = "in the daemon's session"
		}
		switch controlgroup.Groups(p.ControlGroups) {
		case controlgroup.SharedGroups:
			group = ", in the daemon's control group: what ends all of it ends the recorder too"
		case controlgroup.NoGroups:
			group = ""
		case controlgroup.OwnGroups:
		}
		return fmt.Sprintf("process %d, %s%s", p.PID, session, group)
	}
	return ""
}

// transcriptionsRow tells how many texts are owed and why they do not come; empty if there are none.
func transcriptionsRow(o *v1.Owed) string {
	var parts []string
	if o.Count > 0 {
		parts = append(parts, fmt.Sprintf("%d to come", o.Count))
	}
	if o.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", o.Failed))
	}
	for i := range o.Data {
		if e := o.Data[i].Error; e != nil {
			reason := cli.OneLine(e.Err())
			if e.Hint != "" {
				reason += " (" + e.Hint + ")"
			}
			parts = append(parts, o.Data[i].ID+": "+reason)
			break
		}
	}
	return strings.Join(parts, ", ")
}

func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func newHealthCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Check every part of Scout",
		Long: `Checks every part of Scout. It changes nothing: it opens no device, loads no
model and starts no process. If the daemon is running, it is asked. If not, this
command checks what can be checked without it.

Exit codes: 0 Healthy, 1 Degraded or unknown, 2 Unhealthy or wrong usage.`,
		Example: `  scout health
  scout health --json | jq -r '.components[] | select(.status != "Healthy")'`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.health(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				err = cli.WriteJSON(a.Std.Out, h)
			} else {
				err = writeTable(a.Std.Out, healthRows(h))
			}
			if err != nil {
				return err
			}
			return healthExit(h)
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
	return cmd
}

// health asks the daemon. If none answers, it makes the checks itself.
func (a *app) health(ctx context.Context) (*v1.Health, error) {
	if a.server != "" {
		c, err := a.connect(ctx)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		return c.Health(ctx)
	}
	dir, err := a.dataDir()
	if err != nil {
		return nil, err
	}
	_, running, err := daemon.HolderOf(dir)
	if err != nil {
		return nil, err
	}
	if running {
		c, err := a.connectRunning(ctx)
		if err == nil {
			defer c.Close()
			var h *v1.Health
			if h, err = c.Health(ctx); err == nil {
				return h, nil
			}
		}
		if ctx.Err() != nil {
			return nil, err
		}
		unreachable := health.Check{Name: "daemon", Critical: true, Probe: func(context.Context) health.Result {
			return health.Result{Status: health.Unhealthy, Reason: cli.OneLine(err)}
		}}
		return a.checkHere(ctx, unreachable)
	}
	socket, err := unixsocket.Path(dir, daemon.SocketName)
	if err == nil {
		err = unixsocket.Vacant(ctx, socket)
	}
	if err != nil && ctx.Err() == nil { // no daemon can be started
		return a.checkHere(ctx, health.Check{Name: "daemon", Critical: true, Probe: func(context.Context) health.Result { return health.Failed(err) }})
	}
	return a.checkHere(ctx)
}

// checkHere makes the checks that need no daemon.
func (a *app) checkHere(ctx context.Context, besides ...health.Check) (*v1.Health, error) {
	checks, err := daemon.Checks(a.Settings, a.Scope)
	if err != nil {
		return nil, err
	}
	h := api.HealthOf(daemon.Report(ctx, append(checks, besides...), release.Version(), time.Now()), v1.FullQuality(nil))
	return &h, nil
}

func healthRows(h *v1.Health) [][]string {
	rows := [][]string{{h.Status, "", strings.Join(h.Reasons, "; ")}}
	for _, c := range h.Components {
		rows = append(rows, []string{"  " + c.Name, c.Status, c.Reason})
	}
	return rows
}

// healthExit returns an error with the exit code for a state. Wrong usage also has the code 2.
func healthExit(h *v1.Health) error {
	switch health.Status(h.Status) {
	case health.Healthy:
		return nil
	case health.Unhealthy:
		return cli.Reported(cli.Usage(scout.Errorf(scout.CodeUnavailable, "Scout is unhealthy")))
	}
	return cli.Reported(scout.Errorf(scout.CodeUnavailable, "Scout is %s", strings.ToLower(h.Status)))
}
