package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/internal/release"
)

// garbagePercent keeps the programs small: their garbage is pieces of audio, and they make few. Measured over an hour of
// speech: 27 MB resident instead of 30, at equal speed. $GOGC overrides it.
const garbagePercent = 30

// Main runs a program with the arguments, streams and signals of the process, and ends it.
func Main(name string, build func(*App) *cobra.Command) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // logs of libraries must not reach the terminal
	ctx, interrupts := watchInterrupts()
	leave(Run(ctx, name, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Interrupts: interrupts}, build))
}

// Run runs a program without the process: it returns the exit code.
//
//	build  makes the tree of commands
func Run(ctx context.Context, name string, args []string, std Streams, build func(*App) *cobra.Command) (code int) {
	a := New(name, std)
	defer func() {
		if err := a.close(); err != nil {
			a.Complain("", err)
			code = max(code, ExitFailed)
		}
	}()
	root := build(a)
	root.SetArgs(args)
	out := &checkedWriter{Writer: std.Out}
	root.SetOut(out)
	root.InitDefaultCompletionCmd()
	explainWrongShells(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = out.failed
	}
	return a.Report(ctx, err)
}

// explainWrongShells makes the command completion refuse unknown shells, as the other commands do.
func explainWrongShells(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Args = WrongArgs(cobra.NoArgs)
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		for _, shell := range cmd.Commands() {
			shell.Args = WrongArgs(cobra.NoArgs)
		}
	}
}

// helpColumns is how wide the help on flags is.
const helpColumns = 100

// SetUp gives the root of a tree of commands what all programs share: streams, settings, messages, version and help.
func (a *App) SetUp(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRunE = a.Prepare
	root.Args = cobra.ArbitraryArgs
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return cmd.Help()
	}
	root.SetErr(a.Std.Err)
	root.SetIn(a.Std.In)
	root.SetFlagErrorFunc(WrongFlag)
	root.Version = a.versionText()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetHelpCommand(newHelpCommand())
	// The usage of flags is wrapped: some take more than a line.
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", helpColumns)))
	bindShared(root)
	root.AddCommand(a.newVersionCommand())
}

// Prepare reads the settings and acts on those that all commands share, before one runs.
func (a *App) Prepare(cmd *cobra.Command, args []string) error {
	if err := a.LoadSettings(cmd); err != nil {
		return err
	}
	if err := a.checkLogFile(args); err != nil {
		return err
	}
	return a.open(cmd.Context())
}

func (a *App) newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Prints the version of the program, the compiler, and the system that it is for.",
		Example: "  " + a.Name + " version",
		Args:    WrongArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return WriteJSON(a.Std.Out, version{a.Name, release.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH})
			}
			return a.Say("%s", a.versionText())
		},
	}
	JSONFlag(cmd, &asJSON)
	return cmd
}

// version is the version of a program, in JSON.
type version struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Go           string `json:"go"`
	System       string `json:"system"`
	Architecture string `json:"architecture"`
}

// versionText returns the version, or the commit of a build from a checkout, and the compiler.
func (a *App) versionText() string {
	return fmt.Sprintf("%s %s (%s, %s/%s)", a.Name, release.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// newHelpCommand returns "scout help", which also explains unknown commands.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND…]",
		Short: "Explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil {
				return Usage(err)
			}
			if len(rest) > 0 {
				return unknownCommand(found, rest[0])
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}
