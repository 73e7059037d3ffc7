// Command scout turns speech into text on this machine.
package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"

	_ "github.com/scout-speech/scout/internal/preflight" // ends with one line where a limit would end Go's runtime
)

// garbagePercent keeps the program small: pieces of audio are its garbage, and it makes little. Measured over an
// hour of speech: 27 MB resident instead of 30, at equal speed.
const garbagePercent = 30

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // libraries that log by themselves must not reach the terminal
	ctx, interrupts := watchInterrupts()
	leave(run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, interrupts: interrupts}))
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, std streams) (code int) {
	app := newApp(std)
	defer func() {
		if err := app.close(); err != nil {
			app.complain("", err)
			code = max(code, exitFailed)
		}
	}()
	root := newRootCommand(app) //nolint:contextcheck // cobra hands the context on
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return app.report(ctx, err)
}
