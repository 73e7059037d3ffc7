// Command scout-bench measures how accurate and fast Scout is, and how much memory it takes.
package main

import (
	"context"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	_ "github.com/scout-speech/scout/internal/preflight" // ends with one line if a limit would end Go's runtime
)

func main() {
	cli.Main(name, build)
}

// name of the program.
const name = "scout-bench"

func build(a *cli.App) *cobra.Command { return newRootCommand(&app{App: a}) }

// app is shared by the commands.
type app struct{ *cli.App }

// newRootCommand returns the tree of commands.
func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "scout-bench",
		Short: "Measure accuracy, speed and memory of Scout",
		Long: `Measures on this machine how accurate and fast Scout is with the speech in a
folder, and how much memory it takes. It uses the settings of scout (see scout
settings show), and the programs scout and scout-engine beside it.`,
		Example: `  scout-bench transcribe speech/
  scout-bench engine speech/`,
	}
	a.SetUp(root)
	root.AddCommand(newTranscribeCommand(a), newNoiseCommand(a), newMakeCommand(a), newWordsCommand(a), newHotWordsCommand(a), newEngineCommand(a), newLiveDecodeCommand(a), newLiveCommand(a), newToggleCommand(a), newServiceCommand(a), newOpenAICommand(a), newRealtimeCommand(a), newTurnsCommand(a), newVoteCommand(a), newSecondCommand(a))
	return root
}

// scout returns a command that runs scout with the settings of this program.
func (a *app) scout(ctx context.Context, args ...string) *exec.Cmd {
	for flag, folder := range map[string]string{"--data-dir": a.Settings.Data.Dir, "--models-dir": a.Settings.Models.Dir} {
		if folder != "" {
			args = append(args, flag, folder)
		}
	}
	cmd := exec.CommandContext(ctx, a.Settings.Scout(), args...)
	if a.Settings.FileFound {
		cmd.Env = append(os.Environ(), "SCOUT_CONFIG="+a.Settings.File)
	}
	return cmd
}
