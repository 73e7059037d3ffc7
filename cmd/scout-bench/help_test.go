package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
)

// Each command explains itself in lines of 80 columns and has an example of itself.
func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || !strings.Contains(cmd.Example, cmd.CommandPath()) || cmd.Args == nil {
			t.Errorf("%s: no short or long help, no example, or no check of its arguments", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Long) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%s: a line of the help has %d columns: %s", cmd.CommandPath(), n, line)
			}
		}
		for _, c := range cmd.Commands() {
			if c.Name() != "help" && c.Name() != "completion" {
				look(c)
			}
		}
	}
	look(build(cli.New(name, cli.Streams{})))
}
