package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/scout-speech/scout/cmd/internal/cli"
)

func newApp(std cli.Streams) *app { return &app{App: cli.New(programName, std)} }

// everyCommand calls look with each command that users see. Every call has a tree of its own, because parsing changes it.
func everyCommand(t *testing.T, look func(t *testing.T, cmd *cobra.Command)) {
	t.Helper()
	paths := pathsOf(newRootCommand(newApp(cli.Streams{})))
	if len(paths) < 40 {
		t.Fatalf("only %d commands: the test no longer sees them", len(paths))
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			root := newRootCommand(newApp(cli.Streams{}))
			cmd, _, err := root.Find(strings.Fields(path)[1:])
			if err != nil || cmd.CommandPath() != path {
				t.Fatalf("found %q, %v", cmd.CommandPath(), err)
			}
			look(t, cmd)
		})
	}
}

// pathsOf returns the paths of a command and of all below it that users see, without those that the library makes.
func pathsOf(cmd *cobra.Command) []string {
	paths := []string{cmd.CommandPath()}
	for _, c := range cmd.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		paths = append(paths, pathsOf(c)...)
	}
	return paths
}

// isGroup tells whether a command only has others below it.
func isGroup(cmd *cobra.Command) bool {
	return slices.Contains([]string{"scout", "scout jobs", "scout keys", "scout models", "scout recordings", "scout settings", "scout tls", "scout transcripts", "scout webhooks"}, cmd.CommandPath())
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		first, _ := utf8.DecodeRuneInString(cmd.Short)
		if !unicode.IsUpper(first) || strings.HasSuffix(cmd.Short, ".") || utf8.RuneCountInString(cmd.Short) > 65 {
			t.Errorf("the short help is no heading of one line: %q", cmd.Short)
		}
		if cmd.Long == "" || cmd.Example == "" {
			t.Error("the help has no text, or no example")
		}
		for line := range strings.Lines(cmd.Long) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("a line of the help has %d columns: %s", n, line)
			}
		}
		if cmd.Args == nil {
			t.Error("it does not say which arguments it takes")
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && (f.Usage == "" || strings.HasSuffix(f.Usage, ".")) {
				t.Errorf("--%s: %q", f.Name, f.Usage)
			}
		})
	})
}

// calls returns the calls of scout in a line of a shell, as arguments. It knows what the examples use of the shell.
func calls(line string) [][]string {
	line, _, _ = strings.Cut(line, " # ")
	line = regexp.MustCompile(`'[^']*'`).ReplaceAllString(line, "QUOTED")
	line = strings.NewReplacer(`"$(`, "QUOTED;", `)"`, ";", "$(", ";", ")", ";").Replace(line)
	line = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(line, "QUOTED")
	var found [][]string
	for _, part := range regexp.MustCompile(`[;|&]+`).Split(line, -1) {
		if words := strings.Fields(part); len(words) > 0 && words[0] == programName {
			found = append(found, words[1:])
		}
	}
	return found
}

func TestEveryExampleIsAccepted(t *testing.T) {
	t.Parallel()
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		own := 0
		for line := range strings.Lines(cmd.Example) {
			for _, args := range calls(line) {
				root := newRootCommand(newApp(cli.Streams{}))
				called, rest, err := root.Find(args)
				if err == nil {
					err = called.ParseFlags(rest)
				}
				if err == nil {
					err = called.ValidateArgs(called.Flags().Args())
				}
				if err != nil {
					t.Errorf("%s: %v", strings.TrimSpace(line), err)
				}
				if called.CommandPath() == cmd.CommandPath() || isGroup(cmd) {
					own++
				}
			}
		}
		if own == 0 {
			t.Error("no example shows the command")
		}
	})
}

// Each command refuses a flag, an argument too many and a missing argument: exit code 2, a line, a hint.
func TestEveryCommandRefusesWrongCalls(t *testing.T) {
	t.Parallel()
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		refused := func(hint string, args ...string) {
			t.Helper()
			args = slices.Concat(strings.Fields(cmd.CommandPath())[1:], args, []string{"--data-dir", t.TempDir(), "--recordings-dir", t.TempDir()})
			got := scoutRun(t, nil, args...)
			lines := strings.Split(strings.TrimSpace(got.err), "\n")
			if got.code != cli.ExitUsage || got.out != "" {
				t.Errorf("%q: exit %d, %q", args, got.code, got.out)
			}
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "  hint: ") || !strings.Contains(last, hint) {
				t.Errorf("%q: no hint with %q: %s", args, hint, got.err)
			}
		}
		if cmd.CommandPath() != "scout record stop" { // it ends the recording first, whatever is wrong
			refused("did you mean --help?", "--hepl")
		}
		use := strings.TrimPrefix(cmd.Use, cmd.Name())
		if !strings.Contains(use, "…") {
			refused("", strings.Fields("a b c d e")...)
		}
		if use != "" && !strings.HasPrefix(use, " [") {
			refused("") // nothing where something must be
		}
	})
}

// Every command prints JSON, or there is a reason why not.
func TestEveryCommandPrintsJSON(t *testing.T) {
	t.Parallel()
	without := map[string]string{
		"scout serve":         "it runs until it is ended",
		"scout transcribe":    "--format json",
		"scout models path":   "it prints one path",
		"scout settings path": "it prints one path",
		"scout tls ca":        "it prints one path",
	}
	document, err := os.ReadFile("../../docs/formats/command-line.md")
	if err != nil {
		t.Fatal(err)
	}
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		_, excused := without[cmd.CommandPath()]
		has := cmd.Flags().Lookup("json") != nil
		if has == (excused || isGroup(cmd)) {
			t.Errorf("--json: %v; excused: %v", has, excused)
		}
		if has && !strings.Contains(string(document), "`"+cmd.CommandPath()+"`") {
			t.Error("docs/formats/command-line.md does not say what --json prints")
		}
	})
}

func TestCompletionKnowsWhatCommandsTake(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`\b(ID|MODEL|NAME)\b`)
	everyCommand(t, func(t *testing.T, cmd *cobra.Command) {
		use := strings.TrimPrefix(cmd.Use, cmd.Name())
		if needs := use == "" || named.MatchString(use); needs && !cmd.HasSubCommands() && cmd.ValidArgsFunction == nil {
			t.Errorf("a shell would offer files for %q", cmd.Use)
		}
		for _, flag := range []string{"format", "effort", "on-loss", "model", "device", "log-level", "log-format"} {
			if cmd.LocalFlags().Lookup(flag) != nil {
				if _, ok := cmd.GetFlagCompletionFunc(flag); !ok {
					t.Errorf("a shell would offer files for --%s", flag)
				}
			}
		}
	})
}
