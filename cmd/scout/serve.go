package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/footprint"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/settings"
)

// How long a daemon may take to end.
const (
	// endsWithin is longer than all stages of its stop may take together.
	endsWithin = daemon.StopsWithin
	// silentEndsWithin is for a daemon that does not answer, because it is suspended or hangs.
	silentEndsWithin = 2 * time.Second
)

func newServeCommand(a *app) *cobra.Command {
	var onDemand, detach bool
	var addr addressFlag
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon, the background process of Scout",
		Long: `Runs the daemon until Ctrl-C. It serves one data folder, through the unix socket
scout.sock in that folder, and over HTTP at 127.0.0.1:7268. Other machines reach
it at --addr 0.0.0.0:7268, with a key: scout keys create NAME, and then
scout serve stop, because that command has started a daemon.

With --detach the command returns when the daemon is ready, which then runs in
the background until scout serve stop. A daemon that a command started is
replaced, and so is one that runs another program file than this command, as
after an update (where the system does not tell the file: one of another
version). With --addr any is replaced. A recording that is under way continues.

You rarely need this command: commands that need the daemon start it by
themselves. A daemon that was started that way ends when it has had nothing to
do for 10 minutes (setting daemon.idle).

Under systemd, the daemon reports when it is ready and can take over a socket
that systemd has opened.

A process of its own records. When the daemon ends, for whatever reason, the
recording continues, and the next daemon takes it over.`,
		Example: `  scout serve
  scout serve --detach
  scout serve --addr 127.0.0.1:7268 --addr 192.168.1.5:7268
  scout serve stop
  scout serve restart`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if detach {
				return a.detachDaemon(cmd.Context())
			}
			return a.serve(cmd.Context(), onDemand)
		},
	}
	cmd.Flags().BoolVar(&detach, "detach", false, "run in the background, until scout serve stop")
	cmd.Flags().BoolVar(&onDemand, "on-demand", false, "end when nothing was open for daemon.idle, as a daemon does that a command started")
	cmd.Flags().Var(&addr, "addr", "address for HTTP, such as 127.0.0.1:7268, localhost:7268 or off; may be repeated (setting http.addr)")
	cli.BindSettings(cmd.Flags(), map[string]string{"addr": "http.addr"})
	hideFlags(cmd, "on-demand")
	cmd.MarkFlagsMutuallyExclusive("on-demand", "detach")
	cmd.AddCommand(newServeStopCommand(a), newServeRestartCommand(a))
	return cmd
}

// changedDaemon is the outcome of stopping or replacing the daemon, in JSON.
type changedDaemon struct {
	// EndedPID is the process that ended; 0 if no daemon was running.
	EndedPID int `json:"ended_pid,omitempty"`
	// PID and Version are of the daemon that was started.
	PID     int    `json:"pid,omitempty"`
	Version string `json:"version,omitempty"`
	// NotReady is what does not work although the daemon runs.
	NotReady []string `json:"not_ready,omitempty"`
}

func newServeStopCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "End the daemon; a recording continues",
		Long: `Ends the daemon, and returns when it has ended. A recording that is under way
continues. If no daemon is running, there is nothing to do.`,
		Example: "  scout serve stop",
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			holder, running, err := a.stopDaemon(cmd.Context())
			switch {
			case err != nil:
				return err
			case asJSON:
				return cli.WriteJSON(a.Std.Out, changedDaemon{EndedPID: holder.PID})
			case !running:
				a.Notef("no daemon is running\n")
			default:
				a.Notef("the daemon (process %d) has ended\n", holder.PID)
			}
			return nil
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func newServeRestartCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restart",
		Short: "Replace the daemon, for example after an update",
		Long: `Ends the daemon, if one is running, and starts a new one in the background, of
the same version as this command. A recording that is under way continues.

The new one keeps what the old one was started with: it ends by itself after
daemon.idle only if that was so for the old one, or if none was running, and it
has the addresses that --addr gave the old one. To return to those of the
settings: scout serve stop, and then scout serve --detach.`,
		Example: "  scout serve restart",
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.restartDaemon(cmd.Context(), asJSON) },
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) restartDaemon(ctx context.Context, asJSON bool) error {
	ended, running, err := a.stopDaemon(ctx)
	if err != nil {
		return err
	}
	start := startOnDemand
	if running && !ended.OnDemand {
		start = startLasting
	}
	a.addresses = ended.Addresses
	status, err := a.statusOf(ctx, start)
	if err != nil {
		return err
	}
	a.tellNotReady(status.Reasons)
	if !asJSON {
		a.Notef("a daemon of version %s is running%s\n", release.Version(), listeningAt(&status, " at ", a.Settings.HTTP.BasePath))
		return nil
	}
	return cli.WriteJSON(a.Std.Out, changedDaemon{EndedPID: ended.PID, PID: status.PID, Version: status.Version, NotReady: status.Reasons})
}

