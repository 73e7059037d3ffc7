package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/client"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/unixsocket"
)

// dataDir is the absolute path of the data folder.
func (a *app) dataDir() (string, error) {
	dir, err := a.Settings.DataDir()
	if err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}

// connect returns a client of the daemon of the data folder. If no daemon answers, it starts one. The caller closes the
// client.
func (a *app) connect(ctx context.Context) (*client.Client, error) {
	return a.reach(ctx, startOnDemand, false)
}

// connectRunning is like connect, but starts no daemon.
func (a *app) connectRunning(ctx context.Context) (*client.Client, error) {
	return a.reach(ctx, startNone, false)
}

// starting says which daemon is started if none answers.
type starting int

const (
	startNone     starting = iota
	startOnDemand          // one that ends when it has had nothing to do for daemon.idle
	startLasting           // one that runs until it is told to end
)

// reach connects to the daemon.
//
//	quiet  say nothing about its version
func (a *app) reach(ctx context.Context, start starting, quiet bool) (*client.Client, error) {
	if a.server != "" {
		return a.reachServer(ctx)
	}
	dir, err := a.dataDir()
	if err != nil {
		return nil, err
	}
	socket, err := unixsocket.Path(dir, daemon.SocketName)
	if err != nil {
		return nil, err
	}
	o := client.Options{Socket: socket, Name: programName, Version: release.Version(), Differs: func(other string) {
		if quiet {
			return
		}
		a.Notef("%s: the daemon is of version %s, this program of version %s; to replace it: scout serve restart\n", a.Name, other, release.Version())
	}}
	if start != startNone {
		if o.Launch, err = a.launchDaemon(dir, start); err != nil {
			return nil, err
		}
	}
	c, err := client.Connect(ctx, o)
	if scout.CodeOf(err) == scout.CodeDaemonUnreachable && ctx.Err() == nil {
		if _, running, holderErr := daemon.HolderOf(dir); holderErr == nil && !running && !client.Absent(err) {
			return nil, scout.Errorf(scout.CodeSocketTaken, "another program listens at %s and does not answer as a daemon of Scout does", socket).
				WithHint("end that program, or choose another data folder with --data-dir")
		}
	}
	return c, err
}

// serverFlags are those of commands that can ask the Scout of another machine.
func (a *app) serverFlags(cmd *cobra.Command) {
	cmd.Flags().Var(serverURL{&a.server}, "server", "ask the Scout at this URL, such as http://192.168.1.5:7268")
	cmd.Flags().StringVar(&a.ca, "ca", "", "a file with the CA of --server, in PEM (scout tls ca prints it there); $SCOUT_CA")
	cmd.Flags().StringVar(&a.key, "key", "", "the key for --server; others see it in the list of processes, $SCOUT_KEY they do not")
}

// serverURL is the value of --server. An empty one is that of a variable which is not set, and the command would ask this machine.
type serverURL struct{ to *string }

// String implements pflag.Value.
func (u serverURL) String() string {
	if u.to == nil {
		return ""
	}
	return *u.to
}

// Set implements pflag.Value.
func (u serverURL) Set(text string) error {
	if text == "" {
		return errors.New("it is empty: want a URL such as http://192.168.1.5:7268, or leave the flag out for this machine")
	}
	*u.to = text
	return nil
}

// Type implements pflag.Value.
func (u serverURL) Type() string { return "string" }

// reachServer connects to the Scout of another machine.
func (a *app) reachServer(ctx context.Context) (*client.Client, error) {
	o := client.Options{Server: a.server, Key: cmp.Or(a.key, os.Getenv("SCOUT_KEY")), CA: cmp.Or(a.ca, os.Getenv("SCOUT_CA")), Name: programName, Version: release.Version()}
	return client.Connect(ctx, o)
}

// daemonProgram is the path of the program that is started as the daemon: this one, except where it has the commands built in, as a test does.
func (a *app) daemonProgram() (string, error) {
	program, err := os.Executable()
	if err == nil && filepath.Base(program) != programName {
		program = a.Settings.Scout()
	}
	return program, err
}

// launchDaemon says how to start a daemon in the background. The daemon runs in another folder, so relative paths that this
// command was given are made absolute and passed to it in the environment.
func (a *app) launchDaemon(dir string, start starting) (*client.Launch, error) {
	program, err := a.daemonProgram()
	if err != nil {
		return nil, err
	}
	l := &client.Launch{
		Program: program, Args: []string{"serve"}, Env: os.Environ(), Dir: dir,
		Output: filepath.Join(dir, daemon.OutputName), Log: filepath.Join(dir, daemon.LogName),
		Ending: func() bool {
			holder, running, err := daemon.HolderOf(dir)
			return err == nil && running && holder.Stopping()
		},
		Serving: func() bool {
			_, running, err := daemon.HolderOf(dir)
			return err == nil && running
		},
	}
	if start == startOnDemand {
		l.Args = append(l.Args, "--on-demand")
	}
	set := func(variable, value string) {
		l.Env = slices.DeleteFunc(l.Env, func(entry string) bool { return strings.HasPrefix(entry, variable+"=") })
		l.Env = append(l.Env, variable+"="+value)
	}
	if a.Settings.FileFound {
		file, err := filepath.Abs(a.Settings.File)
		if err != nil {
			return nil, err
		}
		set("SCOUT_CONFIG", file)
	}
	for _, v := range a.Settings.Values() {
		path, isText := v.Value.(string)
		given := v.Origin.Kind == settings.FromEnvironment || v.Origin.Kind == settings.FromFlag
		switch {
		case v.Name == "data.dir": // the same folder also where it is the default
			set(v.Variable, dir)
		case v.Name == "log.file" && v.Origin.Kind == settings.FromFlag:
			continue // it is for the log of this command
		case v.Name == "http.addr" && v.Origin.Kind == settings.FromFlag && isText: // of scout serve --detach
			l.Args = append(l.Args, "--addr", path)
		case v.Name == "http.addr" && a.addresses != "":
			l.Args = append(l.Args, "--addr", a.addresses)
		case given && isText && strings.HasPrefix(v.Allowed, "the path of ") && path != "":
			if path, err = filepath.Abs(path); err != nil {
				return nil, err
			}
			set(v.Variable, path)
		}
	}
	if log := a.Settings.Log.File; log != "" && a.Settings.Origin("log.file").Kind != settings.FromFlag {
		l.Log = log
	} else {
		l.Args = append(l.Args, "--log-file", l.Log)
	}
	return l, nil
}
