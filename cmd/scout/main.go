// Command scout turns speech into text on this machine.
package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	_ "github.com/scout-speech/scout/internal/preflight" // ends with one line where a limit would end Go's runtime

	"github.com/scout-speech/scout/cmd/internal/cli"
)

// garbagePercent keeps the program small: pieces of audio are its garbage, and it makes little. Measured over an
// hour of speech: 27 MB resident instead of 30, at equal speed.
const garbagePercent = 30

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // libraries that log by themselves must not reach the terminal
	ctx, interrupts := cli.WatchInterrupts()
	cli.Leave(run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Interrupts: interrupts}))
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, std cli.Streams) int {
	return cli.Run(ctx, "scout", args, std, func(a *cli.App) *cobra.Command { return newRootCommand(&app{App: a}) })
}