// statusOf returns the status of the daemon.
func (a *app) statusOf(ctx context.Context, start starting) (v1.Status, error) {
	var status v1.Status
	c, err := a.reach(ctx, start, false)
	if err != nil {
		return status, err
	}
	defer c.Close()
	err = c.Get(ctx, "/status", &status)
	return status, err
}

// detachDaemon starts a daemon that lasts, unless one runs that is the same. One that was told other addresses by this command is another.
func (a *app) detachDaemon(ctx context.Context) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	holder, running, err := daemon.HolderOf(dir)
	if err != nil {
		return err
	}
	said, addressed := "serving on", a.Settings.Origin("http.addr").Kind == settings.FromFlag
	switch {
	case running && !addressed && a.lasts(holder):
		said = "serving already on"
	case running:
		if _, _, err := a.stopDaemon(ctx); err != nil {
			return err
		}
	}
	status, err := a.statusOf(ctx, startLasting)
	if err != nil {
		return err
	}
	at := filepath.Join(dir, daemon.SocketName) + listeningAt(&status, " and ", a.Settings.HTTP.BasePath)
	a.Notef("%s: %s %s (process %d); to end it: scout serve stop\n", a.Name, said, at, status.PID)
	a.warnWithoutTLS()
	a.tellNotReady(status.Reasons)
	return nil
}

// listeningAt are the URLs at which a daemon listens, each with what precedes it: " at " and then " and ", or " and "; empty where there is none.
func listeningAt(status *v1.Status, before, base string) string {
	var text strings.Builder
	for i := range status.HTTP {
		if at := &status.HTTP[i]; at.Listening {
			text.WriteString(before + "http://" + at.Address + base)
			before = " and "
		}
	}
	return text.String()
}

// lasts reports whether a daemon goes on until it is told to end, and runs the program that would be started in its place. The system
// names another file for a program that was replaced.
func (a *app) lasts(holder daemon.Holder) bool {
	if holder.OnDemand || holder.Stopping() {
		return false
	}
	its, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", holder.PID))
	if err != nil { // the system does not say it
		return holder.Version == release.Version()
	}
	program, err := a.daemonProgram()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	return err == nil && its == program
}

// tellNotReady prints what does not work although the daemon runs.
func (a *app) tellNotReady(reasons []string) {
	for _, reason := range reasons {
		a.Notef("%s: not ready: %s\n", a.Name, printable.Line(reason))
	}
}

// serve runs the daemon.
func (a *app) serve(ctx context.Context, onDemand bool) error {
	a.patient() // the stages of the stop have their own deadlines
	defer context.AfterFunc(ctx, func() {
		if cli.SignalOf(ctx) == syscall.SIGQUIT {
			a.tellStacks()
		}
	})()
	syscall.Umask(0o077)
	o := daemon.Options{
		Settings: a.Settings, Scope: a.Scope, Failures: a.Failures, Gatherer: a.Registry, Version: release.Version(),
		Launch: a.launchRecorder("scout serve"), OnDemand: onDemand, LogFile: a.Settings.Log.File,
		Ready: func(addresses, notReady []string) {
			if !onDemand {
				a.Notef("%s: serving on %s\n", a.Name, strings.Join(addresses, " and "))
				a.warnWithoutTLS()
				a.tellNotReady(notReady)
			}
			if err := footprint.ReturnStartupPages(); err != nil { // it only takes more memory then
				a.Scope.Log().Debug(footprint.EventStartupPagesStay, slog.String(observe.KeyError, err.Error()))
			}
		},
	}
	if onDemand {
		o.Launch.Environment.LogLevel = "info"
	}
	return daemon.Run(ctx, o)
}

