// Command scout turns speech into text on this machine.
package main

import (
	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	_ "github.com/scout-speech/scout/internal/preflight" // ends with one line if a limit would end Go's runtime
)

func main() {
	cli.Main(programName, build)
}

// programName is the name of this program.
const programName = "scout"

func build(a *cli.App) *cobra.Command { return newRootCommand(&app{App: a}) }
