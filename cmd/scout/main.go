// Command scout turns speech into text on this machine.
package main

import (
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	_ "github.com/scout-speech/scout/internal/preflight" // ends with one line if a limit would end Go's runtime
)

// garbagePercent keeps the program small: its garbage is pieces of audio, and it makes few. Measured over an hour of
// speech: 27 MB resident instead of 30, at equal speed.
const garbagePercent = 30

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	cli.Main(programName, build)
}

// programName is the name of this program.
const programName = "scout"

func build(a *cli.App) *cobra.Command { return newRootCommand(&app{App: a}) }