// eventStacks is logged by a daemon that was asked for its stacks.
const eventStacks = "daemon_stacks"

// mostOfStacks bounds what is told of them.
const mostOfStacks = 1 << 20

// tellStacks writes the stacks of all goroutines to standard error, as every program of Go does on SIGQUIT, and to the log, which stays.
func (a *app) tellStacks() {
	stacks := make([]byte, mostOfStacks)
	stacks = stacks[:runtime.Stack(stacks, true)]
	a.Scope.Log().Warn(eventStacks, slog.Int(observe.KeyPID, os.Getpid()), slog.String("stacks", string(stacks)))
	a.Notef("SIGQUIT: quit\n\n%s\n", stacks)
}

// stopDaemon ends the daemon of the data folder, and returns when it has ended. A daemon that does not end is killed.
func (a *app) stopDaemon(ctx context.Context) (holder daemon.Holder, running bool, err error) {
	dir, err := a.dataDir()
	if err != nil {
		return holder, false, err
	}
	holder, running, err = daemon.HolderOf(dir)
	if err != nil || !running {
		return holder, running, err
	}
	within := endsWithin
	if c, err := a.reach(ctx, startNone, true); err == nil { // of whichever version
		var status v1.Status
		if holder.PID <= 0 && c.Get(ctx, "/status", &status) == nil { // the disk was full when it took the lock
			holder.PID = status.PID
		}
		c.Close()
	} else if ctx.Err() == nil {
		within = silentEndsWithin
	}
	if holder.PID <= 0 {
		return holder, true, scout.Errorf(scout.CodeDaemonUnreachable, "a daemon serves %s, and its process is not known", dir).
			WithHint("find it: fuser %s", filepath.Join(dir, daemon.LockName))
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(holder.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return holder, true, scout.Errorf(scout.CodeDaemonUnreachable, "end the daemon (process %d): %w", holder.PID, os.NewSyscallError("kill", err))
		}
		ended, err := daemonEnds(ctx, dir, holder, within)
		if err != nil || ended {
			return holder, true, err
		}
		a.Notef("%s: the daemon (process %d) does not end and is killed\n", a.Name, holder.PID)
	}
	return holder, true, scout.Errorf(scout.CodeDaemonUnreachable, "the daemon (process %d) does not end", holder.PID)
}

// daemonEnds waits until no daemon, or another one, serves the folder.
func daemonEnds(ctx context.Context, dir string, holder daemon.Holder, within time.Duration) (bool, error) {
	deadline := time.After(within)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		now, running, err := daemon.HolderOf(dir)
		if err != nil || !running || now.PID > 0 && now.PID != holder.PID {
			return err == nil, err
		}
		select {
		case <-ticker.C: // nothing announces the end of a process that is no child
		case <-deadline:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// addressFlag is a flag that may be repeated: its values are one text, separated by commas.
type addressFlag struct {
	text  string
	given bool
}

// String implements pflag.Value.
func (j *addressFlag) String() string { return j.text }

// Type implements pflag.Value.
func (j *addressFlag) Type() string { return "address" }

// Set implements pflag.Value.
func (j *addressFlag) Set(text string) error {
	if j.given {
		text = j.text + "," + text
	}
	j.text, j.given = text, true
	return nil
}

// warnWithoutTLS says that keys and words travel as they are, where other machines can be asked.
func (a *app) warnWithoutTLS() {
	if slices.ContainsFunc(a.Settings.HTTP.Addresses(), settings.FromOutside) {
		a.Notef("%s: warning: without TLS, keys and words can be read on the network; put a proxy with TLS in front of it\n", a.Name)
	}
}
