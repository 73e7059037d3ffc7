//go:build linux

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
)

// commandsIn finds commands of Scout in a text, in backquotes and in lines of blocks.
var commandsIn = regexp.MustCompile("(?m)(?:`|^|\\$\\()scout ((?:[a-z-]+ ?)+)")

// Every command that a document names is there, with its subcommand.
func TestTheCommandsInProse(t *testing.T) {
	t.Parallel()
	root := newRootCommand(newApp(cli.Streams{}))
	var files []string
	for _, pattern := range []string{"../../README.md", "../../docs/*.md", "../../docs/formats/*.md"} { // decisions name commands that were not chosen
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		files = append(files, found...)
	}
	named := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range commandsIn.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(m[1])
			command, rest, err := root.Find(words)
			switch {
			case err != nil || command == root && !strings.HasPrefix(words[0], "-"):
				t.Errorf("%s: there is no command scout %s", file, m[1])
			case len(rest) > 0 && command.HasSubCommands() && !strings.HasPrefix(rest[0], "-") && !takesArguments(command):
				t.Errorf("%s: %s has no command %q", file, command.CommandPath(), rest[0])
			}
			named[command.CommandPath()] = true
		}
	}
	if len(named) < 40 {
		t.Errorf("only %d commands were found: the test no longer reads the texts", len(named))
	}
}

// takesArguments reports whether a command with subcommands may be followed by something else.
func takesArguments(c *cobra.Command) bool {
	return strings.ContainsAny(c.Use, "[…") || c.Args == nil
}
